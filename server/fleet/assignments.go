package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// sequence numbers sets, over all hosts, and lets each host have one stream:
// an older one, which may be dead, ends.
type sequence struct {
	mu      sync.Mutex
	last    int64
	streams map[string]context.CancelFunc
}

// next begins with the time, so that numbers also grow over a restart within
// one epoch.
func (q *sequence) next() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last = max(q.last+1, time.Now().UnixMicro())
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
func (s *Server) assignments(w http.ResponseWriter, r *http.Request, host string) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s.seq.replace(host, cancel)
	out := newStream(w)
	if out.flush() != nil {
		return
	}
	sets := s.control.Watch(ctx, host)
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	st := &setStream{Server: s, host: host, out: out}
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
			if _, err = s.identify(r); err == nil { // it may have been removed meanwhile
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
	*Server
	host   string
	out    *stream
	newest []agent.Assignment
	have   bool
	sent   []byte // the assignments that were sent last, and their epoch
	epoch  int64
}

// send sends the newest set unless the host has it. While this process does
// not lead it says nothing: what it has read may be old.
func (s *setStream) send(ctx context.Context) error {
	epoch := s.cfg.Epoch()
	if !s.have || epoch == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	list := wrap(s.newest)
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	s.known.note(s.host, s.newest, time.Now())
	if epoch == s.epoch && bytes.Equal(text, s.sent) {
		return nil
	}
	s.sent, s.epoch = text, epoch
	sealed, err := seal(s.auth.sign, set{Epoch: epoch, Seq: s.seq.next(), Host: s.host, Assignments: list})
	if err != nil {
		return err
	}
	if len(sealed) > s.cfg.MaxSet { // the host would break off, and come again for the same
		s.log.Error("ALARM: what a host is to run is more than it is told at once; it goes on with what it has until there is less: smaller config files, or fewer dynos of apps that have large ones",
			"host", s.host, "bytes", len(sealed), "limit", s.cfg.MaxSet, "dynos", len(list))
		return nil
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

func (s *stream) frame(b []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(quietLimit)); err != nil {
		return err
	}
	if err := writeFrame(s.w, b); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.control.SetWriteDeadline(time.Time{}) // it would end also a stream that is quiet
}
