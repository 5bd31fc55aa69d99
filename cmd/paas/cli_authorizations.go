package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) authorizationCommands() []*cobra.Command {
	list := &cobra.Command{Use: "authorizations", Short: "list your API tokens and logins", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = c.on(func(s *session, _ []string) error { return s.listAuthorizations(*listJSON) })

	create := &cobra.Command{
		Use: "authorizations:create", Short: "make an API token", Args: takes(0, 0),
		Long: "Make an API token for programs, to be given in PAAS_TOKEN. It is shown once.\n\n" +
			"  global    everything you may\n  write     look at and change apps, but not who has access, nor your account\n" +
			"  read      look at apps, but not at config\n  identity  see whose token it is",
	}
	var in api.CreateAuthorization
	create.Flags().StringVarP(&in.Description, "description", "d", "", "what it is for")
	create.Flags().StringSliceVarP(&in.Scope, "scope", "s", nil, "global, read, write, identity (default global)")
	life := create.Flags().IntP("expires-in", "e", 0, "seconds until it expires (default 90 days; 0 is never, for admins)")
	short := create.Flags().BoolP("short", "S", false, "print the token only")
	createJSON := create.Flags().Bool("json", false, "print JSON")
	create.RunE = c.on(func(s *session, _ []string) error {
		if create.Flags().Changed("expires-in") {
			in.ExpiresIn = life
		}
		return s.newSecret("Creating OAuth Authorization", *short, *createJSON, func() (api.Authorization, error) { return s.api.Authorize(s.ctx, in) })
	})

	info := &cobra.Command{Use: "authorizations:info ID", Short: "show an API token or login", Args: takes(1, 1)}
	infoJSON := info.Flags().Bool("json", false, "print JSON")
	info.RunE = c.on(func(s *session, args []string) error {
		a, err := s.api.Authorization(s.ctx, args[0])
		if err != nil {
			return err
		}
		return s.showAuthorization(a, *infoJSON)
	})

	rotate := &cobra.Command{Use: "authorizations:rotate ID", Short: "replace the secret of an API token", Args: takes(1, 1)}
	rotateShort := rotate.Flags().BoolP("short", "S", false, "print the token only")
	rotateJSON := rotate.Flags().Bool("json", false, "print JSON")
	rotate.RunE = c.on(func(s *session, args []string) error {
		return s.newSecret("Rotating OAuth Authorization", *rotateShort, *rotateJSON, func() (api.Authorization, error) { return s.api.Rotate(s.ctx, args[0]) })
	})

	revoke := &cobra.Command{Use: "authorizations:revoke ID", Aliases: []string{"authorizations:destroy"}, Short: "end an API token or login", Args: takes(1, 1)}
	revoke.RunE = c.on(func(s *session, args []string) error {
		return s.action("Revoking OAuth Authorization", func() (string, error) {
			a, err := s.api.Revoke(s.ctx, args[0])
			return "revoked " + printable(a.Description), err
		})
	})
	return []*cobra.Command{list, create, info, rotate, revoke}
}

func (s *session) listAuthorizations(asJSON bool) error {
	all, err := s.api.Authorizations(s.ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(all))
	}
	if len(all) == 0 {
		s.say("You have no authorizations. Make one with: paas authorizations:create")
		return nil
	}
	rows := make([][]string, len(all))
	for i, a := range all {
		current := ""
		if a.Current {
			current = "(this one)"
		}
		rows[i] = []string{a.Description, a.ID, strings.Join(a.Scope, ","), expiry(a), lastUse(a), current}
	}
	table(s.out, rows)
	return nil
}

func expiry(a api.Authorization) string {
	if a.ExpiresAt == nil {
		return "never expires"
	}
	return "until " + a.ExpiresAt.Local().Format(time.DateOnly)
}

func lastUse(a api.Authorization) string {
	if a.LastUsedAt == nil {
		return "never used"
	}
	return "used " + when(*a.LastUsedAt, time.Now())
}

// newSecret runs what makes a token and shows it, this once.
func (s *session) newSecret(what string, short, asJSON bool, do func() (api.Authorization, error)) error {
	var a api.Authorization
	err := s.action(what, func() (_ string, err error) { a, err = do(); return "", err })
	switch {
	case err != nil:
		return err
	case short && a.AccessToken != nil:
		s.say("%s", printable(a.AccessToken.Token))
		return nil
	}
	return s.showAuthorization(a, asJSON)
}

func (s *session) showAuthorization(a api.Authorization, asJSON bool) error {
	if asJSON {
		return s.json(a)
	}
	rows := [][2]string{{"Client", "<none>"}, {"ID", a.ID}, {"Description", a.Description}, {"Scope", strings.Join(a.Scope, ", ")}}
	if a.AccessToken != nil && a.AccessToken.Token != "" {
		rows = append(rows, [2]string{"Token", a.AccessToken.Token})
	}
	fields(s.out, append(rows, [2]string{"Kind", a.Kind}, [2]string{"Created", when(a.CreatedAt, time.Now())},
		[2]string{"Expires", expiry(a)}, [2]string{"Used", lastUse(a)}))
	return nil
}
