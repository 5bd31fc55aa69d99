package web

import (
	"fmt"
	"net/http"
	"time"

	"paas/server"
)

const (
	// liveEvery bounds how often a page is told to look again.
	liveEvery = 250 * time.Millisecond
	// livePing keeps what stands between from taking a quiet stream for dead.
	livePing   = 20 * time.Second
	writeLimit = 30 * time.Second // for one write to a browser that reads slowly
)

// events is a stream of server-sent events.
type events struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// events begins the stream; what is written from then on is events only.
func (v *visit) events() (*events, error) {
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	e := &events{w: v.w, rc: http.NewResponseController(v.w)}
	v.w.WriteHeader(http.StatusOK)
	return e, e.send("hello", "", "")
}

// send writes one event. Data must not hold line breaks: JSON does not.
func (e *events) send(name, id, data string) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(writeLimit))
	if id != "" {
		id = "id: " + id + "\n"
	}
	if _, err := fmt.Fprintf(e.w, "%sevent: %s\ndata: %s\n\n", id, name, data); err != nil {
		return err
	}
	return e.rc.Flush()
}

// drain takes what waits: to look once is enough for all of it.
func drain(wake <-chan string) {
	for {
		select {
		case _, open := <-wake:
			if !open {
				return
			}
		default:
			return
		}
	}
}

// liveApp tells a page of an app each time that something of it changed; the
// page then asks for itself anew (static/js/live.js).
func (s *Server) liveApp(v *visit) error { return s.liveOf(v, v.app().ID) }

// liveAll does so for whatever changes.
func (s *Server) liveAll(v *visit) error { return s.liveOf(v, "") }

func (s *Server) liveOf(v *visit, app string) error {
	ctx := v.ctx()
	if app != "" {
		allowed, stop := s.svc.WhileAllowed(ctx, v.actor(), app, server.PermView)
		defer stop()
		ctx = allowed
	}
	wake, stop, err := s.svc.Watch(ctx, v.actor(), app)
	if err != nil {
		return err
	}
	defer stop()
	e, err := v.events()
	if err != nil {
		return nil // the browser has gone
	}
	ping := time.NewTicker(livePing)
	defer ping.Stop()
	for {
		name := "changed"
		select {
		case _, open := <-wake:
			if !open { // signed out: the page sees it by asking once more
				_ = e.send("end", "", "")
				return nil
			}
			drain(wake)
		case <-ping.C:
			name = "ping"
		case <-ctx.Done():
			_ = e.send("end", "", "")
			return nil
		}
		if err := e.send(name, "", ""); err != nil {
			return nil
		}
		select {
		case <-time.After(liveEvery):
		case <-ctx.Done():
		}
	}
}
