// Package terminal serves sessions with instances on WebSockets, for the API
// and the dashboard alike: package api says what the messages are.
package terminal

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
)

const (
	defaultPing = 15 * time.Second
	defaultGone = 40 * time.Second
	writeLimit  = 30 * time.Second // for one message of at most 32 KB to leave
)

// Config is what a host needs to know.
type Config struct {
	// Ping is the silence after which a client is asked whether it lives (0: 15
	// s), Gone the one after which it is taken to be gone (0: 40 s).
	Ping, Gone time.Duration
	// AtOnce is for browsers, which show no page what was answered to a
	// handshake: what goes wrong is told on the WebSocket then, as its end.
	AtOnce   bool
	Stopping <-chan struct{} // closed when the server stops: sessions end with it
	// Failed notes an error that was not made for people and gives what they
	// are told in its place.
	Failed func(r *http.Request, err error) string
}

// Host serves the sessions of one server, and knows how many there are:
// http.Server does not any more once they are WebSockets.
type Host struct {
	cfg    Config
	mu     sync.Mutex
	closed bool
	guests sync.WaitGroup
}

// NewHost makes one; Wait ends it.
func NewHost(cfg Config) *Host {
	if cfg.Ping == 0 {
		cfg.Ping = defaultPing
	}
	if cfg.Gone == 0 {
		cfg.Gone = defaultGone
	}
	return &Host{cfg: cfg}
}

func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.guests.Add(1)
	}
	return !h.closed
}

// Wait lets nobody in any more and waits for the last session to end.
func (h *Host) Wait() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.guests.Wait()
}

// Use is the use case that a session is for. It blocks until the session has
// ended; ctx ends when the client has gone.
type Use func(ctx context.Context, streams agent.IO) (agent.SessionEnd, error)

// ending is what became of a use case that served a session.
type ending struct {
	end agent.SessionEnd
	err error
}

// Serve serves a session. Without AtOnce the connection becomes a WebSocket
// only when the other end is there and uses its streams: what goes wrong before
// that is an error like any other. The query may hold the size of the client's
// terminal (rows, cols).
func (h *Host) Serve(w http.ResponseWriter, r *http.Request, use Use) error {
	if !h.enter() {
		return &server.Error{ID: server.ErrUnavailable, Message: "The server is stopping. Nothing was started.", Next: "Try again in a moment."}
	}
	defer h.guests.Done()
	t := newTerminal(h.cfg, r.URL.Query())
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
		e.end, e.err = use(ctx, t.streams())
	}()
	if err := h.began(t, opened); err != nil {
		return err
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

// began waits until the session is used, and gives the error it ended with
// before that.
func (h *Host) began(t *terminal, opened chan ending) error {
	if h.cfg.AtOnce {
		return nil
	}
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
	return nil
}

// ErrHandshake is the id of an error about a request that is no WebSocket; 400.
const ErrHandshake server.ErrID = "bad_request"

// Check says whether a request asks for a WebSocket as it should, and that no
// page of another site makes it.
func Check(r *http.Request) error {
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
		return server.Errorf(ErrHandshake, "This is a WebSocket: connect with HTTP/1.1, Upgrade: websocket, version 13. Nothing was started.")
	}
	if o := r.Header.Get("Origin"); o != "" {
		if u, err := url.Parse(o); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return server.Errorf(server.ErrForbidden, "Cross-origin requests of browsers are refused. Nothing was changed.")
		}
	}
	return nil
}

// sentence is an error as the beginning of a text for people.
func sentence(err error) string {
	text := strings.TrimRight(api.Printable(err.Error(), false), ".")
	if text == "" {
		return "The session ended"
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
