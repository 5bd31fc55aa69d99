package server

import (
	"fmt"
	"time"
)

// stateLines are the platform's lines about a change of an instance, worded
// as Heroku's (HEROKU.md §3) so that people and log parsers know them.
func stateLines(t Transition) []LogLine {
	in := t.Instance
	name := instanceName(in.Type, in.Ordinal)
	say := func(text string) LogLine {
		return LogLine{AppID: in.AppID, At: time.Now(), Source: "paas", Dyno: name, Text: text}
	}
	state := func() LogLine {
		return say(fmt.Sprintf("State changed from %s to %s", heroState(t.From), heroState(t.To)))
	}
	switch t.To {
	case "starting":
		return []LogLine{say(fmt.Sprintf("Starting process with command `%s`", in.Command))}
	case "up":
		return []LogLine{state()}
	case "crashed":
		lines := []LogLine{}
		if in.Reason != "" {
			lines = append(lines, say(in.Reason))
		}
		return append(lines, state())
	case "down":
		lines := []LogLine{say("Stopping all processes with SIGTERM")}
		if in.Reason != "" {
			lines = append(lines, say(in.Reason))
		}
		return append(lines, say(fmt.Sprintf("Process exited with status %d", in.ExitCode)))
	}
	return nil
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
