package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) auditCommands() []*cobra.Command {
	list := &cobra.Command{
		Use: "audit", Short: "show who did what, from where", Args: takes(0, 0),
		Long: "Show who did what, when and from where, the newest last: with an app, to who manages it;\nwithout, all of the installation, to admins.",
	}
	app := list.Flags().StringP("app", "a", "", "app to show (default: $PAAS_APP, then everything)")
	n := list.Flags().IntP("num", "n", 100, "how many lines")
	listJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = c.on(func(s *session, _ []string) error {
		if *app == "" {
			*app = s.env["PAAS_APP"]
		}
		if *n < 1 || *n > 1000 {
			return usagef(s.cmd, "-n takes 1 to 1000.")
		}
		return s.audit(*app, *n, *listJSON)
	})
	_ = list.RegisterFlagCompletionFunc("app", c.completeApps) // the flag exists

	verify := &cobra.Command{
		Use: "audit:verify", Short: "look whether the audit log was tampered with (admin)", Args: takes(0, 0),
		Long: "Walk the audit log's chain of hashes and tell the first row that was altered, taken out or put in.\n" +
			"Note the head that is printed somewhere else: with --head the next walk also notices when the newest rows were cut off.",
	}
	head := verify.Flags().String("head", "", "head that an earlier walk printed")
	verifyJSON := verify.Flags().Bool("json", false, "print JSON")
	verify.RunE = c.on(func(s *session, _ []string) error { return s.verifyAudit(*head, *verifyJSON) })
	return []*cobra.Command{list, verify}
}

func (s *session) audit(app string, n int, asJSON bool) error {
	list, err := s.api.Audit(s.ctx, app, n)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(list))
	}
	rows := make([][]string, 0, len(list))
	for _, e := range slices.Backward(list) {
		name := ""
		if e.App != nil {
			name = e.App.Name
		}
		rows = append(rows, []string{e.CreatedAt.Local().Format(time.RFC3339), e.Actor.Email, place(e), name, e.Kind, e.Text})
	}
	table(s.out, rows)
	return nil
}

// place is where a request came from.
func place(e api.AuditEntry) string {
	if e.From == "" {
		return e.Via
	}
	return e.Via + " " + e.From
}

func (s *session) verifyAudit(head string, asJSON bool) error {
	state, err := s.api.VerifyAudit(s.ctx, head)
	if err != nil {
		return err
	}
	if asJSON {
		if err := s.json(state); err != nil {
			return err
		}
	}
	if !state.Intact {
		row := int64(0)
		if state.Broken != nil {
			row = *state.Broken
		}
		return tell(fmt.Sprintf("The audit log was tampered with. Row %d is the first that does not fit: %s.", row, state.Why),
			"Compare it with a backup; everything before that row is as it was written.")
	}
	if !asJSON {
		s.say("The audit log is intact: %d rows.\nHead: %s", state.Rows, printable(state.Head))
	}
	return nil
}
