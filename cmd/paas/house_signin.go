package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/oidc"
	"paas/server/passkey"
	"paas/web"
)

// provider are the flags of the site that people may sign in with.
type provider struct {
	issuer, clientID, secretFile string

	secret string
}

func (p *provider) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.issuer, "oidc-issuer", "", "URL of an OpenID Connect provider; people with accounts may sign in to the dashboard with it")
	f.StringVar(&p.clientID, "oidc-client-id", "", "what the provider calls this installation")
	f.StringVar(&p.secretFile, "oidc-client-secret-file", "", "file with the secret that the provider gave for it, mode 0600")
}

// check reads the secret too: a wrong file is told at the start.
func (p *provider) check() error {
	if p.issuer == "" && p.clientID == "" && p.secretFile == "" {
		return nil
	}
	if p.issuer == "" || p.clientID == "" {
		return errors.New("--oidc-issuer and --oidc-client-id belong together")
	}
	if p.secretFile == "" {
		return nil // a public client: PKCE protects it
	}
	info, err := os.Stat(p.secretFile)
	if err != nil {
		return fmt.Errorf("--oidc-client-secret-file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("--oidc-client-secret-file %s: others can read it; run: chmod 600 %s", p.secretFile, p.secretFile)
	}
	b, err := os.ReadFile(p.secretFile)
	if err != nil {
		return fmt.Errorf("--oidc-client-secret-file: %w", err)
	}
	p.secret = strings.TrimSpace(string(b))
	return nil
}

// signInWays adds the ways to sign in, beside links, to the dashboard's configuration.
func (h *house) signInWays(c *web.Config) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("dashboard: %w", err)
	}
	if u.Scheme != "https" {
		h.log.Warn("the dashboard is on plain HTTP: who sees the traffic can take over a session; give --tls-cert, --tls-key and --https", "url", c.URL)
	}
	keys, err := passkey.New(c.URL, u.Hostname(), h.service, h.log)
	if err != nil {
		return err
	}
	c.Passkeys = keys
	if h.s.oidc.issuer == "" {
		return nil
	}
	site, err := oidc.New(oidc.Config{Issuer: h.s.oidc.issuer, ClientID: h.s.oidc.clientID, ClientSecret: h.s.oidc.secret,
		RedirectURL: c.URL + web.ProviderPath}, h.service, h.log)
	if err != nil {
		return err
	}
	c.Provider = site
	return nil
}
