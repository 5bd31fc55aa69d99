package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) cronCommands() []*cobra.Command {
	list := &cobra.Command{
		Use: "cron", Short: "list the crons of an app", Args: takes(0, 0),
		Long: "List the crons of an app's current release: commands that app.json has run by the clock.\n\n" +
			"Schedules are read by the clock on the wall of their time zone: when summer time begins, a run in the hour\n" +
			"that is left out does not happen; when it ends, one in the hour that comes twice happens twice. UTC has neither.",
	}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listCrons(*listJSON) })

	suspend := &cobra.Command{Use: "cron:suspend ID", Short: "keep a cron from running by the clock", Args: takes(1, 1)}
	c.onApp(suspend, func(s *session, args []string) error { return s.suspendCron(args[0], true) })
	resume := &cobra.Command{Use: "cron:resume ID", Short: "let a suspended cron run again", Args: takes(1, 1)}
	c.onApp(resume, func(s *session, args []string) error { return s.suspendCron(args[0], false) })

	run := &cobra.Command{Use: "cron:run ID", Short: "run a cron now", Args: takes(1, 1)}
	runJSON := run.Flags().Bool("json", false, "print JSON")
	c.onApp(run, func(s *session, args []string) error { return s.runCron(args[0], *runJSON) })

	history := &cobra.Command{Use: "cron:history [ID]", Short: "list past runs of one cron or of all", Args: takes(0, 1)}
	num := history.Flags().IntP("num", "n", 15, "how many")
	historyJSON := history.Flags().Bool("json", false, "print JSON")
	c.onApp(history, func(s *session, args []string) error {
		return s.cronHistory(strings.Join(args, ""), *num, *historyJSON)
	})
	return []*cobra.Command{list, suspend, resume, run, history}
}

// shortID is as much of an id as people need.
func shortID(id string) string { return id[:min(len(id), 8)] }

func (s *session) listCrons(asJSON bool) error {
	crons, err := s.api.Crons(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(crons))
	}
	if len(crons) == 0 {
		s.say("%s has no crons. They are in app.json: {\"cron\": [{\"command\": \"…\", \"schedule\": \"0 3 * * *\"}]}", appName(s.app))
		return nil
	}
	s.header("%s Crons", appName(s.app))
	s.say("")
	rows := [][]string{{"ID", "Schedule", "Timezone", "Next", "Last", "Command"}}
	for _, cron := range crons {
		next := "never"
		switch {
		case cron.Suspended:
			next = "suspended"
		case cron.NextAt != nil:
			next = stamp(*cron.NextAt)
		}
		last := "-"
		if cron.Last != nil {
			last = cronResult(*cron.Last)
		}
		rows = append(rows, []string{shortID(cron.ID), cron.Schedule, cron.Timezone, next, last, cron.Command})
	}
	table(s.out, rows)
	return nil
}

// cronResult is "failed 7" or "succeeded".
func cronResult(r api.CronRun) string {
	if r.ExitCode != nil && *r.ExitCode != 0 {
		return fmt.Sprintf("%s (exit %d)", r.State, *r.ExitCode)
	}
	return r.State
}

func (s *session) suspendCron(id string, suspended bool) error {
	what := "Resuming"
	if suspended {
		what = "Suspending"
	}
	return s.action(fmt.Sprintf("%s cron %s on %s", what, printable(id), appName(s.app)), func() (string, error) {
		cron, err := s.api.SuspendCron(s.ctx, s.app, id, suspended)
		if err == nil && cron.NextAt != nil {
			return "next run " + stamp(*cron.NextAt), nil
		}
		return "", err
	})
}

func (s *session) runCron(id string, asJSON bool) error {
	var run api.CronRun
	err := s.action(fmt.Sprintf("Running cron %s on %s", printable(id), appName(s.app)), func() (more string, err error) {
		run, err = s.api.RunCron(s.ctx, s.app, id)
		return printable(run.Name), err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(run)
	}
	s.say("See what it prints: paas logs --tail --dyno-name %s -a %s", printable(run.Name), printable(s.app))
	return nil
}

func (s *session) cronHistory(id string, n int, asJSON bool) error {
	if n < 1 || n > 1000 {
		return usagef(s.cmd, "--num must be 1 to 1000.")
	}
	runs, err := s.api.CronRuns(s.ctx, s.app, id, n)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(runs))
	}
	if len(runs) == 0 {
		s.say("No cron has run on %s yet.", appName(s.app))
		return nil
	}
	rows := make([][]string, len(runs))
	for i, r := range runs {
		by, took := "by the clock", ""
		if r.User != nil {
			by = "by " + r.User.Email
		}
		if r.StartedAt != nil && r.EndedAt != nil {
			took = r.EndedAt.Sub(*r.StartedAt).Round(time.Second / 10).String()
		}
		rows[i] = []string{r.Name, shortID(r.Cron.ID), when(r.CreatedAt, time.Now()), by, cronResult(r), took, r.Command}
		if r.Reason != "" {
			rows[i] = append(rows[i], "("+r.Reason+")")
		}
	}
	s.header("%s Cron runs", appName(s.app))
	s.say("")
	table(s.out, rows)
	return nil
}
