package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// sequence numbers the sets of a term, over all hosts, and lets each host have
// one stream: an older one, which may be dead, ends. No clock has a part in it:
// each term has an epoch of its own.
type sequence struct {
	mu      sync.Mutex
	last    int64
	streams map[string]context.CancelFunc
}

func (q *sequence) next() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	return q.last
}

func (q *sequence) replace(host string, cancel context.CancelFunc) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.streams == nil {
		q.streams = map[string]context.CancelFunc{}
	}
	if old := q.streams[host]; old != nil {
		old()
	}
	q.streams[host] = cancel
}

// assignments streams what a host is to run: all of it at once and after each
// change, and a sign of life in between.
func (t *term) assignments(w http.ResponseWriter, r *http.Request, host string) {
	ctx, cancel := t.whileLeading(r)
	defer cancel()
	t.seq.replace(host, cancel)
	out := newStream(w)
	if out.flush() != nil {
		return
	}
	sets := t.control.Watch(ctx, host)
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	st := &setStream{term: t, host: host, out: out}
	for {
		var err error
		select {
		case list, ok := <-sets:
			if !ok {
				return
			}
			st.newest, st.have = list, true
			err = st.send(ctx)
		case <-alive.C:
			if _, err = t.identify(r); err == nil { // it may have been removed meanwhile
				err = st.send(ctx)
			}
			if err == nil {
				err = out.frame(nil)
			}
		}
		if err != nil {
			return // the host comes again
		}
	}
}

// setStream is one host's stream of sets.
type setStream struct {
	*term
	host   string
	out    *stream
	newest []agent.Assignment
	have   bool
	sent   []byte // the assignments that were sent last
}

var errOver = errors.New("this process leads no more")

// send sends the newest set unless the host has it. It was read in this term,
// which still holds: what a former leader has read may be old.
func (s *setStream) send(ctx context.Context) error {
	if !s.have || ctx.Err() != nil {
		return ctx.Err()
	}
	list := wrap(s.newest)
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	s.known.note(s.host, s.newest, time.Now())
	if bytes.Equal(text, s.sent) {
		return nil
	}
	s.sent = text
	sealed, err := seal(s.auth.sign, set{Epoch: s.epoch, Seq: s.seq.next(), Host: s.host, Assignments: list})
	if err != nil {
		return err
	}
	if len(sealed) > s.cfg.MaxSet { // the host would break off, and come again for the same
		s.log.Error("ALARM: what a host is to run is more than it is told at once; it goes on with what it has until there is less: smaller config files, or fewer dynos of apps that have large ones",
			"host", s.host, "bytes", len(sealed), "limit", s.cfg.MaxSet, "dynos", len(list))
		return nil
	}
	if s.leading() != s.term {
		return errOver
	}
	return s.out.frame(sealed)
}

// stream writes frames that leave at once, each within a bounded time.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/octet-stream")
	return &stream{w: w, control: http.NewResponseController(w)}
}

func (s *stream) flush() error { return s.control.Flush() }

func (s *stream) frame(b []byte) error { return s.raw(append(frameHead(nil, len(b)), b...)) }

// raw writes whole frames.
func (s *stream) raw(frames []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(quietLimit)); err != nil {
		return err
	}
	if _, err := s.w.Write(frames); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.control.SetWriteDeadline(time.Time{}) // it would end also a stream that is quiet
}
