package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) psCommands() []*cobra.Command {
	list := &cobra.Command{Use: "ps", Short: "list an app's dynos", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listDynos(*listJSON) })

	scale := &cobra.Command{
		Use: "ps:scale [TYPE=N[:SIZE]]...", Aliases: []string{"scale", "dyno:scale"}, Short: "scale dynos",
		Long: "Scale process types: web=3, worker+1, web-1, web=2:Standard-2X. Without arguments, show how they are scaled.",
		// web-1 is no flag, but -1 would be: flags come first.
		Args: takes(0, -1),
	}
	scaleJSON := scale.Flags().Bool("json", false, "print JSON")
	c.onApp(scale, func(s *session, args []string) error { return s.scale(args, *scaleJSON) })

	restart := &cobra.Command{
		Use: "ps:restart [DYNO]", Aliases: []string{"restart", "dyno:restart"}, Args: takes(0, 1),
		Short: "restart all dynos, those of a type (web), or one (web.1)",
		Long:  "Restart dynos: each new one takes over before the old one stops.",
	}
	c.onApp(restart, func(s *session, args []string) error { return s.restart(strings.Join(args, "")) })
	return append([]*cobra.Command{list, scale, restart}, c.psMoreCommands()...)
}

func (s *session) listDynos(asJSON bool) error {
	dynos, err := s.api.Dynos(s.ctx, s.app)
	if err != nil {
		return err
	}
	slices.SortFunc(dynos, byDyno)
	if asJSON {
		return s.json(notNil(dynos))
	}
	if len(dynos) == 0 {
		s.say("No dynos on %s", appName(s.app))
		return nil
	}
	once := slices.IndexFunc(dynos, func(d api.Dyno) bool { return !d.OneOff })
	if once < 0 {
		once = len(dynos)
	}
	s.oneOffs(dynos[:once])
	for dynos = dynos[once:]; len(dynos) > 0; {
		first := dynos[0]
		n := slices.IndexFunc(dynos, func(d api.Dyno) bool { return d.Type != first.Type })
		if n < 0 {
			n = len(dynos)
		}
		s.dynoGroup(dynos[:n])
		dynos = dynos[n:]
	}
	return nil
}

// oneOffs shows what runs once.
func (s *session) oneOffs(dynos []api.Dyno) {
	if len(dynos) == 0 {
		return
	}
	s.header("run: one-off processes (%d)", len(dynos))
	s.say("")
	for _, d := range dynos {
		s.dynoLine(d, " ("+d.Size+")", d.Command)
	}
	s.say("")
}

func (s *session) dynoGroup(dynos []api.Dyno) {
	// All of a type share a command but in the middle of a rollout: the newest
	// release's is the one to stay.
	newest, staying := dynos[0], map[string]bool{} // by name, which who takes over shares
	for _, d := range dynos {
		if d.State != "stopping" {
			staying[d.Name] = true
		}
		if d.Release.Version > newest.Release.Version {
			newest = d
		}
	}
	s.header("%s (%s): %s (%d)", printable(newest.Type), printable(newest.Size), printable(newest.Command), len(staying))
	s.say("")
	for _, d := range dynos {
		s.dynoLine(d, "", "")
	}
	s.say("")
	s.tellWritten(dynos)
}

// dynoLine is "web.1: up 2026/05/01 12:00:00 +0000 (~ 5m ago)", with what it
// runs and why it is in that state behind.
func (s *session) dynoLine(d api.Dyno, behind, command string) {
	colour := map[string]string{"up": "32", "starting": "33", "crashed": "31"}[d.State]
	line := printable(d.Name+behind) + ": " + s.sgr(cmp.Or(colour, "0"), printable(d.State)) + " " + when(d.UpdatedAt, time.Now())
	if d.Host != "" {
		line += " on " + printable(d.Host)
	}
	for _, more := range []string{command, shortReason(d)} {
		if more != "" {
			line += ": " + printable(more)
		}
	}
	s.say("%s", line)
}

// shortReason leaves what each host says to paas why.
func shortReason(d api.Dyno) string {
	if short, hosts, ok := strings.Cut(d.Reason, ": "); ok && strings.HasPrefix(short, "no host takes it") && strings.Contains(hosts, "; ") {
		return short + ", see: paas why " + d.Name
	}
	return d.Reason
}

