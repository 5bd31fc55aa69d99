package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"paas/server"
)

const (
	batchLines = 200
	batchBytes = 64 << 10
)

// deployStream sends what a deploy says as it says it. The id of an event is
// how many bytes are behind it, so that a browser which connects anew goes on
// there.
func (s *Server) deployStream(v *visit) error {
	d, err := s.svc.Deploy(v.ctx(), v.actor(), v.app().ID, v.param("deploy"))
	if err != nil {
		return err
	}
	if d.State.Final() { // all of it comes at once, however slowly it is taken
		leave, err := s.texts.admit(v.actor().ID)
		if err != nil {
			return err
		}
		defer leave()
	}
	e, err := v.events()
	if err != nil {
		return nil // the browser has gone
	}
	w := &outputEvents{e: e, skip: streamFrom(v.r)}
	stop := w.keepAlive(v.ctx())
	d, err = s.svc.Follow(v.ctx(), v.actor(), d.AppID, d.ID, w)
	stop()
	if v.ctx().Err() != nil {
		return nil // the browser has gone, or connects to the next server
	}
	if err != nil && !d.State.Final() {
		s.log.Info("a deploy's output is not followed any more", "app", v.app().Name, "deploy", d.ID, "err", err)
	}
	w.finish(d)
	return nil
}

// streamFrom is how many bytes of the output the browser has.
func streamFrom(r *http.Request) int {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("from")
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// outputEvents is a Writer that sends whole lines as events.
type outputEvents struct {
	mu     sync.Mutex // events come from Follow and from keepAlive
	e      *events
	skip   int    // bytes that the browser has
	offset int    // bytes written so far, or before rest
	rest   []byte // of a line whose end has not come
	batch  []outLine
	size   int // bytes of the batch
	err    error
}

// Write fails when the browser has gone.
func (w *outputEvents) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	if had := min(w.skip-w.offset, len(p)); had > 0 && len(w.rest) == 0 {
		w.offset += had
		p = p[had:]
	}
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		switch {
		case i >= 0:
			w.line(w.rest[:i+1])
		case len(w.rest) > batchBytes: // of a line; what is longer is broken
			w.line(w.rest[:batchBytes])
		default:
			w.send()
			w.rest = bytes.Clone(w.rest)
			return n, w.err
		}
	}
}

func (w *outputEvents) line(raw []byte) {
	w.batch = append(w.batch, readLine(raw))
	w.size += min(len(raw), shownLine)
	w.offset += len(raw)
	w.rest = w.rest[len(raw):]
	if len(w.batch) >= batchLines || w.size >= batchBytes {
		w.send()
	}
}

func (w *outputEvents) send() {
	if len(w.batch) == 0 || w.err != nil {
		w.batch = nil
		return
	}
	data, err := json.Marshal(w.batch)
	if err == nil {
		err = w.e.send("lines", strconv.Itoa(w.offset), string(data))
	}
	w.err, w.batch, w.size = err, nil, 0
}

// finish sends the last line and that no other comes.
func (w *outputEvents) finish(d server.Deploy) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.line(w.rest)
	}
	w.send()
	if w.err == nil {
		_ = w.e.send("end", "", string(d.State))
	}
}

// keepAlive says now and then that the stream lives, until the function is
// called.
func (w *outputEvents) keepAlive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		ping := time.NewTicker(livePing)
		defer ping.Stop()
		for {
			select {
			case <-ping.C:
			case <-ctx.Done():
				return
			}
			w.mu.Lock()
			if w.err == nil {
				w.err = w.e.send("ping", "", "")
			}
			w.mu.Unlock()
		}
	})
	return func() { cancel(); wg.Wait() }
}
