package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) rebalanceCommand() *cobra.Command {
	var (
		app          string
		dry, asJSON  bool
		patience     time.Duration
		longestMoves = 24 * time.Hour
	)
	cmd := &cobra.Command{
		Use: "hosts:rebalance", Short: "move dynos so that the load of the hosts is even (admin)", Args: takes(0, 0),
		Long: "Move dynos so that those of a type are on different hosts, and hosts evenly full. Prints the plan, then moves a few at a\n" +
			"time, each new dyno started before the old one stops. Run again it has nothing to do. Ctrl-C begins no further move.",
	}
	f := cmd.Flags()
	f.StringVarP(&app, "app", "a", "", "only dynos of this app")
	f.BoolVar(&dry, "dry-run", false, "print the plan only")
	f.DurationVar(&patience, "timeout", 10*time.Minute, "give up when a dyno takes longer to move")
	f.BoolVar(&asJSON, "json", false, "print the plan as JSON, and move nothing")
	c.asOperator(cmd, func(s *session, _ []string) error {
		if patience < time.Second || patience > longestMoves {
			return usagef(s.cmd, "--timeout %s: must be 1s to 24h. Nothing was changed.", patience)
		}
		return s.rebalance(app, dry, asJSON, patience)
	})
	return cmd
}

func (s *session) rebalance(app string, dry, asJSON bool, patience time.Duration) error {
	plan, err := s.api.Rebalance(s.ctx, api.Rebalance{App: app, DryRun: true})
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(plan)
	}
	if len(plan.Moves) == 0 {
		if plan.Underway > 0 {
			s.warn(fmt.Sprintf("Dynos on their way in or out: %d. Their apps are looked at when that is done.", plan.Underway))
		}
		if plan.Cut {
			s.say("There is nothing to move among the dynos that were looked at. There are more: run it again.")
			return nil
		}
		s.say("There is nothing to move.")
		return nil
	}
	s.showMoves(plan.Moves)
	if dry {
		return nil
	}
	return s.doMoves(app, patience)
}

func (s *session) showMoves(moves []api.Move) {
	rows := [][]string{{"App", "Dyno", "From", "To", "Why"}}
	for _, m := range moves {
		rows = append(rows, []string{m.App, m.Dyno, m.From, m.To, m.Why})
	}
	table(s.out, rows)
}

// doMoves asks for moves until there are none left. What was begun is ended by
// the platform, whoever stays to see it.
func (s *session) doMoves(app string, patience time.Duration) error {
	began, done := time.Now(), 0
	for {
		r, err := s.api.Rebalance(s.ctx, api.Rebalance{App: app})
		if err != nil {
			return err
		}
		for _, m := range r.Moves[:min(r.Begun, len(r.Moves))] {
			fmt.Fprintf(s.err, "Moving %s of %s from %s to %s\n", printable(m.Dyno), printable(m.App), printable(m.From), printable(m.To))
			done++
			began = time.Now()
		}
		switch {
		case len(r.Moves) == 0 && r.Underway == 0 && r.Cut:
			fmt.Fprintf(s.err, "Done: %d moved. Not all dynos were looked at: run it again.\n", done)
			return nil
		case len(r.Moves) == 0 && r.Underway == 0:
			fmt.Fprintf(s.err, "Done: %d moved. The load is even.\n", done)
			return nil
		case time.Since(began) > patience:
			return tell(fmt.Sprintf("%d dynos have not moved for %s. No further move is begun; what ran runs on.", max(r.Underway, 1), patience), "See what keeps them: paas hosts, paas ps and paas why DYNO -a APP")
		case !pause(s.ctx, drillPoll):
			return tell("No further move is begun. What was begun is ended.", "")
		}
	}
}
