package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"paas/scheduler"
)

// stateLines are the platform's lines about a change of an instance, worded
// as Heroku's (HEROKU.md §3) so that people and log parsers know them.
func stateLines(t Transition) []LogLine {
	in := t.Instance
	now := t.At
	if now.IsZero() {
		now = time.Now()
	}
	var lines []LogLine
	say := func(text string) {
		lines = append(lines, LogLine{AppID: in.AppID, At: now, Source: "paas", Dyno: instanceName(in.Type, in.Ordinal), Text: text})
	}
	state := func(from, to string) { say("State changed from " + from + " to " + to) }
	started := func() {
		if in.Crashes > 0 { // it takes the place of one that crashed
			state("crashed", "starting")
		}
		say("Starting process with command `" + in.Command + "`")
	}
	notes := func() {
		for line := range strings.SplitSeq(cmp.Or(t.Notes, in.Reason), "\n") {
			if line != "" {
				say(line)
			}
		}
	}
	switch t.To {
	case "starting":
		started()
	case "up":
		if t.From == "assigned" { // sooner than its start was told, as a one-off that waited for its client
			started()
		}
		state(heroState(t.From), "up")
	case "crashed":
		notes()
		state(heroState(t.From), "crashed")
	case "stopping":
		notes()
	case "complete": // a one-off ended by itself
		if t.From == "assigned" { // sooner than its start was told
			started()
		}
		notes()
		state(heroState(t.From), "complete")
	case "down":
		notes()
		if in.OneOff {
			state(heroState(t.From), "complete")
		}
	}
	return lines
}

// heroState says our states in Heroku's words.
func heroState(s string) string {
	switch s {
	case "assigned", "pending":
		return "starting"
	case "draining", "stopping":
		return "up"
	}
	return s
}

// lossLines are those of what a plan starts anew, or gives up, because its host
// was lost.
func lossLines(snap *Snapshot, ops []scheduler.Op) (lines []LogLine) {
	for _, op := range ops {
		gone := op.Replaces
		if op.Kind == scheduler.OpLose || op.Kind == scheduler.OpDrop {
			gone = op.Instance
		}
		if gone == "" {
			continue
		}
		i := slices.IndexFunc(snap.State.Instances, func(in scheduler.Instance) bool { return in.ID == gone })
		if i < 0 {
			continue
		}
		in := snap.State.Instances[i]
		h := slices.IndexFunc(snap.State.Hosts, func(h scheduler.Host) bool { return h.ID == in.Host })
		if h < 0 || !snap.State.Hosts[h].Lost || in.State == scheduler.Pending || in.State == scheduler.Crashed {
			continue
		}
		for _, text := range []string{fmt.Sprintf("Host %s was lost", snap.State.Hosts[h].Name), fmt.Sprintf("State changed from %s to down", heroState(string(in.State)))} {
			lines = append(lines, LogLine{AppID: snap.App.ID, At: time.Now(), Source: "paas", Dyno: snap.Names[in.ID], Text: text})
		}
	}
	return lines
}

// say writes what was to be said of a plan, which is committed now.
func (r *Reconciler) say(app string) {
	if lines := r.toSay[app]; len(lines) > 0 && r.cfg.Say != nil {
		r.cfg.Say(lines...)
	}
	delete(r.toSay, app)
}
