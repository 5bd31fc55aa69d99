package fleet

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"paas/scheduler/agent"
	"paas/server"
)

// offered is a session as the control plane announces it to a host.
type offered struct {
	ID       string            `json:"id"`
	Instance string            `json:"instance"`
	Kind     agent.SessionKind `json:"kind"`
	Command  [][]byte          `json:"command"`
	Env      map[string][]byte `json:"env"`
	TTY      bool              `json:"tty"`
	Port     int               `json:"port"`
	Input    bool              `json:"input"` // there is one
}

// sessionEnd is an agent.SessionEnd.
type sessionEnd struct {
	ExitCode int    `json:"exit_code"`
	Err      string `json:"err,omitempty"`
}

// A session is two streams of frames, each with its kind as the first byte. So
// that a process that does not read keeps neither a new window size nor the
// news that the client has gone from getting through, input goes by credit:
// never more of it is under way than the host has room for.
const (
	frameOut    = 'o' // host: output
	frameErr    = 'e' // host: output to standard error
	frameRoom   = 'k' // host: so many bytes of input were taken, in 4 bytes
	frameClosed = 'c' // host: no more input is wanted
	frameEnd    = 'x' // host: how it ended
	frameIn     = 'i' // control plane: input
	frameEOF    = 'f' // control plane: its end
	frameBroken = 'b' // control plane: it broke off
	frameSize   = 'r' // control plane: window size, rows and columns in 2 bytes each
	frameGone   = 'g' // control plane: the client has gone

	frameData   = 32 << 10  // bytes of output or input in one frame
	inputRoom   = 256 << 10 // bytes of input under way
	sessionWait = 10 * time.Second
)

var errCut = errors.New("the connection to the dyno's host broke off")

// sessions are those that were announced and not taken up yet.
type sessions struct {
	mu      sync.Mutex
	waiting map[string]*pending
}

type pending struct {
	agent.Session
	host  string
	taken chan struct{}
}

func newSessions() *sessions { return &sessions{waiting: map[string]*pending{}} }

func (s *sessions) put(id string, p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[id] = p
}

// take gives a session to the host that it is for, once.
func (s *sessions) take(id, host string) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.waiting[id]
	if p == nil || p.host != host {
		return nil
	}
	delete(s.waiting, id)
	close(p.taken)
	return p
}

// offer streams to a host the sessions that people want there.
func (s *term) offer(w http.ResponseWriter, r *http.Request, host string) {
	ctx, cancel := s.whileLeading(r)
	defer cancel()
	s.seq.replace("sessions "+host, cancel)
	out := newStream(w)
	if out.flush() != nil {
		return
	}
	var waits sync.WaitGroup
	defer waits.Wait()
	list := s.control.Sessions(ctx, host)
	defer refuse(list) // until the channel closes, which cancel leads to
	defer cancel()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		var err error
		select {
		case se, ok := <-list:
			if !ok {
				return
			}
			err = s.present(ctx, out, host, se, &waits)
		case <-alive.C:
			if _, err = s.identify(r); err == nil {
				err = out.frame(nil)
			}
		}
		if err != nil {
			return
		}
	}
}

// refuse sends away those who come to a host whose stream has ended.
func refuse(list <-chan agent.Session) {
	for se := range list {
		se.Ended(agent.SessionEnd{Err: errCut})
	}
}

// present announces one session and sees to it that it is not left waiting.
func (s *term) present(ctx context.Context, out *stream, host string, se agent.Session, waits *sync.WaitGroup) error {
	id := uuid.NewString()
	text, err := json.Marshal(offered{ID: id, Instance: se.Instance, Kind: se.Kind, Command: byteStrings(se.Command),
		Env: byteMap(se.Env), TTY: se.TTY, Port: se.Port, Input: se.IO.In != nil})
	if err != nil {
		se.Ended(agent.SessionEnd{Err: err})
		return nil
	}
	p := &pending{Session: se, host: host, taken: make(chan struct{})}
	s.sessions.put(id, p)
	waits.Go(func() {
		late := time.NewTimer(sessionWait)
		defer late.Stop()
		select {
		case <-p.taken:
			return
		case <-se.Gone:
		case <-late.C:
		case <-ctx.Done():
		}
		if s.sessions.take(id, host) != nil {
			se.Ended(agent.SessionEnd{Err: errors.New("the dyno's host did not take it up in time")})
		}
	})
	return out.frame(text)
}

func byteMap(m map[string]string) map[string][]byte {
	if m == nil {
		return nil
	}
	out := make(map[string][]byte, len(m))
	for k, v := range m {
		out[k] = []byte(v)
	}
	return out
}

// session carries one session, for as long as it takes: it needs no leader.
func (s *term) session(w http.ResponseWriter, r *http.Request, host string) {
	p := s.sessions.take(r.PathValue("id"), host)
	if p == nil {
		s.answer(w, r, nil, server.Errorf(server.ErrNotFound, "There is no such session any more."))
		return
	}
	l := newLink(p.Session, newStream(w))
	end := agent.SessionEnd{Err: errCut}
	if l.out.flush() == nil {
		removed := s.cutIfRemoved(w, r, host)
		end = l.serve(r.Body)
		if removed() {
			end = agent.SessionEnd{ExitCode: 1, Err: errors.New("the dyno's host was removed")}
		}
	}
	p.Ended(end)
}

