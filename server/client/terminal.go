package client

import (
	"bytes"
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

	"paas/server/api"
)

// Terminal are a person's streams in a session with an instance.
type Terminal struct {
	// In is sent until it ends, which closes the process's input and nothing
	// else. It is closed with the session when it can be; a read of one that
	// cannot (a terminal) is left waiting. Nil is an input that has ended.
	In       io.Reader
	Out, Err io.Writer             // Err may be nil where there is none
	Size     api.WindowSize        // at the beginning; zero without a terminal
	Resize   <-chan api.WindowSize // nil without a terminal
	Opened   func()                // called when the other end is there; may be nil
}

// Exec is a process in a running instance.
type Exec struct {
	Command string // a line, as in a Procfile
	Env     map[string]string
	TTY     bool
}

const terminalWrite = 30 * time.Second // for one message of at most 32 KB to leave

// StartRun starts a one-off.
func (c *Client) StartRun(ctx context.Context, app string, in api.CreateDyno) (d api.Dyno, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/apps/" + seg(app) + "/dynos", in: in, out: &d, wire: in.Attach})
	return d, err
}

// Runs lists one-offs, newest first; an empty type is all.
func (c *Client) Runs(ctx context.Context, app, kind string, n int) ([]api.Run, error) {
	path := "/apps/" + seg(app) + "/runs"
	if kind != "" {
		path += "?" + url.Values{"type": {kind}}.Encode()
	}
	return list[api.Run](ctx, c, path, newest("created_at", n), n)
}

// Run finds a one-off by id or name, also one that has ended.
func (c *Client) Run(ctx context.Context, app, ident string) (r api.Run, err error) {
	return r, c.get(ctx, "/apps/"+seg(app)+"/runs/"+seg(ident), &r)
}

// Attach connects with a one-off that was started with Attach, which begins
// then, and gives how it ended. When ctx ends, so does the run.
func (c *Client) Attach(ctx context.Context, app, dyno string, t Terminal) (api.TerminalExit, error) {
	return c.terminal(ctx, app, dyno, "attach", url.Values{}, t)
}

// Exec runs another process in an instance and gives how it ended. When ctx
// ends, so does the process.
func (c *Client) Exec(ctx context.Context, app, dyno string, e Exec, t Terminal) (api.TerminalExit, error) {
	q := url.Values{"command": {e.Command}, "tty": {strconv.FormatBool(e.TTY)}}
	for k, v := range e.Env {
		q.Add("env", k+"="+v)
	}
	return c.terminal(ctx, app, dyno, "exec", q, t)
}

// Forward connects with a port of an instance until that ends the connection,
// or ctx does.
func (c *Client) Forward(ctx context.Context, app, dyno string, port int, t Terminal) error {
	exit, err := c.terminal(ctx, app, dyno, "forward", url.Values{"port": {strconv.Itoa(port)}}, t)
	if err == nil && exit.Text != "" {
		err = &api.Error{Message: exit.Text}
	}
	return err
}

// terminal is one session from its request to its end.
func (c *Client) terminal(ctx context.Context, app, dyno, what string, q url.Values, t Terminal) (api.TerminalExit, error) {
	if t.Size.Rows > 0 && t.Size.Cols > 0 {
		q.Set("rows", strconv.Itoa(int(t.Size.Rows)))
		q.Set("cols", strconv.Itoa(int(t.Size.Cols)))
	}
	s := &terminal{ctx: ctx, gone: make(chan struct{})}
	s.link = api.NewLink(s, s.control)
	var err error
	if s.conn, err = c.upgrade(ctx, "/apps/"+seg(app)+"/dynos/"+seg(dyno)+"/"+what+"?"+q.Encode(), s.link); err != nil {
		return api.TerminalExit{}, err
	}
	if t.Opened != nil {
		t.Opened()
	}
	exit, err := s.converse(t)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: the session with %s on %s broke: %w. What it ran was ended", ErrUnreachable, dyno, c.host, err)
	}
	return exit, err
}

