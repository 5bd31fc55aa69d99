package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) deployCommands() []*cobra.Command {
	builds := &cobra.Command{Use: "builds", Short: "list an app's builds", Args: takes(0, 0)}
	buildsNum := builds.Flags().IntP("num", "n", 15, "how many")
	buildsJSON := builds.Flags().Bool("json", false, "print JSON")
	c.onApp(builds, func(s *session, _ []string) error { return s.listBuilds(*buildsNum, *buildsJSON) })

	build := &cobra.Command{Use: "builds:info BUILD", Short: "show a build", Args: takes(1, 1)}
	buildJSON := build.Flags().Bool("json", false, "print JSON")
	c.onApp(build, func(s *session, args []string) error { return s.buildInfo(args[0], *buildJSON) })

	deploys := &cobra.Command{Use: "deploys", Short: "list what was tried to make releases serve", Args: takes(0, 0)}
	deploysNum := deploys.Flags().IntP("num", "n", 15, "how many")
	deploysJSON := deploys.Flags().Bool("json", false, "print JSON")
	c.onApp(deploys, func(s *session, _ []string) error { return s.listDeploys(*deploysNum, *deploysJSON) })

	info := &cobra.Command{Use: "deploys:info DEPLOY", Short: "show a deploy", Args: takes(1, 1)}
	infoJSON := info.Flags().Bool("json", false, "print JSON")
	c.onApp(info, func(s *session, args []string) error { return s.deployInfo(args[0], *infoJSON) })

	output := &cobra.Command{Use: "deploys:output DEPLOY", Short: "show what a deploy printed, until it has ended", Args: takes(1, 1)}
	c.onApp(output, func(s *session, args []string) error {
		out := &logWriter{w: s.out}
		d, err := s.api.Follow(s.ctx, s.app, args[0], out)
		if err != nil {
			return err
		}
		if err := out.flush(); err != nil {
			return err
		}
		if d.Status != api.DeployLive {
			return s.failed(d, nil)
		}
		return nil
	})
	cancel := &cobra.Command{Use: "deploys:cancel [DEPLOY]", Short: "stop a deploy; without an id, the one under way", Args: takes(0, 1)}
	c.onApp(cancel, func(s *session, args []string) error { return s.cancelDeploy(args) })

	events := &cobra.Command{Use: "events", Short: "list what happened to an app, newest first", Args: takes(0, 0)}
	eventsNum := events.Flags().IntP("num", "n", 30, "how many")
	eventsJSON := events.Flags().Bool("json", false, "print JSON")
	c.onApp(events, func(s *session, _ []string) error { return s.listEvents(*eventsNum, *eventsJSON) })
	return []*cobra.Command{builds, build, deploys, info, output, cancel, events}
}

func short(commit *string) string {
	if commit == nil {
		return ""
	}
	return (*commit)[:min(8, len(*commit))]
}

func (s *session) listBuilds(n int, asJSON bool) error {
	builds, err := s.api.Builds(s.ctx, s.app, n)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(builds))
	}
	if len(builds) == 0 {
		s.say("%s has no builds.", appName(s.app))
		return nil
	}
	s.header("%s Builds", appName(s.app))
	s.say("")
	rows := make([][]string, len(builds))
	for i, b := range builds {
		rows[i] = []string{b.ID, short(b.SourceBlob.Version), b.Status, b.User.Email, when(b.CreatedAt, time.Now())}
	}
	table(s.out, rows)
	return nil
}

func (s *session) buildInfo(id string, asJSON bool) error {
	b, err := s.api.Build(s.ctx, s.app, id)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(b)
	}
	s.header("Build %s", printable(b.ID))
	s.say("")
	rows := [][2]string{{"By", b.User.Email}, {"Status", b.Status}, {"When", when(b.CreatedAt, time.Now())}}
	if b.SourceBlob.Version != nil {
		rows = append(rows, [2]string{"Commit", *b.SourceBlob.Version})
	}
	if parts := strings.Split(b.OutputStreamURL, "/"); len(parts) > 2 {
		rows = append(rows, [2]string{"Output", "paas deploys:output " + parts[len(parts)-2] + " --app " + s.app})
	}
	fields(s.out, rows)
	return nil
}

func (s *session) listDeploys(n int, asJSON bool) error {
	deploys, err := s.api.Deploys(s.ctx, s.app, n)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(deploys))
	}
	if len(deploys) == 0 {
		s.say("%s has no deploys.", appName(s.app))
		return nil
	}
	s.header("%s Deploys", appName(s.app))
	s.say("")
	rows := make([][]string, len(deploys))
	for i, d := range deploys {
		rows[i] = []string{d.ID, d.Kind, d.Status, version(d.Release), short(d.Commit), d.User.Email, when(d.CreatedAt, time.Now())}
	}
	table(s.out, rows)
	return nil
}

func (s *session) deployInfo(id string, asJSON bool) error {
	d, err := s.api.Deploy(s.ctx, s.app, id)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(d)
	}
	s.header("Deploy %s", printable(d.ID))
	s.say("")
	rows := [][2]string{
		{"By", d.User.Email},
		{"Change", d.Description},
		{"Kind", d.Kind},
		{"Status", d.Status},
		{"Started", when(d.CreatedAt, time.Now())},
		{"Changed", when(d.UpdatedAt, time.Now())},
	}
	optional := [][2]string{{"Release", version(d.Release)}, {"Commit", value(d.Commit)}, {"Failed while", value(d.Stage)}, {"Reason", value(d.Reason)}}
	for _, more := range optional {
		if more[1] != "" {
			rows = append(rows, more)
		}
	}
	fields(s.out, append(rows, [2]string{"Output", "paas deploys:output " + d.ID + " --app " + s.app}))
	return nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *session) listEvents(n int, asJSON bool) error {
	events, err := s.api.Events(s.ctx, s.app)
	if err != nil {
		return err
	}
	events = events[:min(max(n, 0), len(events))]
	if asJSON {
		return s.json(notNil(events))
	}
	s.header("%s Events", appName(s.app))
	s.say("")
	rows := make([][]string, len(events))
	for i, e := range events {
		rows[i] = []string{when(e.CreatedAt, time.Now()), e.Kind, e.Actor, e.Text}
	}
	table(s.out, rows)
	return nil
}

// cancelDeploy stops the deploy that is named, or the newest that has not ended.
func (s *session) cancelDeploy(args []string) error {
	id := ""
	if len(args) == 1 {
		id = args[0]
	} else {
		recent, err := s.api.Deploys(s.ctx, s.app, 20)
		if err != nil {
			return err
		}
		for _, d := range recent {
			if !d.Final() {
				id = d.ID
				break
			}
		}
		if id == "" {
			return tell(s.app+" has no deploy under way. Nothing was changed.", "See the last ones: paas deploys -a "+s.app)
		}
	}
	d, err := s.api.Cancel(s.ctx, s.app, id)
	if err != nil {
		return err
	}
	s.say("Cancelled deploy %s of %s.", d.ID, appName(s.app))
	return nil
}