// cutIfRemoved ends the reading of a session whose host is none any more: what
// people type there is nothing for that machine. The host is asked for by its id:
// a session may outlive the key that it began with. The function that is given
// ends the watch and says whether that has happened.
func (s *term) cutIfRemoved(w http.ResponseWriter, r *http.Request, host string) (removed func() bool) {
	watch, stop := context.WithCancel(r.Context())
	found := make(chan bool, 1)
	go func() {
		look := time.NewTicker(keepAlive)
		defer look.Stop()
		for {
			select {
			case <-watch.Done():
				found <- false
				return
			case <-look.C:
			}
			ctx, cancel := context.WithTimeout(watch, askLimit)
			err := s.hosts.HostExists(ctx, host)
			cancel()
			if server.IsID(err, server.ErrNotFound) {
				_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // every session is on HTTP/2, which can
				found <- true
				return
			}
		}
	}()
	return func() bool {
		stop()
		return <-found
	}
}

// link is the control plane's end of a session.
type link struct {
	se  agent.Session
	mu  sync.Mutex // of out
	out *stream

	room   chan int      // bytes that the host has room for, all in one
	closed chan struct{} // the host wants no more input
	over   chan struct{} // nothing more is to be sent
}

func newLink(se agent.Session, out *stream) *link {
	if se.IO.Out == nil {
		se.IO.Out = io.Discard
	}
	if se.IO.Err == nil {
		se.IO.Err = io.Discard
	}
	return &link{se: se, out: out, room: make(chan int, 1), closed: make(chan struct{}), over: make(chan struct{})}
}

// serve carries both ways and gives how the session ended. The input may be in
// a read that only its owner can end; it is told by Close if it can be.
func (l *link) serve(body io.Reader) agent.SessionEnd {
	l.room <- inputRoom
	var sending sync.WaitGroup
	sending.Go(l.watch)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		l.feed()
	}()
	end := l.receive(body)
	l.mu.Lock() // from now on nobody writes to a stream that may be gone
	close(l.over)
	l.mu.Unlock()
	sending.Wait()
	if c, ok := l.se.IO.In.(io.Closer); ok {
		_ = c.Close() // what it could say concerns bytes nobody wants any more
		<-fed
	}
	return end
}

func (l *link) send(kind byte, b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(l.over) {
		return io.ErrClosedPipe
	}
	return l.out.frame(append([]byte{kind}, b...))
}

// receive takes what the host sends until it says how it ended.
func (l *link) receive(body io.Reader) agent.SessionEnd {
	shut := sync.OnceFunc(func() { close(l.closed) })
	defer shut()
	for {
		f, err := readFrame(body, 2*frameData)
		if err != nil || len(f) == 0 {
			return agent.SessionEnd{ExitCode: 1, Err: errCut}
		}
		kind, b := f[0], f[1:]
		switch kind {
		case frameOut:
			_, _ = l.se.IO.Out.Write(b) // who does not take it goes, and Gone says so
		case frameErr:
			_, _ = l.se.IO.Err.Write(b) // as above
		case frameRoom:
			if len(b) == 4 {
				l.grant(int(binary.BigEndian.Uint32(b)))
			}
		case frameClosed:
			shut()
		case frameEnd:
			var e sessionEnd
			if err := json.Unmarshal(b, &e); err != nil {
				return agent.SessionEnd{ExitCode: 1, Err: errCut}
			}
			end := agent.SessionEnd{ExitCode: e.ExitCode}
			if e.Err != "" {
				end.Err = errors.New(e.Err)
			}
			return end
		}
	}
}

func (l *link) grant(n int) {
	select {
	case have := <-l.room:
		n += have
	default:
	}
	l.room <- min(n, inputRoom) // has room: nobody else puts anything in
}

// feed sends the input, as far as there is room for it.
func (l *link) feed() {
	if l.se.IO.In == nil {
		return
	}
	buf := make([]byte, frameData)
	have := 0
	for {
		for have == 0 {
			select {
			case have = <-l.room:
			case <-l.closed:
				return
			case <-l.over:
				return
			}
		}
		n, err := l.se.IO.In.Read(buf[:min(have, len(buf))])
		if n > 0 {
			have -= n
			if l.send(frameIn, buf[:n]) != nil {
				return
			}
		}
		switch {
		case err == io.EOF:
			_ = l.send(frameEOF, nil) // who does not hear it has gone
			return
		case err != nil:
			_ = l.send(frameBroken, nil) // as above
			return
		}
	}
}

// watch passes on window sizes and that the client has gone.
func (l *link) watch() {
	gone, sizes := l.se.Gone, l.se.IO.Resize
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				sizes = nil
				continue
			}
			b := binary.BigEndian.AppendUint16(nil, size.Rows)
			if l.send(frameSize, binary.BigEndian.AppendUint16(b, size.Cols)) != nil {
				return
			}
		case <-gone:
			gone = nil
			if l.send(frameGone, nil) != nil {
				return
			}
		case <-l.over:
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