// upgrade makes the connection a WebSocket; a refusal is an error of the API
// like any other.
func (c *Client) upgrade(ctx context.Context, path string, link *api.Link) (*websocket.Conn, error) {
	h := http.Header{"Accept": {api.ContentType}}
	if c.cfg.Token != "" {
		h.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	if c.cfg.UserAgent != "" {
		h.Set("User-Agent", c.cfg.UserAgent)
	}
	var res *http.Response
	hc := *c.wire
	hc.Transport = keepRefusal{hc.Transport, &res}
	conn, _, err := websocket.Dial(ctx, c.base+path, &websocket.DialOptions{HTTPClient: &hc, HTTPHeader: h,
		OnPingReceived: func(context.Context, []byte) bool { link.Heard(); return true }})
	switch {
	case err == nil:
		conn.SetReadLimit(api.MaxTerminalMessage)
		return conn, nil
	case res != nil:
		return nil, c.refusal(res)
	}
	return nil, c.lost(ctx, err)
}

// keepRefusal reads the answer that is no upgrade before the library, which
// keeps only the beginning of it, throws it away.
type keepRefusal struct {
	http.RoundTripper
	res **http.Response
}

func (k keepRefusal) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := k.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode != http.StatusSwitchingProtocols {
		const most = 64 << 10
		body, _ := io.ReadAll(io.LimitReader(res.Body, most)) // what can be read tells enough
		kept := *res
		kept.Body = io.NopCloser(bytes.NewReader(body))
		*k.res = &kept
	}
	return res, err
}

// terminal is the client's end of a session.
type terminal struct {
	ctx  context.Context
	conn *websocket.Conn
	link *api.Link
	gone chan struct{} // closed when the connection has ended
	exit *api.TerminalExit
}

// Send is api.Messages.
func (s *terminal) Send(message []byte) error {
	ctx, done := context.WithTimeout(context.Background(), terminalWrite)
	defer done()
	return s.conn.Write(ctx, websocket.MessageBinary, message)
}

// Receive is api.Messages.
func (s *terminal) Receive() ([]byte, error) {
	_, b, err := s.conn.Read(context.Background())
	return b, err
}

// errExited ends receiving after the last message.
var errExited = errors.New("the session has ended")

func (s *terminal) control(f api.Frame) error {
	if f.Channel == api.ChannelExit {
		s.exit = &f.Exit
		return errExited
	}
	return nil
}

// converse carries the streams until the other side says how it ended.
func (s *terminal) converse(t Terminal) (api.TerminalExit, error) {
	if t.Err == nil {
		t.Err = t.Out
	}
	var helpers sync.WaitGroup
	defer helpers.Wait()
	if c, ok := t.In.(io.Closer); ok {
		defer c.Close() //nolint:errcheck // it ends a read whose bytes nobody wants
	}
	defer s.conn.CloseNow() //nolint:errcheck // all was said
	var broke error
	helpers.Go(func() {
		defer close(s.gone)
		broke = s.link.Serve()
	})
	helpers.Go(func() { s.watch(t.Resize) })
	s.feed(t.In, &helpers)
	wrote := s.link.Copy(t.Out, t.Err)
	if wrote != nil {
		// Nobody reads what it prints, a pager that was left for instance.
		_ = s.conn.CloseNow()
	}
	<-s.gone
	switch {
	case wrote != nil:
		return api.TerminalExit{}, wrote
	case s.exit != nil:
		_ = s.conn.Close(websocket.StatusNormalClosure, "") // the server waits for it
		return *s.exit, nil
	case s.ctx.Err() != nil:
		return api.TerminalExit{}, s.ctx.Err()
	}
	return api.TerminalExit{}, broke
}

// feed sends the input.
func (s *terminal) feed(in io.Reader, helpers *sync.WaitGroup) {
	send := func() {
		if in != nil {
			if _, err := io.Copy(s.link.Writer(api.ChannelStdin), plain{in}); err != nil {
				return
			}
		}
		_ = s.link.Send(api.Frame{Channel: api.ChannelEOF}) // when it fails so does Serve
	}
	if _, closes := in.(io.Closer); in != nil && !closes {
		go send() // a read that nobody can end; it ends with what is read, or the process
		return
	}
	helpers.Go(send)
}

// plain hides WriteTo, which could make the whole input one write.
type plain struct{ io.Reader }

// watch tells changes of the terminal's size, and ends the session when ctx
// ends or the server is not heard of any more.
func (s *terminal) watch(resize <-chan api.WindowSize) {
	tick := time.NewTicker(api.TerminalPatience / 6)
	defer tick.Stop()
	for {
		select {
		case <-s.gone:
			return
		case size, ok := <-resize:
			if !ok {
				resize = nil
				continue
			}
			_ = s.link.Send(api.Frame{Channel: api.ChannelResize, Size: size}) // when it fails so does Serve
		case <-s.ctx.Done():
			_ = s.conn.CloseNow()
			return
		case <-tick.C:
			if s.link.Silence() > api.TerminalPatience {
				_ = s.conn.CloseNow()
				return
			}
		}
	}
}
