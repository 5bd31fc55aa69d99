package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
	"paas/server/client"
)

// session is a command at work: a server, and an app where it needs one.
type session struct {
	*cli
	ctx    context.Context
	cmd    *cobra.Command
	api    *client.Client
	app    string
	server string // the key of its login, for people
}

// on makes a command's function that needs a server.
func (c *cli) on(do func(s *session, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return c.start(cmd, "", "", func(s *session) error { return do(s, args) })
	}
}

// onApp makes a command's function that needs an app, and gives the command
// the flags that name it.
func (c *cli) onApp(cmd *cobra.Command, do func(s *session, args []string) error) *cobra.Command {
	var app, remote string
	cmd.Flags().StringVarP(&app, "app", "a", "", "app to act on (default: $PAAS_APP, then the git remote)")
	cmd.Flags().StringVarP(&remote, "remote", "r", "", "git remote that names the app (default: paas)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, server, err := c.findApp(cmd, app, remote)
		if err != nil {
			return err
		}
		return c.start(cmd, name, server, func(s *session) error { return do(s, args) })
	}
	// The names exist on the flag set just above; this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("app", c.completeApps)
	return cmd
}

func (c *cli) start(cmd *cobra.Command, app, server string, do func(*session) error) error {
	s := &session{cli: c, ctx: cmd.Context(), cmd: cmd, app: app}
	if err := s.connect(server); err != nil {
		return err
	}
	defer s.api.Close()
	return do(s)
}

// findApp says which app is meant, and the server of the remote that said so.
func (c *cli) findApp(cmd *cobra.Command, app, remoteName string) (name, server string, err error) {
	if app != "" && remoteName != "" {
		return "", "", usagef(cmd, "Give --app or --remote, not both.")
	}
	if app == "" && remoteName == "" {
		app = c.env["PAAS_APP"]
	}
	if app != "" {
		return app, "", nil
	}
	if c.away {
		return "", "", usagef(cmd, "Which app? Name it with --app APP.")
	}
	remotes, err := c.remotes(cmd.Context())
	if err != nil {
		return "", "", fmt.Errorf("look for the app in git's remotes: %w", err)
	}
	return chooseRemote(cmd, remotes, remoteName)
}

func chooseRemote(cmd *cobra.Command, remotes []remote, wanted string) (app, server string, err error) {
	var names []string
	for _, r := range remotes {
		h, name, ok := parseRemote(r.url)
		if r.name == wanted || wanted == "" && r.name == sshUser {
			if !ok {
				return "", "", tell("The git remote "+r.name+" points to "+r.url+", which is no app.", "Name one with --app APP")
			}
			return name, h.String(), nil
		}
		if ok && h.user == sshUser {
			names, app, server = append(names, r.name), name, h.String()
		}
	}
	switch {
	case wanted != "":
		return "", "", usagef(cmd, "There is no git remote %s here.", printable(wanted))
	case len(names) == 1:
		return app, server, nil
	case len(names) > 1:
		slices.Sort(names)
		return "", "", usagef(cmd, "Several git remotes name an app: %s. Choose one with --remote NAME or --app APP.", strings.Join(names, ", "))
	}
	return "", "", usagef(cmd, "Which app? Name it with --app APP, or work in a repository whose git remote %s points to one.", sshUser)
}

// connect finds the server: --server, then PAAS_URL, then the server of the
// git remote, then the newest login.
func (s *session) connect(ofRemote string) error {
	if s.away {
		cl, err := s.dial()
		s.api = cl
		return err
	}
	address, login := s.cli.server, api.Login{}
	if address == "" {
		address = s.env["PAAS_URL"]
	}
	if strings.Contains(address, "://") && !strings.HasPrefix(address, "ssh://") {
		s.server, login.URL = address, address
		if !strings.HasPrefix(address, "unix:") { // where the kernel says who we are
			login.Token = cmp.Or(s.env["PAAS_TOKEN"], s.tokenFor(address))
		}
	} else {
		var err error
		if login, err = s.login(address, ofRemote); err != nil {
			return err
		}
	}
	cl, err := client.New(client.Config{
		URL: login.URL, Token: login.Token, UserAgent: "paas/" + buildVersion(), Proxy: http.ProxyFromEnvironment,
	})
	s.api = cl
	return err
}

// tokenFor is the token of a login whose API has that address.
func (c *cli) tokenFor(address string) string {
	k, err := c.credentials()
	if err != nil {
		return ""
	}
	for _, l := range k.Servers {
		if strings.TrimRight(l.URL, "/") == strings.TrimRight(address, "/") {
			return l.Token
		}
	}
	return ""
}

func (s *session) login(address, ofRemote string) (api.Login, error) {
	k, err := s.credentials()
	if err != nil {
		return api.Login{}, err
	}
	s.server = k.Default
	switch {
	case address != "":
		h, err := parseServer(address)
		if err != nil {
			return api.Login{}, err
		}
		s.server = h.String()
	case ofRemote != "":
		s.server = ofRemote
	case s.server == "":
		return api.Login{}, notLoggedIn("")
	}
	login, ok := k.Servers[s.server]
	if !ok || login.URL == "" {
		return login, notLoggedIn(s.server)
	}
	return login, nil
}

func notLoggedIn(server string) error {
	to, arg := "", ""
	if server != "" {
		to, arg = " to "+server, " "+server
	}
	return &api.Error{Message: "You are not logged in" + to + ". Nothing was changed.", Next: "Log in with: paas login" + arg}
}

func (c *cli) completeApps(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	err := c.start(cmd, "", "", func(s *session) error {
		apps, err := s.api.Apps(s.ctx)
		for _, a := range apps {
			names = append(names, a.Name)
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
