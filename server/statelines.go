package server

import (
	"cmp"
	"strings"
	"time"
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
