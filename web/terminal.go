package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/terminal"
)

// Runs starts one-offs and opens sessions with instances.
type Runs interface {
	Runs(ctx context.Context, actor server.Actor, app string, f server.RunFilter) ([]server.Run, error)
	StartRun(ctx context.Context, actor server.Actor, app string, r server.RunRequest) (server.Run, error)
	Open(ctx context.Context, actor server.Actor, app, ident string, o server.OpenRequest, streams agent.IO) (agent.SessionEnd, error)
}

// terminals are what the dashboard knows of terminals in browsers.
type terminals struct {
	tickets
	host *terminal.Host
}

func newTerminals(s *Server) *terminals {
	return &terminals{tickets: tickets{list: map[string]ticket{}}, host: terminal.NewHost(terminal.Config{AtOnce: true, Stopping: s.stopping,
		Failed: func(_ *http.Request, err error) string {
			s.log.Error("a session from the dashboard failed", "err", err)
			return "The platform failed; its log says how."
		}})}
}

func (s *Server) terminalRoutes(r chi.Router) {
	r.Get("/terminal", s.page(s.terminalPage))
	r.Post("/terminal", s.page(s.askForTerminal))
	r.Get("/terminal/{ticket}", s.stream(s.serveTerminal))
}

const (
	defaultShell = "/bin/sh"
	terminalType = "xterm-256color" // TERM, as xterm.js understands it
)

// terminalView is what the page of the terminal shows.
type terminalView struct {
	Dynos   []string // that have a process to go to
	Dyno    string   // chosen; empty: a new one-off
	Command string
	Sizes   []server.Size
	Nonce   string // of the styles that the terminal makes in the page
}

func (s *Server) terminalPage(v *visit) error {
	if !v.may(server.PermDeploy) {
		return mayNot(v, server.PermDeploy)
	}
	list, err := s.svc.Instances(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	t := terminalView{Command: defaultShell, Sizes: s.cfg.Sizes, Nonce: rand.Text()}
	for _, in := range list {
		if in.State == "up" {
			t.Dynos = append(t.Dynos, dynoName(in))
		}
	}
	for _, name := range t.Dynos {
		if name == v.query("dyno") {
			t.Dyno = name
		}
	}
	if wanted := v.query("dyno"); wanted != "" && t.Dyno == "" {
		return &server.Error{ID: server.ErrNotFound, Message: fmt.Sprintf("%s has no dyno %s that is up. Nothing was started.", v.app().Name, plain(wanted)), Next: "paas ps -a " + v.app().Name}
	}
	// xterm.js styles itself by <style> elements that it makes; these carry the
	// nonce (static/js/terminal.js), and nothing else gets in by it.
	v.w.Header().Set("Content-Security-Policy", strings.Replace(policy, "style-src 'self'", "style-src 'self' 'nonce-"+t.Nonce+"'", 1))
	return v.show("terminal", "processes", "Terminal", t)
}

// dynoName is "web.1".
func dynoName(in server.Instance) string { return fmt.Sprintf("%s.%d", in.Type, in.Ordinal) }

// askForTerminal answers a script of the page, with where its WebSocket is or
// with what is wrong.
func (s *Server) askForTerminal(v *visit) error {
	answer, status := map[string]string{}, http.StatusOK
	path, name, err := s.newTerminal(v)
	if err != nil {
		p := s.explain(v.r, err)
		status, answer["error"], answer["next"] = p.Status, p.Message, p.Next
	} else {
		answer["socket"], answer["dyno"] = path, name
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(status)
	return json.NewEncoder(v.w).Encode(answer)
}

// newTerminal issues the ticket of a session with a dyno, or with a one-off
// that it starts.
func (s *Server) newTerminal(v *visit) (path, name string, err error) {
	if err := v.form(); err != nil {
		return "", "", err
	}
	if !v.may(server.PermDeploy) {
		return "", "", mayNot(v, server.PermDeploy)
	}
	command := strings.TrimSpace(v.field("command"))
	if command == "" {
		command = defaultShell
	}
	env := map[string]string{"TERM": terminalType}
	t := ticket{session: v.who.session.ID, app: v.app().ID, dyno: v.field("dyno"), open: server.OpenRequest{Kind: agent.Exec, Command: command, TTY: true, Env: env}}
	secret, err := s.terminals.issue(t) // first: when there are too many, nothing is started
	if err != nil {
		return "", "", err
	}
	if name = t.dyno; name == "" {
		run, err := s.svc.StartRun(v.ctx(), v.actor(), v.app().ID, server.RunRequest{Command: command, Size: v.field("size"), Env: env, Attach: true, TTY: true})
		if err != nil {
			s.terminals.drop(secret)
			return "", "", err
		}
		name = run.Name()
		s.terminals.settle(secret, run.ID, server.OpenRequest{Kind: agent.Attach})
	}
	return v.appPath("terminal", secret), name, nil
}

// serveTerminal is the WebSocket. A page of another site could make the
// browser open one, cookie and all: it has no ticket, and its origin is not
// this host.
func (s *Server) serveTerminal(v *visit) error {
	if !s.sameOrigin(v.r) {
		return server.Errorf(server.ErrForbidden, "The request came from another site and was refused. Nothing was started.")
	}
	if err := terminal.Check(v.r); err != nil {
		return server.Errorf(server.ErrInvalid, "%v", err)
	}
	t, err := s.terminals.take(v.param("ticket"), v.who.session.ID, v.app().ID)
	if err != nil {
		return err
	}
	who := v.actor()
	return s.terminals.host.Serve(v.w, v.r, func(ctx context.Context, streams agent.IO) (agent.SessionEnd, error) {
		return s.svc.Open(ctx, who, t.app, t.dyno, t.open, streams)
	})
}

// sameOrigin says that a page of this host made the request. A browser always
// says which site a WebSocket is asked for by.
func (s *Server) sameOrigin(r *http.Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, r.Host) && strings.EqualFold(u.Hostname(), s.host)
}

// mayNot refuses what a page would not have offered.
func mayNot(v *visit, need server.Permission) error {
	return &server.Error{ID: server.ErrForbidden, Message: fmt.Sprintf("You may not do this with %s: it needs the permission %q. Nothing was changed.", v.app().Name, need),
		Next: fmt.Sprintf("paas access -a %s   # who may give it to you", v.app().Name)}
}
