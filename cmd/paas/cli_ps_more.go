package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

// psMoreCommands are those of ps that do not list, scale or restart.
func (c *cli) psMoreCommands() []*cobra.Command {
	sizes := &cobra.Command{
		Use: "ps:type [TYPE=SIZE]...", Aliases: []string{"ps:resize", "resize", "dyno:type", "dyno:resize"}, Short: "show or change the sizes of dynos",
		Long: "Change the size of process types: web=Standard-2X, or one size for all of them: Standard-2X.\n" +
			"Without arguments, show what they have and which sizes there are.",
		Args: takes(0, -1),
	}
	sizesJSON := sizes.Flags().Bool("json", false, "print JSON")
	c.onApp(sizes, func(s *session, args []string) error { return s.resize(args, *sizesJSON) })

	stop := &cobra.Command{
		Use: "ps:stop DYNO", Aliases: []string{"stop", "kill", "ps:kill", "dyno:stop", "dyno:kill"}, Args: takes(1, 1),
		Short: "stop one dyno (web.1, run.1234) or those of a type (web)",
		Long:  "Stop dynos. Those that the formation wants are started anew; to have fewer, scale: paas ps:scale web-1. One-offs end.",
	}
	c.onApp(stop, func(s *session, args []string) error { return s.stop(args[0]) })

	wait := &cobra.Command{Use: "ps:wait", Args: takes(0, 0), Short: "wait until all dynos run the newest release"}
	kind := wait.Flags().StringP("type", "t", "", "wait for this process type only")
	limit := wait.Flags().Duration("timeout", 10*time.Minute, "give up after this time")
	c.onApp(wait, func(s *session, _ []string) error { return s.waitDynos(*kind, *limit) })
	return []*cobra.Command{sizes, stop, wait}
}

var resizeArg = regexp.MustCompile(`^(?:([\w-]+)=)?([\w-]+)$`)

func (s *session) resize(args []string, asJSON bool) error {
	formation, err := s.api.Formation(s.ctx, s.app)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return s.showSizes(formation, asJSON)
	}
	if len(formation) == 0 {
		return tell("No process types on "+s.app+". Nothing was changed.", "Deploy it first: git push paas main")
	}
	var updates []api.FormationUpdate
	for _, a := range args {
		m := resizeArg.FindStringSubmatch(a)
		switch {
		case m == nil || m[1] == "" && len(args) > 1:
			return usagef(s.cmd, "%s is invalid. Must be in the format web=SIZE, or one SIZE for all. Nothing was changed.", printable(a))
		case m[1] == "":
			for _, f := range formation {
				updates = append(updates, api.FormationUpdate{Type: f.Type, Size: &m[2]})
			}
		default:
			updates = append(updates, api.FormationUpdate{Type: m[1], Size: &m[2]})
		}
	}
	err = s.action("Scaling dynos on "+appName(s.app), func() (string, error) {
		formation, err = s.api.Scale(s.ctx, s.app, updates)
		return "now running " + scaled(formation, updates), err
	})
	if err != nil || !asJSON {
		return err
	}
	return s.json(notNil(formation))
}

// showSizes lists what the process types have and what there is to have.
func (s *session) showSizes(formation []api.Formation, asJSON bool) error {
	if asJSON {
		return s.json(notNil(formation))
	}
	sizes, err := s.api.DynoSizes(s.ctx)
	if err != nil {
		return err
	}
	if len(formation) > 0 {
		s.header("Process Types")
		s.say("")
		rows := [][]string{{"Type", "Size", "Qty"}}
		for _, f := range formation {
			rows = append(rows, []string{f.Type, f.Size, strconv.Itoa(f.Quantity)})
		}
		table(s.out, rows)
		s.say("")
	}
	s.header("Sizes")
	s.say("")
	rows := [][]string{{"Size", "Memory", "CPU"}}
	for _, z := range sizes {
		rows = append(rows, []string{z.Name, size(int64(z.Memory * (1 << 30))), strconv.FormatFloat(z.CPU, 'f', -1, 64)})
	}
	table(s.out, rows)
	return nil
}

func (s *session) stop(dyno string) error {
	what := "Stopping " + printable(dyno) + " dynos on " + appName(s.app)
	if strings.Contains(dyno, ".") {
		what = "Stopping " + printable(dyno) + " dyno on " + appName(s.app)
	}
	return s.action(what, func() (string, error) { return "", s.api.StopDyno(s.ctx, s.app, dyno) })
}

// waitDynos polls until every dyno that is wanted runs the current release. A
// release that is being rolled out is not current yet: paas deploys tells of it.
func (s *session) waitDynos(kind string, limit time.Duration) error {
	over := time.NewTimer(limit)
	defer over.Stop()
	for told := ""; ; {
		version, up, want, err := s.countDynos(kind)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("Waiting for every dyno to be running v%d... %d / %d", version, up, want)
		if up >= want {
			fmt.Fprintf(s.err, "%s, done\n", text)
			return nil
		}
		if text != told {
			fmt.Fprintln(s.err, text)
			told = text
		}
		select {
		case <-time.After(time.Second):
		case <-over.C:
			return tell(fmt.Sprintf("%d of %d dynos run v%d after %s.", up, want, version, limit), "See why: paas ps -a "+s.app)
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

func (s *session) countDynos(kind string) (version, up, want int, err error) {
	formation, err := s.api.Formation(s.ctx, s.app)
	if err != nil {
		return 0, 0, 0, err
	}
	if kind != "" && !slices.ContainsFunc(formation, func(f api.Formation) bool { return f.Type == kind }) {
		return 0, 0, 0, tell("There is no process type "+kind+".", "See what there is: paas ps:scale -a "+s.app)
	}
	release, err := s.api.CurrentRelease(s.ctx, s.app)
	if err != nil {
		return 0, 0, 0, err
	}
	dynos, err := s.api.Dynos(s.ctx, s.app)
	if err != nil {
		return 0, 0, 0, err
	}
	for _, f := range formation {
		if kind == "" || f.Type == kind {
			want += f.Quantity
		}
	}
	for _, d := range dynos {
		if !d.OneOff && d.State == "up" && d.Release.Version == release.Version && (kind == "" || d.Type == kind) {
			up++
		}
	}
	return release.Version, up, want, nil
}
