package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
	"paas/server/client"
)

// join accepts an invitation: by the login to that server when there is one,
// else as somebody new.
func (c *cli) join(cmd *cobra.Command, address, code, keyFile string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef(cmd, "%s is no address of a server: it begins with https://", printable(address))
	}
	address = strings.TrimRight(address, "/")
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		c.warn("The API at " + printable(address) + " is not encrypted: who can listen can take your login.")
	}
	k, err := c.credentials()
	if err != nil {
		return err
	}
	if token := c.tokenFor(address); token != "" {
		joined, err := c.joinAs(cmd.Context(), address, token, code)
		if err != nil || joined {
			return err
		}
	}
	if keyFile == "" {
		if keyFile, err = c.ownKey(); err != nil {
			return err
		}
	}
	line, err := c.readKey(keyFile)
	if err != nil {
		return err
	}
	cl, err := c.clientFor(address, "")
	if err != nil {
		return err
	}
	defer cl.Close()
	j, err := cl.Join(cmd.Context(), api.AcceptInvitation{Code: code, PublicKey: line})
	if err != nil {
		return err
	}
	j.URL = address // what answered; not where the answer would like the token to go
	return c.keepLogin(k, j)
}

// joinAs accepts by a login; false when that has expired.
func (c *cli) joinAs(ctx context.Context, address, token, code string) (bool, error) {
	cl, err := c.clientFor(address, token)
	if err != nil {
		return false, err
	}
	defer cl.Close()
	i, err := cl.JoinAs(ctx, code)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		return false, nil
	}
	if err == nil {
		c.say("Joined %s as %s", appName(i.App.Name), printable(i.Email))
	}
	return err == nil, err
}

func (c *cli) clientFor(address, token string) (*client.Client, error) {
	if c.away {
		return nil, errAway
	}
	return client.New(client.Config{URL: address, Token: token, UserAgent: "paas/" + buildVersion(), Proxy: http.ProxyFromEnvironment})
}

// keepLogin stores a new account's login as paas login does. The server names
// the key it is kept under, so that one of another server is never replaced.
func (c *cli) keepLogin(k *credentials, j api.Joined) error {
	h, err := parseServer(j.SSH)
	have, taken := k.Servers[h.String()]
	if err != nil || taken && strings.TrimRight(have.URL, "/") != j.URL {
		return tell("Your account "+j.Email+" was made, but its login was not kept: "+j.URL+" calls itself "+j.SSH+", and there is a login of another server under that name.",
			"Log out there, then: paas login "+j.SSH)
	}
	k.Servers[h.String()], k.Default = j.Login, h.String()
	if err := k.save(); err != nil {
		return err
	}
	c.say("Joined %s as %s", appName(j.App.Name), printable(j.Email))
	c.say("Logged in to %s", h)
	return nil
}

// revokeLogin ends a login's token at its server. The login is forgotten here
// whatever becomes of that.
func (c *cli) revokeLogin(ctx context.Context, l api.Login) {
	const patience = 5 * time.Second
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	cl, err := c.clientFor(l.URL, l.Token)
	if err == nil {
		defer cl.Close()
		_, err = cl.Revoke(ctx, "~")
	}
	var refused *api.Error
	if err == nil || errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		return // it had ended before
	}
	until := "it expires"
	if !l.ExpiresAt.IsZero() {
		until = l.ExpiresAt.Local().Format(time.DateOnly)
	}
	c.warn("The server did not end the login's token, which stays good until " + until + " for who has it: " + err.Error())
	c.warn("Log in again and end it with: paas authorizations:revoke ID")
}
