package httpd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
)

const (
	terminalPing  = 15 * time.Second // of silence, before the client is asked whether it lives
	terminalGone  = 40 * time.Second // of silence, after which it is taken to be gone
	terminalWrite = 30 * time.Second // for one message of at most 32 KB to leave
	maxExecEnv    = 100              // variables of one exec
)

func (s *Server) attach(w http.ResponseWriter, r *http.Request) error {
	return s.terminal(w, r, param(r, "app"), param(r, "dyno"), server.OpenRequest{Kind: agent.Attach})
}

func (s *Server) exec(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	env, err := envOf(q["env"])
	if err != nil {
		return errors.Join(s.mayKnow(r, param(r, "app")), err)
	}
	return s.terminal(w, r, param(r, "app"), param(r, "dyno"),
		server.OpenRequest{Kind: agent.Exec, Command: q.Get("command"), TTY: q.Get("tty") == "true", Env: env})
}

func envOf(pairs []string) (map[string]string, error) {
	if len(pairs) > maxExecEnv {
		return nil, server.Errorf(server.ErrInvalid, "More than %d variables. Nothing was started.", maxExecEnv)
	}
	env := map[string]string{}
	for _, kv := range pairs {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, server.Errorf(server.ErrInvalid, "Parameter env must be KEY=VALUE. Nothing was started.")
		}
		env[k] = v
	}
	return env, nil
}

func (s *Server) forward(w http.ResponseWriter, r *http.Request) error {
	port, _ := strconv.Atoi(r.URL.Query().Get("port")) // 0 is refused like any other that is none
	return s.terminal(w, r, param(r, "app"), param(r, "dyno"), server.OpenRequest{Kind: agent.Forward, Port: port})
}

// ending is what became of a use case that served a session.
type ending struct {
	end agent.SessionEnd
	err error
}

// terminal serves a session. The connection becomes a WebSocket only when the
// other end is there and uses its streams: what goes wrong before that is an
// answer like any other of the API.
func (s *Server) terminal(w http.ResponseWriter, r *http.Request, app, dyno string, o server.OpenRequest) error {
	if !s.terminals.enter() {
		return stoppingNow()
	}
	defer s.terminals.leave()
	if err := upgradable(r); err != nil {
		return errors.Join(s.mayKnow(r, app), err)
	}
	t := newTerminal(s, r.URL.Query())
	defer t.settle()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	opened := make(chan ending, 1)
	go func() {
		var e ending
		defer func() {
			if p := recover(); p != nil {
				e.err = fmt.Errorf("panic in a session: %v\n%s", p, debug.Stack())
			}
			opened <- e
		}()
		e.end, e.err = s.svc.Open(ctx, actor(r), app, dyno, o, t.streams())
	}()
	select {
	case e := <-opened:
		if e.err == nil && e.end.Err != nil {
			return server.Errorf(server.ErrConflict, "%s.", sentence(e.end.Err))
		}
		if e.err != nil {
			return e.err
		}
		opened <- e // it ended without a byte
	case <-t.used:
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OnPongReceived: func(context.Context, []byte) { t.link.Heard() }})
	if err != nil { // and it has answered
		cancel()
		t.settle()
		<-opened
		return nil
	}
	t.serve(r, conn, opened, cancel)
	return nil
}

// mayKnow asks whether the actor may see an app at all: who may not is told so
// whatever else is wrong.
func (s *Server) mayKnow(r *http.Request, app string) error {
	_, err := s.svc.App(r.Context(), actor(r), app)
	return err
}

func stoppingNow() error {
	return &server.Error{ID: server.ErrUnavailable, Message: "The server is stopping. Nothing was started.", Next: "Try again in a moment."}
}

// upgradable says whether a request asks for a WebSocket as it should.
func upgradable(r *http.Request) error {
	has := func(header, token string) bool {
		for part := range strings.SplitSeq(strings.Join(r.Header.Values(header), ","), ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-Websocket-Key")))
	if r.ProtoMajor != 1 || !has("Connection", "upgrade") || !has("Upgrade", "websocket") ||
		r.Header.Get("Sec-Websocket-Version") != "13" || err != nil || len(key) != 16 {
		return server.Errorf(errBadRequest, "This is a WebSocket: connect with HTTP/1.1, Upgrade: websocket, version 13. Nothing was started.")
	}
	if o := r.Header.Get("Origin"); o != "" {
		if u, err := url.Parse(o); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return server.Errorf(server.ErrForbidden, "Cross-origin requests of browsers are refused. Nothing was changed.")
		}
	}
	return nil
}

// guests counts sessions, which http.Server does not know of any more once
// they are WebSockets.
type guests struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func (g *guests) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.wg.Add(1)
	}
	return !g.closed
}

func (g *guests) leave() { g.wg.Done() }

// wait lets nobody in any more and waits for the last one.
func (g *guests) wait() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wg.Wait()
}

// sentence is an error as the beginning of a text for people.
func sentence(err error) string {
	text := strings.TrimRight(api.Printable(err.Error(), false), ".")
	if text == "" {
		return "The session ended"
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
