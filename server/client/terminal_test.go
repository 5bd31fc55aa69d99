package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
	"paas/server/httpd"
	"paas/server/httpd/httpdtest"
)

// opener is a platform whose sessions a test serves.
type opener struct {
	*httpdtest.Fake
	open func(ctx context.Context, o server.OpenRequest, io agent.IO) (agent.SessionEnd, error)
	left chan struct{} // gets one for each session that ended
}

func (o *opener) Open(ctx context.Context, _ server.Actor, _, _ string, r server.OpenRequest, io agent.IO) (agent.SessionEnd, error) {
	defer func() { o.left <- struct{}{} }()
	return o.open(ctx, r, io)
}

type house struct {
	*opener
	url    string
	socket string
	stop   func()
}

// serveSessions is the real API in front of what open does.
func serveSessions(t *testing.T, open func(ctx context.Context, o server.OpenRequest, io agent.IO) (agent.SessionEnd, error), change ...func(*httpd.Config)) *house {
	t.Helper()
	h := &house{opener: &opener{Fake: httpdtest.New(), open: open, left: make(chan struct{}, 100)}, socket: filepath.Join(t.TempDir(), "s")}
	cfg := httpd.Config{Addr: "127.0.0.1:0", SocketPath: h.socket, WebURL: func(string) string { return "" }, GitURL: func(string) string { return "" }}
	for _, c := range change {
		c(&cfg)
	}
	srv, err := httpd.New(cfg, h.opener, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(h.stop)
	h.url = "http://" + srv.Addr().String()
	return h
}

func (h *house) client(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(Config{URL: url, Token: httpdtest.Token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.App(t.Context(), "shop"); err == nil {
		return c
	}
	if _, err := c.CreateApp(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	return c
}

// echo sends back what comes in, says something on stderr, and ends with 3.
func echo(_ context.Context, _ server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
	fmt.Fprintln(s.Err, "this is stderr")
	_, err := io.Copy(s.Out, s.In)
	return agent.SessionEnd{ExitCode: 3, Err: err}, nil
}

func TestTerminalStreams(t *testing.T) {
	h := serveSessions(t, echo)
	data := make([]byte, 10<<20)
	rand.Read(data)
	for _, url := range []string{h.url, "unix://" + h.socket} {
		c := h.client(t, url)
		var out, stderr bytes.Buffer
		exit, err := c.Attach(t.Context(), "shop", "run.1001", Terminal{In: bytes.NewReader(data), Out: &out, Err: &stderr})
		if err != nil || exit != (api.TerminalExit{Code: 3}) || stderr.String() != "this is stderr\n" {
			t.Errorf("%s: %+v %v %q", url, exit, err, stderr.String())
		}
		if sha256.Sum256(out.Bytes()) != sha256.Sum256(data) {
			t.Errorf("%s: %d bytes came back, and not those that were sent", url, out.Len())
		}
	}
}

func TestTerminalRefusals(t *testing.T) {
	h := serveSessions(t, func(_ context.Context, o server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
		switch o.Command {
		case "gone":
			return agent.SessionEnd{}, &server.Error{ID: server.ErrNotFound, Message: "Couldn't find that dyno.", Next: "See which there are: paas ps"}
		case "broken":
			return agent.SessionEnd{}, errors.New("inside of the platform")
		case "panic":
			panic("at the disco")
		case "not there":
			return agent.SessionEnd{ExitCode: 127, Err: errors.New("no such program\x1b[2J")}, nil
		case "late":
			fmt.Fprint(s.Out, "first words")
			return agent.SessionEnd{}, server.Errorf(server.ErrForbidden, "You may not do this any more.")
		}
		return agent.SessionEnd{}, nil
	})
	c := h.client(t, h.url)
	for command, want := range map[string]string{"gone": "Couldn't find that dyno.\nSee which", "broken": "The platform failed", "panic": "The platform failed", "not there": `No such program\x1b[2J.`} {
		_, err := c.Exec(t.Context(), "shop", "web.1", Exec{Command: command}, Terminal{Out: io.Discard})
		if err == nil {
			t.Errorf("%s: went through", command)
			continue
		}
		var told *api.Error
		if !errors.As(err, &told) || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "inside") {
			t.Errorf("%s: %v, want %s", command, err, want)
		}
	}
	exit, err := c.Exec(t.Context(), "shop", "web.1", Exec{Command: "late"}, Terminal{Out: io.Discard})
	if err != nil || exit.Text != "You may not do this any more." || exit.Code != 1 {
		t.Errorf("late: %+v %v", exit, err)
	}
	if exit, err := c.Exec(t.Context(), "shop", "web.1", Exec{Command: "x"}, Terminal{Out: io.Discard}); err != nil || exit != (api.TerminalExit{}) {
		t.Errorf("silent: %+v %v", exit, err)
	}
}

// Over 150 ms each way the first output is there after two round trips: one
// for the request to start it, by a connection that is there already, and one
// for the session.
func TestTerminalOverHighLatency(t *testing.T) {
	const delay = 150 * time.Millisecond
	h := serveSessions(t, func(_ context.Context, _ server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
		size := <-s.Resize
		fmt.Fprintf(s.Out, "%dx%d\n", size.Rows, size.Cols)
		n, err := io.Copy(io.Discard, s.In)
		fmt.Fprintf(s.Out, "%d\n", n)
		return agent.SessionEnd{Err: err}, nil
	})
	addr, conns := slow(t, strings.TrimPrefix(h.url, "http://"), delay)
	c := h.client(t, "http://"+addr)
	// The first request makes the connection.
	if _, err := c.do(t.Context(), call{method: "GET", path: "/apps/shop", wire: true, out: &api.App{}}); err != nil {
		t.Fatal(err)
	}
	before := conns.Load()
	began, first := time.Now(), time.Duration(0)
	out := writerFunc(func(p []byte) (int, error) {
		if first == 0 {
			first = time.Since(began)
		}
		return len(p), nil
	})
	in := bytes.NewReader(make([]byte, 2<<20))
	exit, err := c.Attach(t.Context(), "shop", "run.1001", Terminal{In: in, Out: out, Size: api.WindowSize{Rows: 30, Cols: 100}})
	if err != nil || exit.Code != 0 {
		t.Fatal(exit, err)
	}
	if first > 2*delay*3/2 { // one round trip, and room for a busy machine
		t.Errorf("the first output came after %s", first)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("2 MB took %s", took)
	}
	if n := conns.Load() - before; n != 0 {
		t.Errorf("%d more connections were made", n)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func quickPings(c *httpd.Config) {
	c.TerminalPing, c.TerminalGone = 20*time.Millisecond, 2*time.Second
}

// A process that does not read and a client that does not write are no reason
// to end anything: both are still there.
func TestTerminalHeldUp(t *testing.T) {
	goOn := make(chan struct{})
	h := serveSessions(t, func(_ context.Context, _ server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
		var wrote sync.WaitGroup
		wrote.Go(func() { _, _ = s.Out.Write(make([]byte, 4<<20)) })
		<-goOn
		n, err := io.Copy(io.Discard, s.In)
		wrote.Wait()
		fmt.Fprintf(s.Err, "%d", n)
		return agent.SessionEnd{Err: err}, nil
	}, quickPings)
	c := h.client(t, h.url)
	time.AfterFunc(5*time.Second, func() { close(goOn) }) // longer than the silence that is allowed
	var got int
	var stderr bytes.Buffer
	pager := writerFunc(func(p []byte) (int, error) { <-goOn; got += len(p); return len(p), nil })
	exit, err := c.Attach(t.Context(), "shop", "run.1001", Terminal{In: bytes.NewReader(make([]byte, 4<<20)), Out: pager, Err: &stderr})
	if err != nil || exit.Text != "" || got != 4<<20 || stderr.String() != fmt.Sprint(4<<20) {
		t.Errorf("%+v %v, %d bytes, stderr %q", exit, err, got, stderr.String())
	}
}

// A client that vanishes without a word is noticed; one that is only silent
// is kept.
func TestTerminalVanishedClient(t *testing.T) {
	for _, alive := range []bool{true, false} {
		ended := make(chan error, 1)
		h := serveSessions(t, func(ctx context.Context, _ server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
			fmt.Fprint(s.Out, "x")
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
			ended <- ctx.Err()
			return agent.SessionEnd{}, ctx.Err()
		}, quickPings)
		addr, freeze := freezer(t, strings.TrimPrefix(h.url, "http://"))
		c := h.client(t, "http://"+addr)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := c.Attach(ctx, "shop", "run.1001", Terminal{In: io.NopCloser(neverReader{ctx}), Out: writerFunc(func(p []byte) (int, error) {
				if !alive {
					freeze()
				}
				return len(p), nil
			})})
			done <- err
		}()
		err := <-ended
		if alive && err != nil {
			t.Errorf("a silent client was ended: %v", err)
		}
		if !alive && err == nil {
			t.Error("a client that is not there was kept")
		}
		cancel()
		<-done
	}
}

// neverReader has nothing to give until its context ends.
type neverReader struct{ ctx context.Context }

func (n neverReader) Read([]byte) (int, error) { <-n.ctx.Done(); return 0, io.EOF }

// A client that goes ends its session, and a server that stops says so.
func TestTerminalEnds(t *testing.T) {
	begun := make(chan struct{}, 1)
	h := serveSessions(t, func(ctx context.Context, _ server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
		fmt.Fprint(s.Out, "x")
		begun <- struct{}{}
		<-ctx.Done()
		return agent.SessionEnd{}, ctx.Err()
	})
	c := h.client(t, h.url)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := c.Attach(ctx, "shop", "run.1001", Terminal{Out: io.Discard}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	<-h.left
	go func() { <-begun; h.stop() }()
	exit, err := c.Attach(t.Context(), "shop", "run.1002", Terminal{Out: io.Discard})
	if err != nil || !strings.Contains(exit.Text, "server is stopping") || exit.Code != 1 {
		t.Errorf("stopped: %+v %v", exit, err)
	}
	<-h.left
}

// What a person resizes to is what the process sees last.
func TestTerminalResize(t *testing.T) {
	h := serveSessions(t, func(_ context.Context, o server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
		if !o.TTY || o.Env["TERM"] != "xterm" {
			return agent.SessionEnd{}, server.Errorf(server.ErrInvalid, "%+v", o)
		}
		for size := range s.Resize {
			fmt.Fprintf(s.Out, "%dx%d ", size.Rows, size.Cols)
			if size.Rows == 50 {
				break
			}
		}
		return agent.SessionEnd{}, nil
	})
	c := h.client(t, h.url)
	sizes := make(chan api.WindowSize, 1)
	var out bytes.Buffer
	_, err := c.Exec(t.Context(), "shop", "web.1", Exec{Command: "sh", TTY: true, Env: map[string]string{"TERM": "xterm"}}, Terminal{
		Out: &out, Size: api.WindowSize{Rows: 24, Cols: 80}, Resize: sizes, Opened: func() { sizes <- api.WindowSize{Rows: 50, Cols: 132} }})
	if err != nil || !strings.HasSuffix(out.String(), "50x132 ") {
		t.Errorf("%q %v", out.String(), err)
	}
}
