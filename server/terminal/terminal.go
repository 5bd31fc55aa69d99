package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
)

// terminal is one session at the server's end. Its streams exist before its
// connection does: the first use of them is what makes that.
type terminal struct {
	cfg    Config
	link   *api.Link
	used   chan struct{} // closed at the first use of a stream
	use    func()
	ready  chan struct{} // closed when it is known whether there is a conn
	settle func()
	conn   *websocket.Conn
	resize chan agent.WindowSize
}

func newTerminal(cfg Config, q url.Values) *terminal {
	t := &terminal{cfg: cfg, used: make(chan struct{}), ready: make(chan struct{}), resize: make(chan agent.WindowSize, 1)}
	t.use = sync.OnceFunc(func() { close(t.used) })
	t.settle = sync.OnceFunc(func() { close(t.ready) })
	t.link = api.NewLink(t, t.control)
	// With the size in the request, the first thing a program draws fits.
	rows, bad1 := strconv.ParseUint(q.Get("rows"), 10, 16)
	cols, bad2 := strconv.ParseUint(q.Get("cols"), 10, 16)
	if bad1 == nil && bad2 == nil && rows > 0 && cols > 0 {
		t.resize <- agent.WindowSize{Rows: uint16(rows), Cols: uint16(cols)}
	}
	return t
}

// streams are what the use case gets.
func (t *terminal) streams() agent.IO {
	return agent.IO{In: terminalInput{t}, Out: terminalOutput{t, t.link.Writer(api.ChannelStdout)},
		Err: terminalOutput{t, t.link.Writer(api.ChannelStderr)}, Resize: t.resize}
}

type terminalInput struct{ t *terminal }

func (i terminalInput) Read(p []byte) (int, error) {
	i.t.use()
	return i.t.link.Read(p)
}

// Close ends a Read that waits; nobody wants more of the input.
func (i terminalInput) Close() error {
	i.t.link.CloseInput()
	return nil
}

type terminalOutput struct {
	t *terminal
	w io.Writer
}

func (o terminalOutput) Write(p []byte) (int, error) {
	o.t.use()
	return o.w.Write(p)
}

// Send is api.Messages.
func (t *terminal) Send(message []byte) error {
	<-t.ready
	if t.conn == nil {
		return errClientGone
	}
	ctx, done := context.WithTimeout(context.Background(), writeLimit)
	defer done()
	return t.conn.Write(ctx, websocket.MessageBinary, message)
}

// Receive is api.Messages. It ends with the connection.
func (t *terminal) Receive() ([]byte, error) {
	kind, b, err := t.conn.Read(context.Background())
	if err == nil && kind != websocket.MessageBinary {
		err = errors.New("a text message; all are binary")
	}
	return b, err
}

// control takes what the client sends besides its stream.
func (t *terminal) control(f api.Frame) error {
	if f.Channel != api.ChannelResize {
		return fmt.Errorf("a client sends nothing on channel %d", f.Channel)
	}
	size := agent.WindowSize(f.Size)
	for {
		select {
		case t.resize <- size:
			return nil
		default:
		}
		select {
		case <-t.resize: // only the newest counts
		default:
		}
	}
}

var errClientGone = errors.New("the client has gone")

// serve carries the session to its end, and tells the client how that was.
func (t *terminal) serve(r *http.Request, conn *websocket.Conn, opened chan ending, cancel context.CancelFunc) {
	t.conn = conn
	conn.SetReadLimit(api.MaxTerminalMessage)
	t.settle()
	var helpers sync.WaitGroup
	defer helpers.Wait()
	gone := make(chan struct{})
	helpers.Go(func() { // ends with the connection
		defer close(gone)
		_ = t.link.Serve()
	})
	helpers.Go(func() { t.watch(gone) })
	exit, over := api.TerminalExit{}, true
	select {
	case e := <-opened:
		exit = t.exit(r, e)
	case <-gone:
		over = false
	case <-t.cfg.Stopping:
		exit, over = api.TerminalExit{Code: 1, Text: stopText}, false
	}
	cancel()
	t.link.Close(errClientGone) // who still writes has nobody to write to
	if t.link.Send(api.Frame{Channel: api.ChannelExit, Exit: exit}) == nil {
		_ = conn.Close(websocket.StatusNormalClosure, "") // it waits for the client's; one that does not answer is cut
	}
	_ = conn.CloseNow()
	if !over {
		if e := <-opened; e.err != nil && !told(e.err) && !errors.Is(e.err, context.Canceled) {
			t.cfg.Failed(r, e.err)
		}
	}
}

const stopText = "The server is stopping, and the session was ended with it."

func (t *terminal) stopped() bool {
	select {
	case <-t.cfg.Stopping:
		return true
	default:
		return false
	}
}

// exit is what the client is told. What was not made for people is logged here.
func (t *terminal) exit(r *http.Request, e ending) api.TerminalExit {
	out := api.TerminalExit{Code: int32(e.end.ExitCode)}
	var known *server.Error
	switch {
	case e.err == nil && e.end.Err == nil:
		return out
	case e.err == nil:
		out.Text = sentence(e.end.Err) + "."
	case errors.As(e.err, &known):
		out.Text = known.Error()
	case t.stopped():
		out.Text = stopText
	default:
		out.Text = t.cfg.Failed(r, e.err)
	}
	if out.Code == 0 {
		out.Code = 1
	}
	return out
}

func told(err error) bool {
	var known *server.Error
	return errors.As(err, &known)
}

// watch asks a silent client whether it lives, and cuts off one that does not
// say so. Everything that arrives is a sign of life: on a slow line a pong
// would wait behind what was sent before the ping. The library cuts the
// connection at the end of a write's context, also of one that was only held up:
// so a ping has its limit (5 s to leave) and no shorter one.
func (t *terminal) watch(gone <-chan struct{}) {
	ping, limit := t.cfg.Ping, t.cfg.Gone
	tick := time.NewTicker(ping)
	defer tick.Stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	asked := make(chan struct{}, 1) // full while a ping waits for its answer
	for {
		select {
		case <-gone:
			return
		case <-tick.C:
		}
		switch silence := t.link.Silence(); {
		case silence > limit:
			_ = t.conn.CloseNow() // then Serve ends
		case silence >= ping*9/10:
			select {
			case asked <- struct{}{}:
				asking.Go(func() { // ends with the answer or the connection
					_ = t.conn.Ping(context.Background())
					<-asked
				})
			default:
			}
		}
	}
}
