package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

// drillFlags are the flags of `paas drill`.
type drillFlags struct {
	length                        time.Duration
	yes, force, end, report, json bool
}

func (c *cli) drillCommand() *cobra.Command {
	var f drillFlags
	cmd := &cobra.Command{
		Use: "drill HOST", Aliases: []string{"hosts:drill"}, Short: "rehearse the loss of a host (admin)", Args: takes(1, 1),
		Long: "Rehearse the loss of a host: the control plane does not listen to it, so that it is declared lost, leaves the routers and\n" +
			"has its dynos started elsewhere, as when it dies. Its own agent is told to stop what runs elsewhere now. In the end the\n" +
			"host is taken back as after a real loss, and what was measured is printed. Ctrl-C ends it sooner; it ends by itself when\n" +
			"this command, or the control plane, dies.",
	}
	fl := cmd.Flags()
	fl.DurationVar(&f.length, "for", time.Minute, "how long, 10s to 1h")
	fl.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	fl.BoolVar(&f.force, "force", false, "also when dynos find no other host: they are away for all of it")
	fl.BoolVar(&f.end, "end", false, "end the one that goes on")
	fl.BoolVar(&f.report, "report", false, "print what the last one has measured")
	fl.BoolVar(&f.json, "json", false, "print the report as JSON")
	c.asOperator(cmd, func(s *session, args []string) error { return s.drill(args[0], f) })
	return cmd
}

func (s *session) drill(host string, f drillFlags) error {
	switch {
	case f.end && f.report:
		return usagef(s.cmd, "Either --end or --report.")
	case f.end:
		return s.endDrill(s.ctx, host)
	case f.report:
		d, err := s.api.Drill(s.ctx, host)
		if err != nil {
			return err
		}
		return s.showDrill(d, f.json)
	case f.length < 10*time.Second || f.length > time.Hour:
		return usagef(s.cmd, "--for %s: a drill lasts 10s to 1h. Nothing was changed.", f.length)
	}
	plan, err := s.api.StartDrill(s.ctx, host, api.StartDrill{DryRun: true})
	if err != nil {
		return err
	}
	s.foretell(plan, f.length)
	if !f.yes {
		if err := s.goOn(plan.Host); err != nil {
			return err
		}
	}
	d, err := s.api.StartDrill(s.ctx, host, api.StartDrill{Seconds: int(f.length.Seconds()), Force: f.force})
	if err != nil {
		return err
	}
	if d, err = s.followDrill(d); err != nil {
		return err
	}
	return s.showDrill(d, f.json)
}

// foretell says what a drill will touch.
func (s *session) foretell(d api.Drill, length time.Duration) {
	fmt.Fprintf(s.err, "For %s it will be as if %s had died.\n", length, printable(d.Host))
	if len(d.Apps) == 0 {
		fmt.Fprintln(s.err, "Nothing runs on it.")
		return
	}
	rows := [][]string{{"App", "Dynos there", "Meanwhile"}}
	for _, a := range d.Apps {
		rows = append(rows, []string{a.App, dynoList(a.Dynos, a.OneOffs), meanwhile(a)})
	}
	table(s.err, rows)
}

