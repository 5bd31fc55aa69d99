package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) releaseCommands() []*cobra.Command {
	list := &cobra.Command{Use: "releases", Short: "list an app's releases", Args: takes(0, 0)}
	num := list.Flags().IntP("num", "n", 15, "how many")
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listReleases(*num, *listJSON) })

	info := &cobra.Command{Use: "releases:info [RELEASE]", Short: "show a release and its config", Args: takes(0, 1)}
	infoJSON := info.Flags().Bool("json", false, "print JSON")
	c.onApp(info, func(s *session, args []string) error { return s.releaseInfo(strings.Join(args, ""), *infoJSON) })

	rollback := &cobra.Command{
		Use: "rollback [RELEASE]", Aliases: []string{"releases:rollback"}, Short: "go back to an earlier release, code and config", Args: takes(0, 1),
		Long: "Make a new release with the code and config of an earlier one; without RELEASE, of the one before.",
	}
	c.onApp(rollback, func(s *session, args []string) error { return s.rollback(strings.Join(args, "")) })
	return []*cobra.Command{list, info, rollback}
}

func (s *session) listReleases(n int, asJSON bool) error {
	if n < 1 {
		return usagef(s.cmd, "--num must be 1 or more.")
	}
	releases, err := s.api.Releases(s.ctx, s.app, n)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(releases))
	}
	if len(releases) == 0 {
		s.say("%s has no releases.", appName(s.app))
		return nil
	}
	title := appName(s.app) + " Releases"
	rows := make([][]string, len(releases))
	for i, r := range releases {
		if r.Current {
			title += " - " + s.sgr("34", fmt.Sprintf("Current: v%d", r.Version))
		}
		what := r.Description
		switch r.Status {
		case "pending":
			what += " (rolling out)"
		case "failed":
			what += " (failed)"
		}
		rows[i] = []string{fmt.Sprintf("v%d", r.Version), what, r.User.Email, when(r.CreatedAt, time.Now())}
	}
	s.header("%s", title)
	s.say("")
	table(s.out, rows)
	return nil
}

// releaseName makes "12" of "v12"; ids stay.
func releaseName(s string) string {
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "v"); ok {
		if _, err := strconv.Atoi(rest); err == nil {
			return rest
		}
	}
	return s
}

func (s *session) releaseInfo(ident string, asJSON bool) error {
	var r api.Release
	if ident == "" {
		newest, err := s.api.Releases(s.ctx, s.app, 1)
		if err != nil {
			return err
		}
		if len(newest) == 0 {
			return fmt.Errorf("%s has no releases", s.app)
		}
		r = newest[0]
	} else {
		var err error
		if r, err = s.api.Release(s.ctx, s.app, releaseName(ident)); err != nil {
			return err
		}
	}
	vars, err := s.api.ReleaseConfig(s.ctx, s.app, r.ID)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(struct {
			api.Release
			Config map[string]string `json:"config"`
		}{r, vars})
	}
	s.header("Release v%d", r.Version)
	s.say("")
	rows := [][2]string{{"By", r.User.Email}, {"Change", r.Description}, {"Status", r.Status}, {"When", when(r.CreatedAt, time.Now())}}
	for _, more := range [][2]string{{"Reason", r.Reason}, {"Commit", r.Commit}, {"Image", r.Image}} {
		if more[1] != "" {
			rows = append(rows, more)
		}
	}
	fields(s.out, rows)
	s.say("")
	s.header("v%d Config vars", r.Version)
	s.say("")
	pairs(s.out, vars)
	return nil
}

func (s *session) rollback(ident string) error {
	const among = 10 // as Heroku: the newest that can be gone back to
	releases, err := s.api.Releases(s.ctx, s.app, among)
	if err != nil {
		return err
	}
	current := 0
	for _, r := range releases {
		if r.Current {
			current = r.Version
		}
	}
	var to api.Release
	if ident != "" {
		to, err = s.api.Release(s.ctx, s.app, releaseName(ident))
	} else {
		to, err = before(releases, current)
	}
	if err != nil {
		return err
	}
	err = s.action(fmt.Sprintf("Rolling back %s to v%d", appName(s.app), to.Version), func() (string, error) {
		_, deploy, err := s.api.Rollback(s.ctx, s.app, to.ID)
		if err != nil {
			return "", err
		}
		return s.follow(deploy)
	})
	if err != nil {
		return err
	}
	s.warn("Rollback affects code and config vars; it doesn't add or remove addons.")
	if current > 0 {
		s.warn(fmt.Sprintf("To undo, run: paas rollback v%d", current))
	}
	return nil
}

// before is the newest release that can be gone back to, older than current.
func before(releases []api.Release, current int) (api.Release, error) {
	for _, r := range releases {
		if r.EligibleForRollback && r.Version < current {
			return r, nil
		}
	}
	return api.Release{}, tell("There is no earlier release to go back to. Nothing was changed.", "See what there is: paas releases")
}
