package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) releaseWorkCommands() []*cobra.Command {
	diff := &cobra.Command{
		Use: "releases:diff [FROM [TO]]", Short: "show what differs between two releases", Args: takes(0, 2),
		Long: `Show the commits, config vars (never their values), process types, image, crons
and config files that differ between two releases: without TO the current one,
without FROM the newest before TO that served.`,
		Example: "paas releases:diff v3 v4",
	}
	diffJSON := diff.Flags().Bool("json", false, "print JSON")
	c.onApp(diff, func(s *session, args []string) error {
		from, to := "", ""
		if len(args) > 0 {
			from = releaseName(args[0])
		}
		if len(args) > 1 {
			to = releaseName(args[1])
		}
		return s.releaseDiff(from, to, *diffJSON)
	})

	output := &cobra.Command{Use: "releases:output [RELEASE]", Short: "show what a release command printed", Args: takes(0, 1)}
	c.onApp(output, func(s *session, args []string) error {
		r, err := s.releaseOr(strings.Join(args, ""))
		if err != nil {
			return err
		}
		text, err := s.api.ReleaseOutput(s.ctx, s.app, r.ID)
		if err != nil {
			return err
		}
		out := &logWriter{w: s.out}
		if _, err := out.Write([]byte(text)); err != nil {
			return err
		}
		return out.flush()
	})

	retry := &cobra.Command{Use: "releases:retry [RELEASE]", Short: "try the newest release once more, which failed", Args: takes(0, 1)}
	c.onApp(retry, func(s *session, args []string) error {
		r, err := s.releaseOr(strings.Join(args, ""))
		if err != nil {
			return err
		}
		return s.action(fmt.Sprintf("Retrying %s on %s", r.Name(), appName(s.app)), func() (string, error) {
			_, deploy, err := s.api.Retry(s.ctx, s.app, r.ID)
			if err != nil {
				return "", err
			}
			return s.follow(deploy)
		})
	})
	return []*cobra.Command{diff, output, retry}
}

func (s *session) releaseDiff(from, to string, asJSON bool) error {
	d, err := s.api.ReleaseDiff(s.ctx, s.app, from, to)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(d)
	}
	s.header("%s %s..%s", appName(s.app), d.From.Name(), d.To.Name())
	lines := diffLines(d)
	if len(lines) == 0 {
		s.say("")
		s.say("Nothing differs.")
	}
	for _, group := range lines {
		s.say("")
		s.say("%s", s.sgr("1", group.title))
		for _, line := range group.lines {
			s.say("  %s", printable(line))
		}
	}
	return nil
}

type diffGroup struct {
	title string
	lines []string
}

// diffLines are what a comparison says, by subject.
func diffLines(d api.ReleaseDiff) []diffGroup {
	var vars, files, processes, crons, image []string
	for _, k := range d.Config {
		mark := map[string]string{"set": "+", "removed": "-"}[k.Change]
		if mark == "" {
			mark = "~"
		}
		if k.File {
			files = append(files, mark+" "+k.Name)
			continue
		}
		vars = append(vars, mark+" "+changeName(k)+": "+masked)
	}
	for _, p := range d.Processes {
		if p.From != "" {
			processes = append(processes, "- "+p.Type+": "+p.From)
		}
		if p.To != "" {
			processes = append(processes, "+ "+p.Type+": "+p.To)
		}
	}
	for _, c := range d.CronsGone {
		crons = append(crons, "- "+c.Schedule+" "+c.Command)
	}
	for _, c := range d.CronsAdded {
		crons = append(crons, "+ "+c.Schedule+" "+c.Command)
	}
	if d.From.Image != d.To.Image {
		for _, side := range [][2]string{{"- ", d.From.Image}, {"+ ", d.To.Image}} {
			if side[1] != "" {
				image = append(image, side[0]+side[1])
			}
		}
	}
	var groups []diffGroup
	for _, g := range []diffGroup{{"Commits", commitLines(d)}, {"Config vars", vars}, {"Config files", files},
		{"Process types", processes}, {"Crons", crons}, {"Image", image}} {
		if len(g.lines) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

func commitLines(d api.ReleaseDiff) []string {
	var lines []string
	add := func(mark string, c api.Commit) {
		lines = append(lines, fmt.Sprintf("%s %s %s (%s, %s)", mark, short(&c.ID), c.Subject, c.Author, c.CreatedAt.Format(time.DateOnly)))
	}
	for _, c := range d.Commits {
		add("+", c)
	}
	for _, c := range d.CommitsGone {
		add("-", c)
	}
	if d.CommitsMore {
		lines = append(lines, "… and more")
	}
	if d.CommitsLost {
		from, to := d.From.Commit, d.To.Commit
		lines = append(lines, fmt.Sprintf("%s..%s (the repository no longer has all of them)", short(&from), short(&to)))
	}
	return lines
}
