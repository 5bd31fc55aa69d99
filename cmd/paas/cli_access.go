package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) accessCommands() []*cobra.Command {
	list := &cobra.Command{Use: "access", Aliases: []string{"sharing"}, Short: "list who has access to an app", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listAccess(*listJSON) })

	const about = "view, deploy, operate, manage; several with commas"
	add := &cobra.Command{
		Use: "access:add EMAIL", Aliases: []string{"sharing:add"}, Short: "give somebody access to an app", Args: takes(1, 1),
		Long: "Give somebody access to an app. Who has no account yet is invited: send them the command that is printed.\n\n" +
			"  view     see the app, what runs, its releases, logs and history\n" +
			"  deploy   push, roll back, run commands, read the config\n" +
			"  operate  change config, scale, restart, domains, drains, cron, maintenance\n" +
			"  manage   give access, rename, lock, destroy",
	}
	give := add.Flags().StringSliceP("permissions", "p", nil, about+" (default view,deploy,operate)")
	addJSON := add.Flags().Bool("json", false, "print JSON")
	c.onApp(add, func(s *session, args []string) error { return s.addAccess(args[0], *give, *addJSON) })

	update := &cobra.Command{Use: "access:update EMAIL", Short: "change what somebody may do with an app", Args: takes(1, 1)}
	change := update.Flags().StringSliceP("permissions", "p", nil, about)
	c.onApp(update, func(s *session, args []string) error {
		if len(*change) == 0 {
			return usagef(s.cmd, "Name the permissions: -p view,deploy")
		}
		return s.action(fmt.Sprintf("Updating %s in application %s with %s permissions", printable(args[0]), appName(s.app), printable(strings.Join(*change, ", "))),
			func() (string, error) {
				_, err := s.api.UpdateCollaborator(s.ctx, s.app, args[0], *change)
				return "", err
			})
	})

	remove := &cobra.Command{Use: "access:remove EMAIL", Aliases: []string{"sharing:remove"}, Short: "take somebody's access to an app away", Args: takes(1, 1)}
	c.onApp(remove, func(s *session, args []string) error {
		return s.action(fmt.Sprintf("Removing %s access from the app %s", printable(args[0]), appName(s.app)), func() (string, error) {
			_, err := s.api.RemoveCollaborator(s.ctx, s.app, args[0])
			return "", err
		})
	})
	all := append([]*cobra.Command{list, add, update, remove}, c.invitationCommands()...)
	return append(append(all, c.authorizationCommands()...), c.auditCommands()...)
}

func (s *session) listAccess(asJSON bool) error {
	people, err := s.api.Collaborators(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(people))
	}
	a, err := s.api.App(s.ctx, s.app)
	if err != nil {
		return err
	}
	s.header("%s Access", appName(a.Name))
	s.say("")
	rows := [][]string{{a.Owner.Email, "owner", ""}}
	for _, p := range people {
		names := make([]string, len(p.Permissions))
		for i, perm := range p.Permissions {
			names[i] = perm.Name
		}
		rows = append(rows, []string{p.User.Email, "collaborator", strings.Join(names, ", ")})
	}
	table(s.out, rows)
	return nil
}

func (s *session) addAccess(email string, permissions []string, asJSON bool) error {
	var c api.Collaborator
	var i *api.Invitation
	err := s.action(fmt.Sprintf("Adding %s access to the app %s", printable(email), appName(s.app)), func() (more string, err error) {
		c, i, err = s.api.AddCollaborator(s.ctx, s.app, api.AddCollaborator{User: email, Permissions: permissions})
		if i != nil {
			more = "invited"
		}
		return more, err
	})
	switch {
	case err != nil:
		return err
	case asJSON && i != nil:
		return s.json(i)
	case asJSON:
		return s.json(c)
	case i != nil:
		fmt.Fprintf(s.err, "%s has no account here yet. Send them this command; it works once, until %s, and is not shown again:\n",
			printable(email), stamp(i.ExpiresAt))
		s.say("paas join %s %s", printable(i.URL), printable(i.Code))
	}
	return nil
}

func (c *cli) invitationCommands() []*cobra.Command {
	list := &cobra.Command{Use: "access:invitations", Short: "list open invitations to an app", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listInvitations(*listJSON) })

	revoke := &cobra.Command{Use: "access:invitations:revoke EMAIL|ID", Short: "withdraw an invitation", Args: takes(1, 1)}
	c.onApp(revoke, func(s *session, args []string) error {
		return s.action("Withdrawing the invitation of "+printable(args[0]), func() (string, error) {
			_, err := s.api.RevokeInvitation(s.ctx, s.app, args[0])
			return "", err
		})
	})

	join := &cobra.Command{
		Use: "join URL CODE", Short: "accept an invitation", Args: takes(2, 2),
		Long: "Accept an invitation. Who is new gets an account that the SSH key proves, and is logged in.\n" +
			"Who has an account at that server logs in first; the invitation is accepted by it.",
	}
	key := join.Flags().String("key", "", "public key file (default: the first of ~/.ssh/id_ed25519.pub, id_ecdsa.pub, id_rsa.pub; - for stdin)")
	join.RunE = func(cmd *cobra.Command, args []string) error { return c.join(cmd, args[0], args[1], *key) }
	return []*cobra.Command{list, revoke, join}
}

func (s *session) listInvitations(asJSON bool) error {
	list, err := s.api.Invitations(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(list))
	}
	if len(list) == 0 {
		s.say("There are no open invitations to %s.", appName(s.app))
		return nil
	}
	s.header("%s Invitations", appName(s.app))
	s.say("")
	rows := make([][]string, len(list))
	for n, i := range list {
		rows[n] = []string{i.Email, strings.Join(i.Permissions, ", "), "by " + i.InvitedBy, "until " + stamp(i.ExpiresAt), i.ID}
	}
	table(s.out, rows)
	return nil
}