// dynoList names a few dynos, and how many there are more.
func dynoList(lists ...[]string) string {
	const most = 6
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	if n := len(all) - most; n > 0 {
		all = append(all[:most:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(all, ", ")
}

func meanwhile(a api.DrillApp) string {
	var words []string
	if len(a.Waits) > 0 {
		words = append(words, "no other host takes "+strings.Join(a.Waits, "; "))
	}
	if a.Away != "" {
		words = append(words, "is away until it is up elsewhere: "+a.Away)
	}
	if len(a.OneOffs) > 0 {
		words = append(words, "one-offs end")
	}
	if len(words) == 0 {
		return "its other dynos serve"
	}
	return strings.Join(words, "; ")
}

// goOn asks.
func (s *session) goOn(host string) error {
	if !isTerminal(s.in) {
		return tell("Nothing was changed.", "To go on without being asked: paas drill "+host+" --yes")
	}
	fmt.Fprint(s.err, "Go on? [y/N] ")
	line, _ := bufio.NewReader(io.LimitReader(s.in, 256)).ReadString('\n') // the end of input is a no
	if word := strings.ToLower(strings.TrimSpace(line)); word != "y" && word != "yes" {
		return tell("Nothing was changed.", "")
	}
	return nil
}

const drillPoll = 500 * time.Millisecond

// followDrill tells what happens until the drill is over. Whoever leaves gives
// the host back.
func (s *session) followDrill(d api.Drill) (api.Drill, error) {
	fmt.Fprintf(s.err, "%6s  %s is not listened to any more; Ctrl-C gives it back\n", "0.0 s", printable(d.Host))
	for told := 0; ; {
		told = s.drillSteps(d, told)
		if d.Ended {
			return d, nil
		}
		if pause(s.ctx, drillPoll) {
			now, err := s.api.Drill(s.ctx, d.Host)
			if err == nil {
				d = now
			}
			if err == nil || s.ctx.Err() == nil { // a control plane that is away for a moment; the end is in its row
				if err != nil && d.Until != nil && time.Since(*d.Until) > time.Minute {
					return d, err
				}
				continue
			}
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 10*time.Second)
		defer cancel()
		if err := s.endDrill(last, d.Host); err != nil {
			return d, err
		}
		now, err := s.api.Drill(last, d.Host)
		return now, err
	}
}

// drillSteps tells those that were not told yet.
func (s *session) drillSteps(d api.Drill, told int) int {
	steps := []struct {
		at   *float64
		text string
	}{{d.Lost, "it is declared lost"}, {d.Out, "no router has a request for it"}, {d.Elsewhere, "everything that found a host is up elsewhere"}}
	for ; told < len(steps) && steps[told].at != nil; told++ {
		fmt.Fprintf(s.err, "%6s  %s\n", seconds(steps[told].at), steps[told].text)
	}
	return told
}

func (s *session) endDrill(ctx context.Context, host string) error {
	return s.action("Giving "+printable(host)+" back", func() (string, error) {
		_, err := s.api.EndDrill(ctx, host)
		return "it takes dynos again once it has settled", err
	})
}

// seconds is "2.6 s", or a dash for what did not come to be.
func seconds(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f s", *v)
}

func (s *session) showDrill(d api.Drill, asJSON bool) error {
	if asJSON {
		return s.json(d)
	}
	s.header("Drill of %s", printable(d.Host))
	s.say("")
	rows := [][2]string{{"Declared lost after", seconds(d.Lost)}, {"Out of the routers after", seconds(d.Out)}, {"Up elsewhere after", seconds(d.Elsewhere)}}
	if d.StartedAt != nil {
		rows = append([][2]string{{"Begun", when(*d.StartedAt, time.Now())}, {"By", d.User}}, rows...)
	}
	fields(s.out, rows)
	if len(d.Apps) == 0 {
		s.say("")
		s.say("Nothing ran on it.")
		return nil
	}
	s.say("")
	lines := [][]string{{"App", "Moved", "Out after", "Elsewhere after", "Away for", "Requests failed"}}
	for _, a := range d.Apps {
		away := "–"
		if a.Gone > 0 {
			away = seconds(&a.Gone)
		}
		lines = append(lines, []string{a.App, dynoList(a.Dynos), seconds(a.Out), seconds(a.Elsewhere), away, fmt.Sprintf("%d of %d", a.Failed, a.Requests)})
	}
	table(s.out, lines)
	for _, a := range d.Apps {
		if a.Away != "" || len(a.Waits) > 0 || len(a.OneOffs) > 0 {
			s.warn(a.App + ": " + strings.Join(drillCauses(a), "; "))
		}
	}
	s.warn("A machine that really dies is away from the first moment on, and takes along the requests it has: count from the start to \"elsewhere after\".")
	return nil
}

// drillCauses says why an app was away.
func drillCauses(a api.DrillApp) (words []string) {
	if a.Away != "" {
		words = append(words, a.Away+"; with a second one on another host (paas constraints:set --unique) it would not have been away")
	}
	for _, w := range a.Waits {
		words = append(words, "no other host took "+w)
	}
	if len(a.OneOffs) > 0 {
		words = append(words, "ended: "+dynoList(a.OneOffs))
	}
	return words
}