// byDyno sorts one-offs first, then web, then by type and number.
func byDyno(a, b api.Dyno) int {
	rank := func(d api.Dyno) int {
		switch {
		case d.OneOff:
			return 0
		case d.Type == "web":
			return 1
		}
		return 2
	}
	number := func(d api.Dyno) int {
		n, _ := strconv.Atoi(d.Name[strings.LastIndexByte(d.Name, '.')+1:]) // no number sorts first
		return n
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Type, b.Type), cmp.Compare(number(a), number(b)))
}

// change is one argument of ps:scale.
type change struct {
	kind     string
	relative bool
	n        int
	size     string // "" leaves it
}

var scaleArg = regexp.MustCompile(`^([\w-]*\w)([=+-])(\d+)(?::([\w-]+))?$`)

func parseScale(arg string) (change, error) {
	m := scaleArg.FindStringSubmatch(arg)
	if m == nil {
		return change{}, fmt.Errorf("%s is invalid. Must be in the format web=1, worker+2 or web=1:SIZE", printable(arg))
	}
	n, err := strconv.ParseInt(m[3], 10, 32)
	if err != nil {
		return change{}, fmt.Errorf("%s is invalid: the number is too large", printable(arg))
	}
	ch := change{kind: m[1], relative: m[2] != "=", n: int(n), size: m[4]}
	if m[2] == "-" {
		ch.n = -ch.n
	}
	return ch, nil
}

func (s *session) scale(args []string, asJSON bool) error {
	changes := make([]change, len(args))
	for i, a := range args {
		ch, err := parseScale(a)
		if err != nil {
			return usagef(s.cmd, "%s. Nothing was changed.", err)
		}
		changes[i] = ch
	}
	formation, err := s.api.Formation(s.ctx, s.app)
	if err != nil {
		return err
	}
	if len(formation) == 0 && !(len(changes) == 0 && asJSON) {
		return tell("No process types on "+s.app+". Nothing was changed.", "Deploy it first: git push paas main")
	}
	if len(changes) == 0 {
		return s.showScale(formation, asJSON)
	}
	updates, err := resolve(changes, formation)
	if err != nil {
		return err
	}
	err = s.action("Scaling dynos", func() (string, error) {
		formation, err = s.api.Scale(s.ctx, s.app, updates)
		return "now running " + scaled(formation, updates), err
	})
	if err != nil || !asJSON {
		return err
	}
	return s.json(notNil(formation))
}

func (s *session) showScale(formation []api.Formation, asJSON bool) error {
	if asJSON {
		return s.json(notNil(formation))
	}
	words := make([]string, len(formation))
	for i, f := range formation {
		words[i] = fmt.Sprintf("%s=%d:%s", printable(f.Type), f.Quantity, printable(f.Size))
	}
	s.say("%s", strings.Join(words, " "))
	return nil
}

// resolve turns web+1 into the number that web is to have.
func resolve(changes []change, formation []api.Formation) ([]api.FormationUpdate, error) {
	updates := make([]api.FormationUpdate, len(changes))
	for i, ch := range changes {
		n := ch.n
		if ch.relative {
			at := slices.IndexFunc(formation, func(f api.Formation) bool { return f.Type == ch.kind })
			if at < 0 {
				return nil, tell("There is no process type "+ch.kind+". Nothing was changed.", "See what there is: paas ps:scale")
			}
			n = max(0, formation[at].Quantity+ch.n)
		}
		updates[i] = api.FormationUpdate{Type: ch.kind, Quantity: &n}
		if ch.size != "" {
			updates[i].Size = &ch.size
		}
	}
	return updates, nil
}

func scaled(formation []api.Formation, updates []api.FormationUpdate) string {
	var words []string
	for _, u := range updates {
		for _, f := range formation {
			if f.Type == u.Type {
				words = append(words, fmt.Sprintf("%s at %d:%s", printable(f.Type), f.Quantity, printable(f.Size)))
			}
		}
	}
	return strings.Join(words, ", ")
}

func (s *session) restart(dyno string) error {
	what := "Restarting dynos on " + appName(s.app)
	switch {
	case strings.Contains(dyno, "."):
		what = "Restarting " + printable(dyno) + " dyno on " + appName(s.app)
	case dyno != "":
		what = "Restarting " + printable(dyno) + " dynos on " + appName(s.app)
	}
	return s.action(what, func() (string, error) { return "", s.api.Restart(s.ctx, s.app, dyno) })
}
