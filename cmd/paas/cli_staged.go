package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) stagedCommands() []*cobra.Command {
	apply := &cobra.Command{Use: "config:apply", Short: "make a release of what config:set --no-restart kept", Args: takes(0, 0)}
	c.onApp(apply, func(s *session, _ []string) error {
		return s.action("Applying staged config and restarting "+appName(s.app), func() (string, error) {
			deploy, err := s.api.ApplyStaged(s.ctx, s.app)
			if err != nil {
				return "", err
			}
			return s.follow(deploy)
		})
	})

	unstage := &cobra.Command{
		Use: "config:unstage [KEY...]", Short: "drop what config:set --no-restart kept", Args: takes(0, -1),
		Long: "Drop staged changes: of the named config vars (of a process type: TYPE/KEY), or all.",
	}
	c.onApp(unstage, func(s *session, args []string) error {
		return s.action("Unstaging config of "+appName(s.app), func() (string, error) {
			st, err := s.api.Unstage(s.ctx, s.app, args)
			return fmt.Sprintf("%d still staged", len(st.Vars)+len(st.Files)), err
		})
	})

	history := &cobra.Command{
		Use: "config:history [KEY]", Short: "list which release changed which config vars and files", Args: takes(0, 1),
		Long: "List who changed which config vars and files in which release, newest first. Values are never shown.",
	}
	num := history.Flags().IntP("num", "n", 0, "how many releases to look back over (default 200)")
	asJSON := history.Flags().Bool("json", false, "print JSON")
	c.onApp(history, func(s *session, args []string) error {
		return s.configHistory(strings.Join(args, ""), *num, *asJSON)
	})
	return []*cobra.Command{apply, unstage, history}
}

// stageConfig sends a change that waits for the next release.
func (s *session) stageConfig(what, typ string, patch api.ConfigVars) error {
	err := s.action(what+" for the next release of "+appName(s.app), func() (string, error) {
		_, err := s.api.StageConfig(s.ctx, s.app, typ, patch)
		return "nothing was restarted", err
	})
	if err != nil {
		return err
	}
	s.warn("It takes effect with the next release. To make one now: paas config:apply --app " + s.app)
	return nil
}

// listStaged shows what waits for the next release beside the config.
func (s *session) listStaged(typ string) error {
	st, err := s.api.Staged(s.ctx, s.app)
	if err != nil {
		return err
	}
	rows := map[string]string{}
	for key, v := range st.Vars {
		t, name, typed := strings.Cut(key, "/")
		switch {
		case !typed && typ == "":
			name = key
		case !typed || t != typ:
			continue
		}
		rows[name] = "(removed)"
		if v != nil {
			rows[name] = *v
		}
	}
	if len(rows) == 0 {
		return nil
	}
	s.say("")
	s.header("Staged for the next release (not in effect yet)")
	s.say("")
	pairs(s.out, rows)
	return nil
}

func (s *session) configHistory(key string, n int, asJSON bool) error {
	if n < 0 {
		return usagef(s.cmd, "--num must be 1 or more.")
	}
	list, err := s.api.ConfigHistory(s.ctx, s.app, key, n)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(list))
	}
	of := ""
	if key != "" {
		of = " of " + printable(key)
	}
	if len(list) == 0 {
		s.say("No release changed the config%s of %s.", of, appName(s.app))
		return nil
	}
	s.header("%s Config History%s", appName(s.app), of)
	s.say("")
	rows := make([][]string, len(list))
	for i, c := range list {
		what := spellChanges(c.Changes)
		if c.Status != "succeeded" {
			what += " (" + c.Status + ")"
		}
		rows[i] = []string{fmt.Sprintf("v%d", c.Release.Version), what, c.User.Email, when(c.CreatedAt, time.Now())}
	}
	table(s.out, rows)
	return nil
}

// spellChanges is "set A, B; removed C".
func spellChanges(list []api.KeyChange) string {
	by := map[string][]string{}
	for _, k := range list {
		by[k.Change] = append(by[k.Change], changeName(k))
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, what+" "+strings.Join(by[what], ", "))
	}
	return strings.Join(parts, "; ")
}

func changeName(k api.KeyChange) string {
	if k.ProcessType != "" {
		return k.Name + " (" + k.ProcessType + ")"
	}
	return k.Name
}
