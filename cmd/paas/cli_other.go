package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) otherCommands() []*cobra.Command {
	open := &cobra.Command{Use: "open", Aliases: []string{"apps:open"}, Short: "open an app in the browser", Args: takes(0, 0)}
	c.onApp(open, func(s *session, _ []string) error { return s.open() })

	version := &cobra.Command{Use: "version", Short: "show the versions of client and server", Args: takes(0, 0)}
	asJSON := version.Flags().Bool("json", false, "print JSON")
	version.RunE = func(cmd *cobra.Command, _ []string) error { return c.showVersion(cmd, *asJSON) }

	completion := &cobra.Command{
		Use: "completion bash|zsh|fish", Aliases: []string{"autocomplete"}, Short: "print a completion script for your shell", Args: takes(1, 1),
		Long:      "Print a completion script.\n\n  bash: source <(paas completion bash)   (needs bash-completion)\n  zsh:  source <(paas completion zsh)\n  fish: paas completion fish | source",
		ValidArgs: []string{"bash", "zsh", "fish"},
	}
	completion.RunE = func(cmd *cobra.Command, args []string) error {
		switch args[0] {
		case "bash":
			return cmd.Root().GenBashCompletionV2(c.out, true)
		case "zsh":
			return cmd.Root().GenZshCompletion(c.out)
		case "fish":
			return cmd.Root().GenFishCompletion(c.out, true)
		}
		return usagef(cmd, "There is no completion for %s.", printable(args[0]))
	}
	return []*cobra.Command{open, version, completion}
}

func (s *session) open() error {
	if s.away {
		return errAway
	}
	a, err := s.api.App(s.ctx, s.app)
	if err != nil {
		return err
	}
	u, err := webAddress(a.WebURL)
	if err != nil {
		return fmt.Errorf("the server sent %q as the address of %s, which is none", a.WebURL, s.app)
	}
	err = s.browse(u)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		s.say("%s", printable(u.String())) // no desktop here: people know what to do with it
		return nil
	case err != nil:
		return fmt.Errorf("open %s: %w", u, err)
	}
	fmt.Fprintf(s.err, "Opening %s... done\n", printable(a.Name))
	return nil
}

func (c *cli) showVersion(cmd *cobra.Command, asJSON bool) error {
	const patience = 5 * time.Second
	ctx, done := context.WithTimeout(cmd.Context(), patience)
	defer done()
	client := fmt.Sprintf("paas/%s %s-%s %s", buildVersion(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	server, address := "", ""
	err := c.start(cmd, "", "", func(s *session) error {
		address = s.server
		v, err := s.api.Version(ctx)
		server = fmt.Sprintf("paas/%s %s-%s %s", v.Version, v.OS, v.Arch, v.Go)
		return err
	})
	if err != nil {
		server = "not reached"
	}
	if asJSON {
		return c.json(map[string]string{"client": client, "server": server})
	}
	c.say("client: %s", client)
	if address != "" {
		c.say("server: %s (%s)", printable(server), printable(address))
	}
	return nil
}
