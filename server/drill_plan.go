package server

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"paas/scheduler"
)

// foresee says what the loss of a host would do to the apps on it: the planner
// is asked, with the host lost. Hosts and snapshots are left as they are.
func foresee(hosts []scheduler.Host, snaps []Snapshot, lost string, now time.Time) []DrillApp {
	b := book{hosts: slices.Clone(hosts), index: map[string]int{}}
	b.reindex()
	if i, ok := b.index[lost]; ok {
		b.hosts[i].Lost = true
	}
	apps := make([]DrillApp, 0, len(snaps))
	for _, snap := range snaps {
		st := snap.State
		st.Hosts, st.Now = b.hosts, now
		ops := scheduler.Plan(st).Ops
		b.promise(st.Instances, ops)
		a := DrillApp{ID: snap.App.ID, App: snap.App.Name, Had: map[string]int{}}
		a.count(snap, lost)
		a.waiting(snap, ops)
		if len(a.Dynos)+len(a.OneOffs) > 0 {
			apps = append(apps, a)
		}
	}
	slices.SortFunc(apps, func(a, b DrillApp) int { return strings.Compare(a.App, b.App) })
	return apps
}

// count notes what of the app is on the host, and of which types that is all.
func (a *DrillApp) count(snap Snapshot, host string) {
	there := map[string]int{}
	for _, in := range snap.State.Instances {
		here := in.Host == host && in.State != scheduler.Pending
		switch {
		case in.OneOff && here:
			a.OneOffs = append(a.OneOffs, snap.Names[in.ID])
		case in.OneOff:
		case here && (in.State == scheduler.Draining || in.State == scheduler.Stopping):
		case here:
			a.Dynos, a.Instances = append(a.Dynos, snap.Names[in.ID]), append(a.Instances, in.ID)
		}
		if in.State != scheduler.Up || in.OneOff {
			continue
		}
		if a.Had[in.Type]++; here {
			there[in.Type]++
		}
	}
	var words []string
	for _, typ := range slices.Sorted(maps.Keys(there)) {
		switch n := there[typ]; {
		case n < a.Had[typ]:
		case n == 1:
			words = append(words, fmt.Sprintf("its only %s dyno is there", typ))
		default:
			words = append(words, fmt.Sprintf("all %d %s dynos are there", n, typ))
		}
	}
	a.Away = strings.Join(words, ", ")
}

// waiting notes which of the app's dynos there the plan finds no host for.
func (a *DrillApp) waiting(snap Snapshot, ops []scheduler.Op) {
	for _, op := range ops {
		was := cmp.Or(op.Replaces, op.Beside) // what a driver keeps may be written still: it is not replaced, its successor waits beside it
		if op.Kind == scheduler.OpStart && op.Host == "" && slices.Contains(a.Instances, was) {
			a.Waits = append(a.Waits, fmt.Sprintf("%s: %s", snap.Names[was], op.Reason))
		}
	}
}

// homeless are the dynos of all apps that no other host takes: "web.1 of shop: …".
func (r DrillReport) homeless() (list []string) {
	for _, a := range r.Apps {
		for _, w := range a.Waits {
			name, why, _ := strings.Cut(w, ": ")
			list = append(list, fmt.Sprintf("%s of %s: %s", name, a.App, why))
		}
	}
	return list
}

func plainHosts(entries []HostEntry) []scheduler.Host {
	hosts := make([]scheduler.Host, len(entries))
	for i, e := range entries {
		hosts[i] = e.Host
	}
	return hosts
}
