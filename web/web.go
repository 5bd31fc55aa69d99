// Package web is the dashboard: pages made on the server with html/template,
// live parts by server-sent events, small ES modules where a page does more
// than show. It calls the same use cases as the API and decides nothing.
package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"paas/server"
)

// Config is what the dashboard needs to know of the installation.
type Config struct {
	URL string // of the dashboard, without a slash at the end: "https://paas.example.com"
	// WebURL, GitURL are of an app, as in the API's answers.
	WebURL func(app string) string
	GitURL func(app string) string
	// APIURL is the URL that `paas login` takes.
	APIURL func() string
	// SSHAddr is host and port for git and ssh, for what a person types.
	SSHAddr func() (host, port string)
	// HostKey is the fingerprint of the SSH host key ("SHA256:…").
	HostKey func() string
	// Passkeys and Provider are other ways to sign in; nil: there are none.
	Passkeys Passkeys
	Provider Provider
	Domain   string // apps are found at names below it
	Version  string
	Sizes    []server.Size
}

// Services is what the dashboard asks of the platform: server.Service, or a
// fake of it. Every method takes the acting account and decides whether it may.
type Services interface {
	Doors
	SignInLinks
	Accounts
	Apps
	Watcher
	Overviews
	Configs
	ConfigRecords
	Processes
	Runs
	Crons
	HostNames
	Volumes
	Hosts
	HostCare
	Routers
	Servers
	Places
	Sharing
	Owning
	Draining
	Chronicle
	Logs
	Deploys
	Builds
	Releases
	Newcomers
}

// Doors lets people in and out.
type Doors interface {
	SessionActor(ctx context.Context, secret, from string) (server.Actor, server.WebSession, error)
	SignOut(ctx context.Context, secret string) error
}

// Apps knows apps and what the actor may do with them.
type Apps interface {
	Apps(ctx context.Context, actor server.Actor) ([]server.App, error)
	Allowed(ctx context.Context, actor server.Actor, app string) (server.App, []server.Permission, error)
}

// Watcher tells that something changed.
type Watcher interface {
	WhileAllowed(ctx context.Context, actor server.Actor, app string, need server.Permission) (context.Context, context.CancelFunc)
	Watch(ctx context.Context, actor server.Actor, app string) (<-chan string, func(), error)
}

var _ Services = (*server.Service)(nil)

// Server serves the dashboard's host name.
type Server struct {
	cfg      Config
	svc      Services
	log      *slog.Logger
	handler  http.Handler
	pages    map[string]*template.Template
	assets   *assets
	host     string
	secure   bool
	stopping chan struct{}

	terminals *terminals
	previews  *previews
	visitors  *crowd
	texts     *crowd // whole outputs
	readings  chan struct{}
}

// New makes it; it listens nowhere itself.
func New(cfg Config, svc Services, log *slog.Logger) (*Server, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Path != "" {
		return nil, fmt.Errorf("dashboard: %q is not the URL of a host", cfg.URL)
	}
	if cfg.WebURL == nil || cfg.GitURL == nil || cfg.APIURL == nil || cfg.SSHAddr == nil || cfg.HostKey == nil {
		return nil, errors.New("dashboard: WebURL, GitURL, APIURL, SSHAddr and HostKey must be set")
	}
	s := &Server{cfg: cfg, svc: svc, log: log, host: u.Hostname(), secure: strings.EqualFold(u.Scheme, "https"), stopping: make(chan struct{})}
	s.terminals, s.previews = newTerminals(s), newPreviews()
	s.visitors, s.texts = newCrowd("requests", ownRequests, allRequests), newCrowd("whole outputs", ownTexts, allTexts)
	s.readings = make(chan struct{}, readings)
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = s.loadPages(); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// ServeHTTP answers a request for the dashboard's host.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run ends what is live when ctx ends: it would go on otherwise for as long as
// somebody looks.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	close(s.stopping)
	s.terminals.host.Wait()
	return nil
}
