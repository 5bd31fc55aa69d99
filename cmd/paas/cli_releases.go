package main

import (
	"errors"
	"fmt"
	"net/http"
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
	var how infoFlags
	info.Flags().BoolVar(&how.json, "json", false, "print JSON")
	info.Flags().BoolVarP(&how.shell, "shell", "s", false, "print the config for a shell to read")
	info.Flags().BoolVar(&how.secrets, "show-secrets", false, "show the values of config vars")
	c.onApp(info, func(s *session, args []string) error { return s.releaseInfo(strings.Join(args, ""), how) })

	rollback := &cobra.Command{
		Use: "rollback [RELEASE]", Aliases: []string{"releases:rollback"}, Short: "go back to an earlier release, code and config", Args: takes(0, 1),
		Long: "Make a new release with the code and config of an earlier one; without RELEASE, of the one before.",
	}
	c.onApp(rollback, func(s *session, args []string) error { return s.rollback(strings.Join(args, "")) })
	return append([]*cobra.Command{list, info, rollback}, c.releaseWorkCommands()...)
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
		rows[i] = []string{r.Name(), s.describe(r), r.User.Email, short(&r.Commit), when(r.CreatedAt, time.Now())}
	}
	s.header("%s", title)
	s.say("")
	var text strings.Builder
	table(&text, rows)
	s.say("%s", strings.TrimSuffix(s.marked(text.String()), "\n"))
	return nil
}

// marked colours what became of releases, as Heroku does.
func (s *session) marked(text string) string {
	for mark, code := range map[string]string{"(release command failed)": "31", "(failed)": "31", "(release command executing)": "33", "(rolling out)": "33"} {
		text = strings.ReplaceAll(text, mark, s.sgr(code, mark))
	}
	return text
}

// describe is what a release is, and what became of it, as Heroku says it.
func (s *session) describe(r api.Release) string {
	command := r.OutputStreamURL != nil
	switch {
	case r.Status == "pending" && command:
		return r.Description + " (release command executing)"
	case r.Status == "pending":
		return r.Description + " (rolling out)"
	case r.Status == "failed" && strings.HasPrefix(r.Reason, "Release command"):
		return r.Description + " (release command failed)"
	case r.Status == "failed":
		return r.Description + " (failed)"
	}
	return r.Description
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

// infoFlags are how a release is shown.
type infoFlags struct{ json, shell, secrets bool }

// masked stands for a value that is not shown.
const masked = "********"

func (s *session) releaseInfo(ident string, how infoFlags) error {
	r, err := s.releaseOr(ident)
	if err != nil {
		return err
	}
	vars, err := s.api.ReleaseConfig(s.ctx, s.app, r.ID)
	var refused *api.Error
	hidden := errors.As(err, &refused) && refused.Status == http.StatusForbidden
	if err != nil && (!hidden || how.secrets || how.shell) {
		return err
	}
	if !how.secrets {
		for k := range vars {
			vars[k] = masked
		}
	}
	switch {
	case how.json:
		return s.json(struct {
			api.Release
			Config map[string]string `json:"config"`
		}{r, vars})
	case how.shell:
		return s.shellConfig(vars)
	}
	s.showRelease(r)
	s.say("")
	s.header("v%d Config vars", r.Version)
	s.say("")
	switch {
	case hidden:
		s.say("Not shown: it needs the permission to deploy.")
		return nil
	case len(vars) > 0 && !how.secrets:
		pairs(s.out, vars)
		s.warn("To see the values: paas releases:info " + r.Name() + " --show-secrets --app " + s.app)
		return nil
	}
	pairs(s.out, vars)
	return nil
}

// releaseOr finds a release, the newest when none is named.
func (s *session) releaseOr(ident string) (api.Release, error) {
	if ident != "" {
		return s.api.Release(s.ctx, s.app, releaseName(ident))
	}
	newest, err := s.api.Releases(s.ctx, s.app, 1)
	if err == nil && len(newest) == 0 {
		err = fmt.Errorf("%s has no releases", s.app)
	}
	if err != nil {
		return api.Release{}, err
	}
	return newest[0], nil
}

func (s *session) showRelease(r api.Release) {
	s.header("Release v%d", r.Version)
	s.say("")
	rows := [][2]string{{"By", r.User.Email}, {"Change", r.Description}, {"Status", r.Status}, {"When", when(r.CreatedAt, time.Now())}}
	for _, more := range [][2]string{{"Reason", r.Reason}, {"Commit", r.Commit}, {"Image", r.Image}} {
		if more[1] != "" {
			rows = append(rows, more)
		}
	}
	fields(s.out, rows)
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
