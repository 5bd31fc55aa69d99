package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) gitCommands() []*cobra.Command {
	remote := &cobra.Command{
		Use: "git:remote", Short: "point a git remote of this repository at an app", Args: takes(0, 0),
		Long: "Add a git remote to the repository of this directory, so that git push paas main deploys the app.\nA remote of that name that there is already is pointed to the app.",
	}
	app := remote.Flags().StringP("app", "a", "", "app to point to (default: $PAAS_APP)")
	name := remote.Flags().StringP("remote", "r", sshUser, "git remote to add or change")
	remote.RunE = c.on(func(s *session, _ []string) error {
		a, err := s.namedApp(*app)
		if err != nil {
			return err
		}
		return s.setRemote(*name, a)
	})

	clone := &cobra.Command{
		Use: "git:clone [DIRECTORY]", Short: "fetch an app's code into a new directory", Args: takes(0, 1),
		Long: "Clone the repository of an app, with a git remote that deploys it; into a directory of its name unless one is given.",
	}
	cloned := clone.Flags().StringP("app", "a", "", "app to clone (default: $PAAS_APP)")
	as := clone.Flags().StringP("remote", "r", sshUser, "what the git remote is to be called")
	clone.RunE = c.on(func(s *session, args []string) error {
		a, err := s.namedApp(*cloned)
		if err != nil {
			return err
		}
		return s.clone(*as, strings.Join(args, ""), a)
	})
	for _, cmd := range []*cobra.Command{remote, clone} {
		_ = cmd.RegisterFlagCompletionFunc("app", c.completeApps) // the flag exists
	}
	return []*cobra.Command{remote, clone}
}

// namedApp is an app that must be named: these commands make the remotes by
// which others find it. Its git URL is one that git runs no program for.
func (s *session) namedApp(name string) (api.App, error) {
	if name == "" {
		name = s.env["PAAS_APP"]
	}
	if name == "" {
		return api.App{}, usagef(s.cmd, "Which app? Name it with --app APP.")
	}
	a, err := s.api.App(s.ctx, name)
	if err != nil {
		return a, err
	}
	if _, app, ok := parseRemote(a.GitURL); !ok || app != a.Name {
		return a, tell("The server sent a git URL that is none. Nothing was changed.", "")
	}
	return a, nil
}

func (s *session) setRemote(name string, a api.App) error {
	if _, err := s.git(s.ctx, "rev-parse", "--git-dir"); err != nil {
		return tell("This directory is in no git repository. Nothing was changed.", "Make it one: git init -b main. Or fetch the app's code: paas git:clone -a "+a.Name)
	}
	remotes, err := s.remotes(s.ctx)
	if err != nil {
		return err
	}
	how := []string{"remote", "add", "--", name, s.gitURL(a)}
	for _, r := range remotes {
		if r.name == name {
			how[1] = "set-url"
		}
	}
	if _, err := s.git(s.ctx, how...); err != nil {
		return fmt.Errorf("git remote %s %s: %w; nothing was changed", how[1], printable(strconv.Quote(name)), err)
	}
	s.say("set git remote %s to %s", printable(name), printable(s.gitURL(a)))
	return nil
}

// clone leaves the talking to git.
func (s *session) clone(remote, dir string, a api.App) error {
	if s.away {
		return errAway
	}
	if dir == "" {
		dir = a.Name
	}
	cmd := exec.CommandContext(s.ctx, "git", "clone", "--origin="+remote, "--", s.gitURL(a), dir)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.environ, s.in, s.out, s.err
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("git is not installed")
	case errors.As(err, &exit):
		return tell(fmt.Sprintf("git clone ended with exit status %d. What it said stands above.", exit.ExitCode()), "If it was the key: paas keys")
	}
	return err
}
