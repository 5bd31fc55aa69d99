package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// firewallEvery is the time between two looks whether the rules still stand:
// others flush tables (a firewall service that reloads, a network that
// restarts), and nobody would notice.
const firewallEvery = 10 * time.Second

// errElsewhere is of an engine whose bridges this process does not see.
var errElsewhere = errors.New("the engine's networks are not in the network namespace of paas; run both in the same one")

// firewall keeps the containers of one cluster away from the host, from what
// clouds serve to their machines, and from private networks (see rules.go).
// Without iptables, or the right to use it, it says so once and apps run on.
type firewall struct {
	cluster string
	log     *slog.Logger

	every   time.Duration
	lock    chan struct{}     // held while the tables are read and written
	checked time.Time         // guarded by lock, as all below
	told    map[string]string // the last complaint by what it means
	tables  []*table
}

// table is one table of one family.
type table struct {
	tool  iptables
	rules func() chains // as they have to be now
	there func() bool
	harm  string // what it means when they do not stand
	// wanted and stood are what was asked for and how the tool printed it
	// afterwards: while neither has changed the rules stand.
	wanted, stood string
}

// chains are those of one cluster in one table.
type chains interface {
	restore() string // input of iptables-restore that makes them anew, in one step
	// jumps lead to them from the table's own chains.
	jumps(lines []string) [][]string
	mine(lines []string) string // the lines of a listing that name them
}

func newFirewall(cluster string, allow []netip.Prefix, doors DoorPorts, log *slog.Logger) *firewall {
	w := &firewall{every: firewallEvery, cluster: cluster, log: log, told: map[string]string{}, lock: make(chan struct{}, 1)}
	for _, f := range []struct {
		family
		tool string
	}{{v4, "iptables"}, {v6, "ip6tables"}} {
		w.tables = append(w.tables, &table{tool: iptables{f.tool, "filter"}, there: f.there, harm: "apps are not kept from reaching this host and private networks",
			rules: func() chains { return newRules(cluster, f.family, allow, nameservers(), doors) }})
	}
	if doors.wanted() {
		w.tables = append(w.tables, &table{tool: iptables{"iptables", "nat"}, there: v4.there, harm: "apps do not reach the apps they are linked with",
			rules: func() chains { return newDoorRules(cluster, doors) }},
			&table{tool: iptables{"iptables", "raw"}, there: v4.there, harm: "apps that ask for many names do not always find the apps they are linked with",
				rules: func() chains { return newZoneRules(cluster) }})
	}
	return w
}

// ensure makes the rules stand. It is called before a container starts and
// with every survey, and looks at most each w.every.
func (w *firewall) ensure(ctx context.Context, starting bool) {
	select {
	case w.lock <- struct{}{}:
		defer func() { <-w.lock }()
	case <-ctx.Done():
		return
	}
	if time.Since(w.checked) < w.every {
		return
	}
	here, err := bridgesHere(bridgePrefix(w.cluster))
	switch {
	case err == nil && !here && starting:
		err = errElsewhere
	case err == nil && !here:
		return // nothing to protect from; the first start looks again
	}
	failed := map[string]error{}
	for _, t := range w.tables {
		failed[t.harm] = err
	}
	if err == nil {
		failed = w.apply(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	w.checked = time.Now()
	w.complain(failed)
}

// apply gives what failed, by what it means.
func (w *firewall) apply(ctx context.Context) map[string]error {
	failed := map[string]error{}
	for _, t := range w.tables {
		if !t.there() {
			continue
		}
		repaired, err := t.apply(ctx, t.rules())
		if repaired && err == nil {
			w.log.Warn("the firewall rules of the apps were gone or changed; they stand again", "tool", t.tool.tool, "table", t.tool.table)
		}
		failed[t.harm] = errors.Join(failed[t.harm], err)
	}
	return failed
}

// complain says each trouble once.
func (w *firewall) complain(failed map[string]error) {
	for harm, err := range failed {
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != "" && text != w.told[harm] {
			w.log.Warn(harm+"; they run on. See: paas doctor", "err", err)
		}
		w.told[harm] = text
	}
}

// apply brings the table to the rules; repaired says that they stood before.
func (t *table) apply(ctx context.Context, r chains) (repaired bool, err error) {
	lines, err := t.tool.list(ctx)
	if err != nil {
		return false, err
	}
	jumps := r.jumps(lines)
	want := fmt.Sprint(jumps) + "\n" + r.restore()
	if have := r.mine(lines); have != "" && have == t.stood && want == t.wanted {
		return false, nil
	}
	repaired = t.stood != "" && want == t.wanted
	if err := t.tool.restore(ctx, r.restore()); err != nil {
		return false, err
	}
	for _, jump := range jumps {
		if err := t.tool.insertOnce(ctx, jump); err != nil {
			return false, err
		}
	}
	t.tool.drop(ctx, abandoned(lines))
	if lines, err = t.tool.list(ctx); err != nil {
		return false, err
	}
	t.wanted, t.stood = want, r.mine(lines)
	return repaired, nil
}

// retire takes the rules away if there is nobody left to hold back.
func (w *firewall) retire(ctx context.Context, deserted func() bool) {
	select {
	case w.lock <- struct{}{}:
		defer func() { <-w.lock }()
	case <-ctx.Done():
		return
	}
	stands := func(t *table) bool { return t.stood != "" }
	if !slices.ContainsFunc(w.tables, stands) || !deserted() {
		return
	}
	for _, t := range w.tables {
		lines, err := t.tool.list(ctx)
		if err != nil {
			continue // they hold back nobody; the next start of paas drops them
		}
		t.tool.drop(ctx, chainsOf(lines, clusterTag(w.cluster)))
		t.wanted, t.stood = "", ""
	}
}

// bridgesHere is true when this process sees a bridge whose name begins so.
func bridgesHere(prefix string) (bool, error) {
	all, err := net.Interfaces()
	if err != nil {
		return false, err
	}
	for _, i := range all {
		if strings.HasPrefix(i.Name, prefix) {
			return true, nil
		}
	}
	return false, nil
}
