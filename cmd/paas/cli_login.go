package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) loginCommands() []*cobra.Command {
	login := &cobra.Command{
		Use: "login [SERVER]", Aliases: []string{"auth:login"},
		Short: "log in by your SSH key",
		Long: "Log in by your SSH key. SERVER is HOST, HOST:PORT or ssh://USER@HOST:PORT; without it, localhost:2222.\n" +
			"The stock ssh client proves the key, so agents, passphrases and ~/.ssh/config work as they do for git.",
		Args: takes(0, 1),
	}
	var identity string
	var options []string
	login.Flags().StringVarP(&identity, "identity", "i", "", "private key file for ssh")
	login.Flags().StringArrayVarP(&options, "ssh-option", "o", nil, "option for ssh, as ssh -o takes it")
	login.RunE = func(cmd *cobra.Command, args []string) error {
		return c.logIn(cmd.Context(), strings.Join(args, ""), identity, options)
	}
	logout := &cobra.Command{Use: "logout [SERVER]", Aliases: []string{"auth:logout"}, Short: "end a login and forget it", Args: takes(0, 1)}
	logout.RunE = func(cmd *cobra.Command, args []string) error {
		return c.logOut(cmd.Context(), strings.Join(args, ""))
	}
	whoami := &cobra.Command{Use: "whoami", Aliases: []string{"auth:whoami"}, Short: "show who you are logged in as", Args: takes(0, 0)}
	whoami.RunE = c.on(func(s *session, _ []string) error {
		a, err := s.api.Account(s.ctx)
		if err != nil {
			return err
		}
		c.say("%s", printable(a.Email))
		return nil
	})
	token := &cobra.Command{
		Use: "auth:token", Short: "print the token of your login", Args: takes(0, 0),
		Long: "Print the token of your login, which ends with it; for a program make one of its own: paas authorizations:create.",
	}
	token.RunE = func(*cobra.Command, []string) error { return c.printToken() }
	return []*cobra.Command{login, logout, whoami, token}
}

// printToken prints what requests to the API are signed with: as a command
// would find it, so that curl is who the commands are.
func (c *cli) printToken() error {
	if token := c.env["PAAS_TOKEN"]; token != "" && !c.away {
		c.say("%s", printable(token))
		return nil
	}
	k, err := c.credentials()
	if err != nil {
		return err
	}
	server := k.Default
	if c.server != "" {
		h, err := parseServer(c.server)
		if err != nil {
			return &usageError{err.Error()}
		}
		server = h.String()
	}
	login, ok := k.Servers[server]
	if !ok {
		return tell("You are not logged in.", "Log in with: paas login")
	}
	c.say("%s", printable(login.Token))
	return nil
}

func (c *cli) logIn(ctx context.Context, server, identity string, options []string) error {
	h, err := parseServer(server)
	if err != nil {
		return &usageError{err.Error()}
	}
	k, err := c.credentials() // before the key is asked for
	if err != nil {
		return err
	}
	login, err := c.askSSH(ctx, h, identity, options)
	if err != nil {
		return err
	}
	k.Servers[h.String()], k.Default = login, h.String()
	if err := k.save(); err != nil {
		return err
	}
	c.say("Logged in to %s as %s", h, printable(login.Email))
	if !login.ExpiresAt.IsZero() {
		fmt.Fprintf(c.err, "The login ends on %s.\n", login.ExpiresAt.Local().Format(time.DateOnly))
	}
	if u, err := url.Parse(login.URL); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		c.warn("The API at " + login.URL + " is not encrypted: who can listen can take your token.")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// askSSH lets the stock client prove the key; the server answers one line.
func (c *cli) askSSH(ctx context.Context, h sshHost, identity string, options []string) (api.Login, error) {
	if c.away {
		return api.Login{}, errAway
	}
	args := []string{"-T", "-p", strconv.Itoa(h.port)}
	if identity != "" {
		args = append(args, "-o", "IdentitiesOnly=yes", "-i", identity)
	}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	cmd := exec.CommandContext(ctx, "ssh", append(args, "--", h.user+"@"+h.host, "login")...)
	cmd.Env, cmd.Stdin, cmd.Stderr = c.environ, c.in, c.err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var answer bytes.Buffer
	cmd.Stdout = &capped{w: &answer, left: 64 << 10}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return api.Login{}, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return api.Login{}, errors.New("ssh is not installed: install the OpenSSH client and try again")
	case errors.As(err, &exit):
		return api.Login{}, tell(fmt.Sprintf("ssh could not log in to %s (exit status %d).", h, exit.ExitCode()),
			"Above is what ssh said of it. If that is \"Host key verification failed\", this machine does not know the server's key yet, or knows another: ask its operator which is right. If it is \"Permission denied\", the server does not know your key: its operator adds you with: paas accounts:create EMAIL --key FILE")
	case err != nil:
		return api.Login{}, fmt.Errorf("run ssh: %w", err)
	}
	return readLogin(h, answer.Bytes())
}

func readLogin(h sshHost, answer []byte) (api.Login, error) {
	var l api.Login
	err := json.Unmarshal(bytes.TrimSpace(answer), &l)
	if u, bad := url.Parse(l.URL); err != nil || bad != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || l.Token == "" {
		return l, tell(h.String()+" is an SSH server, but it did not answer as paas does. Is the port right?", "")
	}
	return l, nil
}

// capped drops what is beyond its limit; a server that floods us gains nothing.
type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	if _, err := c.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *cli) logOut(ctx context.Context, server string) error {
	k, err := c.credentials()
	if err != nil {
		return err
	}
	key := k.Default
	if server != "" {
		h, err := parseServer(server)
		if err != nil {
			return &usageError{err.Error()}
		}
		key = h.String()
	}
	login, ok := k.Servers[key]
	if !ok {
		c.say("Not logged in%s", map[bool]string{true: " to " + key}[key != ""])
		return nil
	}
	c.revokeLogin(ctx, login)
	delete(k.Servers, key)
	if k.Default == key {
		k.Default = ""
		if len(k.Servers) == 1 {
			for only := range k.Servers {
				k.Default = only
			}
		}
	}
	if err := k.save(); err != nil {
		return err
	}
	c.say("Logged out of %s", key)
	return nil
}
