package main

import (
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) dashboardCommands() []*cobra.Command {
	show := &cobra.Command{
		Use: "dashboard", Short: "open the dashboard in the browser, signed in", Args: takes(0, 0),
		Long: "Print a link that signs you in to the dashboard, and open it where there is a desktop.\n" +
			"The link works once, for 5 minutes; whoever has it signs in as you.",
	}
	app := show.Flags().StringP("app", "a", "", "app whose page to open (default: the list of apps)")
	only := show.Flags().Bool("print", false, "print the link and open nothing")
	asJSON := show.Flags().Bool("json", false, "print JSON, and open nothing")
	// The name exists on the flag set just above; this cannot fail.
	_ = show.RegisterFlagCompletionFunc("app", c.completeApps)
	c.asOperator(show, func(s *session, _ []string) error { return s.dashboard(*app, *only, *asJSON) })
	return []*cobra.Command{show}
}

func (s *session) dashboard(app string, only, asJSON bool) error {
	next := ""
	if app != "" {
		a, err := s.api.App(s.ctx, app)
		if err != nil {
			return err
		}
		next = "/apps/" + url.PathEscape(a.Name)
	}
	l, err := s.api.CreateSignInLink(s.ctx)
	if err != nil {
		return err
	}
	u, err := webAddress(l.URL)
	if err != nil {
		return fmt.Errorf("the server sent %q as the address of its dashboard, which is none", l.URL)
	}
	if next != "" {
		q := u.Query()
		q.Set("next", next)
		u.RawQuery = q.Encode()
	}
	l.URL = u.String()
	if asJSON {
		return s.json(l)
	}
	s.say("%s", printable(l.URL))
	fmt.Fprintf(s.err, "The link works once, until %s.\n", l.ExpiresAt.Local().Format(time.TimeOnly))
	if only || s.away || !s.desktop() {
		return nil
	}
	if err := s.browse(u); err != nil {
		fmt.Fprintf(s.err, "No browser was opened (%s): open the link yourself.\n", printable(err.Error()))
	}
	return nil
}

// desktop says whether there is one for a browser to appear on.
func (c *cli) desktop() bool {
	return runtime.GOOS != "linux" || c.env["DISPLAY"] != "" || c.env["WAYLAND_DISPLAY"] != ""
}

// webAddress reads what a server says is the address of a page.
func webAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of a page", text)
	}
	return u, nil
}

// browse opens a page in the person's browser.
func (s *session) browse(u *url.URL) error {
	if s.away {
		return errAway
	}
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	cmd := exec.CommandContext(s.ctx, opener, u.String())
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ, s.err, s.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", opener, err)
	}
	return nil
}
