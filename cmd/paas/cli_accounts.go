package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) accountCommands() []*cobra.Command {
	list := &cobra.Command{Use: "accounts", Short: "list accounts (admin)", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.asOperator(list, func(s *session, _ []string) error { return s.listAccounts(*listJSON) })

	create := &cobra.Command{
		Use:   "accounts:create EMAIL",
		Short: "make an account that an SSH key proves (operator)",
		Long:  "Make an account, or find the one with that e-mail, and give it an SSH key.\nOperators reach the server by its unix socket, admins by their login.",
		Args:  takes(1, 1),
	}
	key := create.Flags().String("key", "", "public key file of the account (- for stdin)")
	admin := create.Flags().Bool("admin", false, "the account may act on every app")
	asJSON := create.Flags().Bool("json", false, "print JSON")
	c.asOperator(create, func(s *session, args []string) error { return s.createAccount(args[0], *key, *admin, *asJSON) })

	change := &cobra.Command{Use: "accounts:admin EMAIL", Short: "make somebody an admin, or take that away (admin)", Args: takes(1, 1)}
	on := change.Flags().Bool("on", false, "make an admin of the account")
	off := change.Flags().Bool("off", false, "take that away")
	c.asOperator(change, func(s *session, args []string) error {
		if *on == *off {
			return usagef(s.cmd, "Give --on or --off.")
		}
		what := map[bool]string{true: "Making %s an admin", false: "Taking admin rights from %s"}[*on]
		return s.action(fmt.Sprintf(what, printable(args[0])), func() (string, error) {
			_, err := s.api.SetAdmin(s.ctx, args[0], *on)
			return "", err
		})
	})

	remove := &cobra.Command{
		Use: "accounts:remove EMAIL", Short: "end an account (admin)", Args: takes(1, 1),
		Long: "End an account: its keys, logins, tokens and access to apps are gone at once. Refused while it owns apps.\nWhat it did stays under its name.",
	}
	c.asOperator(remove, func(s *session, args []string) error {
		return s.action("Removing account "+printable(args[0]), func() (string, error) {
			_, err := s.api.RemoveAccount(s.ctx, args[0])
			return "", err
		})
	})
	return []*cobra.Command{list, create, change, remove}
}

// asOperator makes a command's function that the operator may also run over
// the server's unix socket.
func (c *cli) asOperator(cmd *cobra.Command, do func(s *session, args []string) error) {
	socket := cmd.Flags().String("socket", "", "the server's unix socket (default: $PAAS_SOCKET, else the login)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *socket == "" {
			*socket = c.env["PAAS_SOCKET"]
		}
		if *socket != "" {
			path, err := filepath.Abs(*socket)
			if err != nil {
				return fmt.Errorf("socket %s: %w", *socket, err)
			}
			c.server = "unix://" + path
		}
		return c.on(do)(cmd, args)
	}
}

func (s *session) listAccounts(asJSON bool) error {
	all, err := s.api.Accounts(s.ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(all))
	}
	rows := make([][]string, len(all))
	for i, a := range all {
		admin := ""
		if a.Admin {
			admin = "admin"
		}
		rows[i] = []string{a.Email, admin, "since " + a.CreatedAt.Local().Format(time.DateOnly)}
	}
	table(s.out, rows)
	return nil
}

func (s *session) createAccount(email, keyFile string, admin, asJSON bool) error {
	in := api.CreateAccount{Email: email, Admin: admin}
	if keyFile != "" {
		line, err := s.readKey(keyFile)
		if err != nil {
			return err
		}
		in.Key = line
	}
	var a api.Account
	err := s.action("Creating account "+printable(email), func() (_ string, err error) {
		a, err = s.api.CreateAccount(s.ctx, in)
		return "", err
	})
	if err != nil || !asJSON {
		return err
	}
	return s.json(a)
}

func (c *cli) keyCommands() []*cobra.Command {
	list := &cobra.Command{Use: "keys", Short: "list your SSH keys", Args: takes(0, 0)}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = c.on(func(s *session, _ []string) error { return s.listKeys(*asJSON) })

	add := &cobra.Command{
		Use: "keys:add [FILE]", Short: "add an SSH key", Args: takes(0, 1),
		Long: "Add an SSH public key; without FILE the first of ~/.ssh/id_ed25519.pub, id_ecdsa.pub, id_rsa.pub. - reads stdin.",
	}
	add.RunE = c.on(func(s *session, args []string) error { return s.addKey(args) })

	remove := &cobra.Command{
		Use: "keys:remove KEY", Short: "remove an SSH key, by its comment, fingerprint or id", Args: takes(1, 1),
	}
	remove.RunE = c.on(func(s *session, args []string) error {
		return s.action("Removing "+printable(args[0])+" SSH key", func() (string, error) {
			_, err := s.api.RemoveKey(s.ctx, args[0])
			return "", err
		})
	})
	return []*cobra.Command{list, add, remove}
}

func (s *session) listKeys(asJSON bool) error {
	keys, err := s.api.Keys(s.ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(keys))
	}
	if len(keys) == 0 {
		s.say("You have no SSH keys. Add one with: paas keys:add")
		return nil
	}
	s.header("%s keys", printable(keys[0].Email))
	s.say("")
	rows := make([][]string, len(keys))
	for i, k := range keys {
		kind, rest, _ := strings.Cut(k.PublicKey, " ")
		body, _, _ := strings.Cut(rest, " ")
		if len(body) > 20 {
			body = body[:10] + "..." + body[len(body)-10:]
		}
		rows[i] = []string{kind, body, k.Fingerprint, k.Comment}
	}
	table(s.out, rows)
	return nil
}

func (s *session) addKey(args []string) error {
	file := strings.Join(args, "")
	if file == "" {
		var err error
		if file, err = s.ownKey(); err != nil {
			return err
		}
	}
	line, err := s.readKey(file)
	if err != nil {
		return err
	}
	return s.action("Uploading "+printable(file)+" SSH key", func() (string, error) {
		_, err := s.api.AddKey(s.ctx, line)
		return "", err
	})
}

// ownKey is the public key that ssh would try first.
func (c *cli) ownKey() (string, error) {
	if c.away {
		return "", errAway
	}
	dir := filepath.Join(c.env["HOME"], ".ssh")
	for _, name := range []string{"id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", tell("There is no public key in "+dir+".", "Make one with: ssh-keygen -t ed25519")
}

// readKey reads a public key file and never sends what may be a private one.
func (c *cli) readKey(file string) (string, error) {
	const most = 16 << 10
	in := c.in
	if file != "-" && c.away {
		return "", errAway
	}
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read key: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", fmt.Errorf("read key %s: %w", file, err)
	}
	text := strings.TrimSpace(string(b))
	switch {
	case len(b) > most:
		return "", tell(fmt.Sprintf("%s is larger than %d bytes and no public key. Nothing was sent.", file, most), "")
	case strings.Contains(text, "PRIVATE KEY"):
		return "", tell(file+" is a private key. Nothing was sent.", "Give the public one: "+file+".pub")
	case text == "" || strings.Contains(text, "\n"):
		return "", tell(file+" must hold one public key on one line. Nothing was sent.", "")
	}
	return text, nil
}

// notNil makes an empty list print as [] in JSON.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
