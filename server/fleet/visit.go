package fleet

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"paas/scheduler/agent"
)

const maxOffer = 1 << 20 // bytes of the announcement of a session

// Sessions is agent.Control.
func (c *Client) Sessions(ctx context.Context, _ string) <-chan agent.Session {
	out := make(chan agent.Session)
	var opening sync.WaitGroup
	go func() {
		defer close(out)
		defer opening.Wait()
		c.follow(ctx, "/v1/sessions", maxOffer, func(b []byte) error {
			var o offered
			if err := json.Unmarshal(b, &o); err != nil {
				return fmt.Errorf("read the announcement of a session: %w", err)
			}
			opening.Go(func() { c.visit(ctx, o, out) })
			return nil
		})
	}()
	return out
}

// visit opens the stream of a session and hands it to the agent.
func (c *Client) visit(ctx context.Context, o offered, out chan<- agent.Session) {
	v, err := c.dial(ctx, o)
	if err != nil {
		c.log.Warn("cannot take up a session", "instance", o.Instance, "err", err)
		return // who wants it is told so after a while
	}
	select {
	case out <- v.session(o):
	case <-v.gone:
		v.end(agent.SessionEnd{Err: errCut})
	case <-ctx.Done():
		v.end(agent.SessionEnd{Err: errors.New("the agent of the dyno's host is stopping")})
	}
}

// dial opens a connection for one session: a client that takes no output holds
// up its own and no other.
func (c *Client) dial(ctx context.Context, o offered) (*visit, error) {
	t := newTransport(c.tls)
	body, w := io.Pipe()
	life, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the agent's last words still go through
	v := newVisit(w)
	r, err := http.NewRequestWithContext(life, http.MethodPost, c.connections().url("/v1/sessions/"+url.PathEscape(o.ID)), body)
	if err != nil {
		cancel()
		return nil, err
	}
	late := time.AfterFunc(sessionWait, cancel)
	answer, err := t.RoundTrip(r)
	if err == nil && answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxJoin)) // the status says enough
		err = errors.Join(refusal(answer.StatusCode, text), answer.Body.Close())
	}
	if !late.Stop() || err != nil {
		cancel()
		_ = w.Close() // nobody reads
		t.CloseIdleConnections()
		return nil, errors.Join(err, life.Err())
	}
	c.guests.Go(func() {
		defer t.CloseIdleConnections()
		defer cancel()
		v.carry(answer.Body, cancel)
	})
	return v, nil
}

// visit is the host's end of a session.
type visit struct {
	w      *io.PipeWriter
	frames chan []byte
	wake   chan struct{} // there is credit to give, or the input is closed
	ended  chan agent.SessionEnd
	once   sync.Once
	gone   chan struct{}
	left   sync.Once
	sizes  chan agent.WindowSize
	in     *input
}

func newVisit(w *io.PipeWriter) *visit {
	v := &visit{w: w, frames: make(chan []byte, 4), wake: make(chan struct{}, 1), ended: make(chan agent.SessionEnd, 1),
		gone: make(chan struct{}), sizes: make(chan agent.WindowSize, 1)}
	v.in = &input{v: v, more: make(chan struct{}, 1)}
	return v
}

func (v *visit) session(o offered) agent.Session {
	s := agent.Session{Instance: o.Instance, Kind: o.Kind, Command: plainStrings(o.Command), Env: plainMap(o.Env), TTY: o.TTY, Port: o.Port,
		Ended: v.end, Gone: v.gone, IO: agent.IO{Out: outlet{v, frameOut}, Err: outlet{v, frameErr}, Resize: v.sizes}}
	if o.Input {
		s.IO.In = v.in
	}
	return s
}

// end says once how it ended. It does not wait until that has arrived.
func (v *visit) end(e agent.SessionEnd) { v.once.Do(func() { v.ended <- e }) }

func (v *visit) leave() { v.left.Do(func() { close(v.gone) }) }

// lastWord is how long the end of a session may take to arrive when its client
// takes nothing any more.
const lastWord = 10 * time.Second

// carry is with a session until its end was told, or nobody is there to tell.
func (v *visit) carry(body io.ReadCloser, cancel context.CancelFunc) {
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		v.read(body)
	}()
	err := v.write()
	_ = v.w.CloseWithError(err) // of a pipe: never fails
	if err == nil {
		defer time.AfterFunc(lastWord, cancel).Stop() // else the answer ends when the control plane has heard it
	} else {
		cancel()
	}
	<-reading
	_ = body.Close() // all was read that matters
	v.leave()
	v.in.end(io.ErrUnexpectedEOF)
}

// write sends output, credit and the end, in this order where it matters.
func (v *visit) write() error {
	for {
		select {
		case f := <-v.frames:
			if err := writeFrame(v.w, f); err != nil {
				return err
			}
		case <-v.wake:
			if err := v.tell(); err != nil {
				return err
			}
		case e := <-v.ended:
			return v.close(e)
		}
	}
}

func (v *visit) tell() error {
	n, closed := v.in.taken()
	if n > 0 {
		if err := writeFrame(v.w, binary.BigEndian.AppendUint32([]byte{frameRoom}, uint32(n))); err != nil {
			return err
		}
	}
	if closed {
		return writeFrame(v.w, []byte{frameClosed})
	}
	return nil
}

// close sends what was written before the end, and the end.
func (v *visit) close(e agent.SessionEnd) error {
	for more := true; more; {
		select {
		case f := <-v.frames:
			if err := writeFrame(v.w, f); err != nil {
				return err
			}
		default:
			more = false
		}
	}
	end := sessionEnd{ExitCode: e.ExitCode}
	if e.Err != nil {
		end.Err = e.Err.Error()
	}
	text, err := json.Marshal(end)
	if err != nil {
		return err
	}
	return writeFrame(v.w, append([]byte{frameEnd}, text...))
}

// read takes what comes from the client. It never waits for the process.
func (v *visit) read(body io.Reader) {
	defer func() {
		v.leave()
		v.in.end(io.ErrUnexpectedEOF)
		_ = v.w.CloseWithError(errCut) // of a pipe: never fails
	}()
	for {
		f, err := readFrame(body, 2*frameData)
		if err != nil || len(f) == 0 {
			return
		}
		switch b := f[1:]; f[0] {
		case frameIn:
			if !v.in.put(b) {
				return // more than it was allowed
			}
		case frameEOF:
			v.in.end(io.EOF)
		case frameBroken:
			v.in.end(io.ErrUnexpectedEOF)
		case frameSize:
			if len(b) == 4 {
				v.resize(agent.WindowSize{Rows: binary.BigEndian.Uint16(b), Cols: binary.BigEndian.Uint16(b[2:])})
			}
		case frameGone:
			v.leave()
		}
	}
}

// resize keeps the newest size; the one before is of no use any more.
func (v *visit) resize(s agent.WindowSize) {
	select {
	case <-v.sizes:
	default:
	}
	v.sizes <- s // has room: nobody else puts anything in
}

// outlet is one of a session's outputs.
type outlet struct {
	v    *visit
	kind byte
}

func (o outlet) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		piece := p[n:min(len(p), n+frameData)]
		if isClosed(o.v.gone) {
			return n, io.ErrClosedPipe
		}
		select {
		case o.v.frames <- append([]byte{o.kind}, piece...):
			n += len(piece)
		case <-o.v.gone:
			return n, io.ErrClosedPipe
		}
	}
	return len(p), nil
}
