package httpd

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"
)

// heartbeat is how often an event stream says that it lives.
const heartbeat = 15 * time.Second

// stream writes to a client as it happens: plain text as it comes, or, when
// the client asked for text/event-stream, one event a line. Each write has
// the client's usual time.
type stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	sse  bool
	stop chan struct{}
	wait sync.WaitGroup

	mu   sync.Mutex
	rest []byte // of an event's line whose end has not come
	err  error
}

func startStream(w http.ResponseWriter, r *http.Request) *stream {
	s := &stream{w: w, rc: http.NewResponseController(w), stop: make(chan struct{})}
	s.sse = strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	kind := "text/plain; charset=utf-8"
	if s.sse {
		kind = "text/event-stream; charset=utf-8"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for a proxy in between
	s.deadline()
	w.WriteHeader(http.StatusOK)
	_ = s.rc.Flush() // a dead client shows at the first write
	if s.sse {
		s.wait.Add(1)
		go s.beat()
	}
	return s
}

func (s *stream) beat() {
	defer s.wait.Done()
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.mu.Lock()
			s.send([]byte(":\n\n"))
			s.mu.Unlock()
		}
	}
}

// Write sends p; after a failure it fails always.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sse {
		s.send(s.events(p))
	} else {
		s.send(p)
	}
	if s.err != nil {
		return 0, s.err
	}
	return len(p), nil
}

// events turns whole lines into events and keeps the rest.
func (s *stream) events(p []byte) []byte {
	const longest = 64 << 10 // of a line; what is longer is broken
	s.rest = append(s.rest, p...)
	var out []byte
	for {
		i := bytes.IndexByte(s.rest, '\n')
		if i < 0 && len(s.rest) < longest {
			return out
		}
		line, skip := s.rest, len(s.rest)
		if i >= 0 {
			line, skip = s.rest[:i], i+1
		}
		out = append(out, event(line)...)
		s.rest = s.rest[skip:]
	}
}

func event(line []byte) []byte {
	line = bytes.ReplaceAll(line, []byte("\r"), nil) // would end the line of an event
	return append(append([]byte("data: "), line...), "\n\n"...)
}

func (s *stream) send(p []byte) {
	if s.err != nil || len(p) == 0 {
		return
	}
	s.deadline()
	if _, s.err = s.w.Write(p); s.err == nil {
		s.err = s.rc.Flush()
	}
}

func (s *stream) deadline() {
	// Not supported by recorders in tests, and then without effect.
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
}

// close ends the heartbeat and sends what is left of the last line.
func (s *stream) close() error {
	close(s.stop)
	s.wait.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) > 0 {
		s.send(event(s.rest))
	}
	return s.err
}

// endStream ends a stream. When it broke the connection is cut: the status
// was sent long ago, and a clean end would look complete.
func (s *Server) endStream(r *http.Request, out *stream, err error) error {
	sent := out.close()
	if err == nil && sent == nil {
		return nil
	}
	if err != nil && sent == nil && r.Context().Err() == nil {
		s.log.Error("stream broke", "request", requestID(r), "path", routeOf(r), "err", err)
	}
	panic(http.ErrAbortHandler)
}
