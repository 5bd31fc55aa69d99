package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) whyCommand() *cobra.Command {
	why := &cobra.Command{
		Use: "why DYNO", Aliases: []string{"ps:why"}, Short: "say where a dyno is, or why no host takes it", Args: takes(1, 1),
		Long: "Say where a dyno is, or why it waits, and what each host says to it.",
	}
	asJSON := why.Flags().Bool("json", false, "print JSON")
	c.onApp(why, func(s *session, args []string) error { return s.why(args[0], *asJSON) })
	return why
}

func (s *session) why(dyno string, asJSON bool) error {
	w, err := s.api.Why(s.ctx, s.app, dyno)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(w)
	}
	s.header("%s %s", appName(s.app), printable(w.Dyno.Name))
	s.say("")
	switch {
	case w.Host != nil:
		s.say("It is on %s, %s.", printable(*w.Host), printable(w.Dyno.State))
	case w.Reason != "" && len(w.Hosts) > 0: // what is behind the colon is in the table
		reason, _, _ := strings.Cut(w.Reason, ": ")
		s.say("It waits for a place: %s.", printable(reason))
	case w.Reason != "":
		s.say("It waits for a place: %s.", printable(w.Reason))
	default:
		s.say("It waits for a place.")
	}
	switch {
	case w.Old != nil:
		s.say("Meanwhile the one that it is to replace runs on %s.", printable(*w.Old))
	case stays(w):
		s.say("It is to move away, and stays until a host takes it.")
	}
	s.tellWritten([]api.Dyno{w.Dyno})
	if len(w.Hosts) == 0 {
		return nil
	}
	s.say("")
	rows := [][]string{{"Host", "What it says"}}
	for _, h := range w.Hosts {
		text := h.Why
		switch {
		case w.Host != nil && h.Name == *w.Host:
			text = strings.TrimSuffix("has it; "+h.Why, "; ")
		case text == "":
			text = "would take it"
		}
		rows = append(rows, []string{h.Name, text})
	}
	table(s.out, rows)
	s.whyNext(w)
	return nil
}

// stays says that a dyno is to leave its host, which is drained or not one that the
// app asks for, and that no other takes it.
func stays(w api.Why) bool {
	leaves := false
	for _, h := range w.Hosts {
		if h.Why == "" {
			return false
		}
		leaves = leaves || w.Host != nil && h.Name == *w.Host &&
			(strings.Contains(h.Why, "is being drained") || strings.Contains(h.Why, "the app asks for"))
	}
	return leaves
}

// whyNext says what may help a dyno that waits, or cannot leave.
func (s *session) whyNext(w api.Why) {
	takes := func(h api.HostWhy) bool { return h.Why == "" }
	if w.Host != nil && !stays(w) || slices.ContainsFunc(w.Hosts, takes) {
		return
	}
	s.warn("What may help: " + strings.Join(s.remedies(w.Hosts), ", or ") + ".")
}

// remedies are of what the hosts have said: a smaller size is none against a
// constraint.
func (s *session) remedies(hosts []api.HostWhy) (list []string) {
	on := " -a " + s.app
	for _, r := range []struct {
		says []string
		help string
	}{
		{[]string{"of memory free", "CPU free"}, "a smaller size (paas ps:type" + on + ")"},
		{[]string{"the app asks for"}, "other constraints (paas constraints" + on + ")"},
		{[]string{"is cordoned", "is being drained"}, "a host that is taken back (paas hosts:uncordon HOST)"},
		{[]string{"was lost not long ago"}, "a little time"},
	} {
		if slices.ContainsFunc(hosts, func(h api.HostWhy) bool {
			return slices.ContainsFunc(r.says, func(text string) bool { return strings.Contains(h.Why, text) })
		}) {
			list = append(list, r.help)
		}
	}
	return append(list, "one more host (paas hosts:add)")
}
