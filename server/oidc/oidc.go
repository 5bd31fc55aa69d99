// Package oidc signs people in to the dashboard by what another site says of
// them (OpenID Connect, authorization code with PKCE). It checks that word;
// which account it is good for is decided by the platform's use cases.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"paas/server"
)

// kind is of its challenges.
const kind = "oidc"

// askTimeout bounds each conversation with the provider.
const askTimeout = 10 * time.Second

// Services is what it asks of the platform.
type Services interface {
	KeepChallenge(ctx context.Context, kind string, data []byte, from string) (ticket string, err error)
	TakeChallenge(ctx context.Context, kind, ticket string) ([]byte, error)
	SignInByIdentity(ctx context.Context, i server.Identity, from, agent string) (string, server.WebSession, error)
	SignInRefused(ctx context.Context, how, from string, why error)
}

var _ Services = (*server.Service)(nil)

// Config names the provider and who we are to it.
type Config struct {
	Issuer       string // "https://accounts.example.com"
	ClientID     string
	ClientSecret string
	RedirectURL  string // of the dashboard: where the provider sends people back to
	Client       *http.Client
}

// Door sends people to the provider and lets them in when they come back. The
// provider is asked for its keys at the first use: it need not be up when the
// platform starts.
type Door struct {
	cfg Config
	svc Services
	log *slog.Logger

	mu       sync.Mutex
	provider *oidc.Provider
}

// New checks the configuration; it opens no connection.
func New(cfg Config, svc Services, log *slog.Logger) (*Door, error) {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("openid connect: issuer %q is no URL", cfg.Issuer)
	}
	if host := u.Hostname(); u.Scheme != "https" && (u.Scheme != "http" || host != "127.0.0.1" && host != "localhost" && host != "::1") {
		return nil, fmt.Errorf("openid connect: issuer %q must be https", cfg.Issuer)
	}
	if cfg.ClientID == "" {
		return nil, errors.New("openid connect: the client id is missing")
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: askTimeout}
	}
	return &Door{cfg: cfg, svc: svc, log: log}, nil
}

// Name is the provider for people: its host.
func (d *Door) Name() string {
	u, err := url.Parse(d.cfg.Issuer)
	if err != nil {
		return d.cfg.Issuer
	}
	return u.Host
}

// asked is what is kept between leaving and coming back.
type asked struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Next     string `json:"next"`
}

// Begin gives the provider's URL to send a browser to, and the ticket that the
// browser must hold when it comes back. Next is kept for Finish.
func (d *Door) Begin(ctx context.Context, next, from string) (to, ticket string, err error) {
	p, err := d.known(ctx)
	if err != nil {
		return "", "", err
	}
	a := asked{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next}
	data, err := json.Marshal(a)
	if err != nil {
		return "", "", fmt.Errorf("openid connect: %w", err)
	}
	if ticket, err = d.svc.KeepChallenge(ctx, kind, data, from); err != nil {
		return "", "", err
	}
	return d.oauth(p).AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), ticket, nil
}

// Finish checks the provider's word and begins a session of the account that
// it is good for; secret is the session's, next what Begin was given.
func (d *Door) Finish(ctx context.Context, a server.ProviderAnswer, from, agent string) (secret, next string, ws server.WebSession, err error) {
	data, err := d.svc.TakeChallenge(ctx, kind, a.Ticket)
	if err != nil {
		return "", "", ws, err
	}
	var was asked
	if err := json.Unmarshal(data, &was); err != nil {
		return "", "", ws, fmt.Errorf("openid connect: read what was asked: %w", err)
	}
	id, err := d.identity(ctx, was, a)
	if err != nil {
		d.svc.SignInRefused(ctx, "oidc", from, err)
		return "", was.Next, ws, err
	}
	secret, ws, err = d.svc.SignInByIdentity(ctx, id, from, agent)
	return secret, was.Next, ws, err
}

// identity is who the provider says is there.
func (d *Door) identity(ctx context.Context, was asked, a server.ProviderAnswer) (server.Identity, error) {
	switch {
	case subtle.ConstantTimeCompare([]byte(a.State), []byte(was.State)) != 1:
		return server.Identity{}, server.Errorf(server.ErrForbidden, "This answer belongs to another question. Nobody was signed in.")
	case a.Error != "":
		return server.Identity{}, server.Errorf(server.ErrForbidden, "%s did not let you in (%.60q). Nobody was signed in.", d.Name(), a.Error)
	}
	p, err := d.known(ctx)
	if err != nil {
		return server.Identity{}, err
	}
	ctx, done := context.WithTimeout(oidc.ClientContext(ctx, d.cfg.Client), askTimeout)
	defer done()
	token, err := d.oauth(p).Exchange(ctx, a.Code, oauth2.VerifierOption(was.Verifier))
	if err != nil {
		return server.Identity{}, d.refused("exchange the code", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return server.Identity{}, d.refused("read the answer", errors.New("there is no id_token"))
	}
	word, err := p.Verifier(&oidc.Config{ClientID: d.cfg.ClientID}).Verify(ctx, raw)
	if err != nil {
		return server.Identity{}, d.refused("check the id_token", err)
	}
	if subtle.ConstantTimeCompare([]byte(word.Nonce), []byte(was.Nonce)) != 1 {
		return server.Identity{}, d.refused("check the id_token", errors.New("its nonce is another's"))
	}
	var claims struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // some spell it "true"
	}
	if err := word.Claims(&claims); err != nil {
		return server.Identity{}, d.refused("read the id_token", err)
	}
	return server.Identity{Issuer: word.Issuer, Subject: word.Subject, Email: claims.Email, Verified: claims.Verified == true || claims.Verified == "true"}, nil
}

// refused notes the detail of what people are told in fewer words: it may hold
// what is not theirs.
func (d *Door) refused(step string, err error) error {
	d.log.Warn("a sign-in by OpenID Connect was refused", "issuer", d.cfg.Issuer, "step", step, "err", err)
	return server.Errorf(server.ErrForbidden, "What %s answered is not right (step: %s). Nobody was signed in.", d.Name(), step)
}

func (d *Door) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{ClientID: d.cfg.ClientID, ClientSecret: d.cfg.ClientSecret, RedirectURL: d.cfg.RedirectURL,
		Endpoint: p.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email"}}
}

// known asks the provider where its doors are, until it has answered once.
func (d *Door) known(ctx context.Context) (*oidc.Provider, error) {
	d.mu.Lock()
	p := d.provider
	d.mu.Unlock()
	if p != nil {
		return p, nil
	}
	// Its keys are fetched later by the same client, so not with the request's context.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), d.cfg.Client), d.cfg.Issuer)
	if err != nil {
		d.log.Error("the OpenID Connect provider does not answer", "issuer", d.cfg.Issuer, "err", err)
		return nil, &server.Error{ID: server.ErrUnavailable, Message: d.Name() + " does not answer. Nobody was signed in.", Next: "Sign in by a link: paas dashboard"}
	}
	d.mu.Lock()
	d.provider = p
	d.mu.Unlock()
	return p, nil
}
