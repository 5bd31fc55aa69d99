package agenttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"sync"

	"paas/scheduler/agent"
)

// Open sends a session to the agent.
func (c *Control) Open(ctx context.Context, s agent.Session) {
	select {
	case c.sessions <- s:
	case <-ctx.Done():
	}
}

// Sessions is of agent.Control.
func (c *Control) Sessions(ctx context.Context, _ string) <-chan agent.Session {
	out := make(chan agent.Session)
	go func() {
		defer close(out)
		for {
			select {
			case s := <-c.sessions:
				select {
				case out <- s:
				case <-ctx.Done():
					s.Ended(agent.SessionEnd{Err: ctx.Err()})
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// terminal is what a process and its client have between them.
type terminal struct {
	mu      sync.Mutex
	size    agent.WindowSize
	resized chan struct{}
}

func (t *terminal) now() (rows, cols uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size.Rows, t.size.Cols
}

func (t *terminal) follow(ctx context.Context, resize <-chan agent.WindowSize) {
	for {
		select {
		case s, ok := <-resize:
			if !ok {
				return
			}
			t.mu.Lock()
			t.size = s
			t.mu.Unlock()
			select {
			case t.resized <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			return
		}
	}
}

// outlet passes output on for as long as somebody is there.
type outlet struct {
	mu     sync.Mutex
	to     io.Writer
	closed bool
}

func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return len(p), nil
	}
	return o.to.Write(p)
}

func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// errLeft is what a terminal's input ends with when its client leaves.
var errLeft = errors.New("the client left")

// typed is the input from a terminal: it does not end with its client.
type typed struct {
	io.Reader
	life context.Context
}

func (t typed) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if errors.Is(err, errLeft) {
		<-t.life.Done()
	}
	return n, err
}

// connected is a process's side of a client's streams.
func connected(ctx, life context.Context, p Process, tty bool, o agent.IO) (_ Process, leave func()) {
	in, feed := io.Pipe()
	out, errs := &outlet{to: o.Out}, &outlet{to: o.Err}
	p.In, p.Out, p.Err = in, out, errs
	t := &terminal{resized: make(chan struct{}, 1)}
	p.Size, p.Resized = t.now, t.resized
	ctx, cancel := context.WithCancel(ctx)
	var sizing sync.WaitGroup
	left := io.EOF
	if tty {
		left = errLeft
		p.Err = out
		p.In = typed{in, life}
		sizing.Go(func() { t.follow(ctx, o.Resize) })
	}
	stop := o.Feed(feed, func() { _ = feed.Close() })
	return p, func() {
		cancel()
		sizing.Wait()
		_ = feed.CloseWithError(left)
		stop()
		out.close()
		errs.close()
	}
}

// Attach is of agent.Runtime.
func (f *Fake) Attach(ctx context.Context, instance string, o agent.IO, ready func()) error {
	if err := f.hook(ctx, "attach", instance); err != nil {
		return err
	}
	c, err := f.find(instance)
	if err != nil {
		return err
	}
	f.mu.Lock()
	if c.begun {
		f.mu.Unlock()
		return &agent.Fault{Kind: agent.FaultLasting, Err: fmt.Errorf("instance %s: its process has been started before", instance)}
	}
	p, leave := connected(ctx, c.life, c.p, c.tty, o)
	f.launch(c, p)
	f.mu.Unlock()
	c.reads.Add(1)
	defer c.reads.Done()
	defer leave()
	ready()
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// running finds a container whose process runs.
func (f *Fake) running(instance string) (*fakeContainer, error) {
	c, err := f.find(instance)
	if err == nil && !f.state(c).Running {
		err = fmt.Errorf("instance %s: %w", instance, agent.ErrNotRunning)
	}
	return c, err
}

// Exec is of agent.Runtime.
func (f *Fake) Exec(ctx context.Context, instance string, command []string, env map[string]string, tty bool, o agent.IO) (int, error) {
	if err := f.hook(ctx, "exec", instance); err != nil {
		return 126, err
	}
	c, err := f.running(instance)
	if err != nil {
		return 126, err
	}
	if command[0] != "/prog" {
		return 127, &agent.Fault{Kind: agent.FaultApp, Err: fmt.Errorf("%s: %w in the image", command[0], agent.ErrNotFound)}
	}
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	p, leave := connected(life, life, c.p, tty, o)
	p.Args, p.Term, p.Hup = command[1:], nil, nil
	p.Env = maps.Clone(c.p.Env)
	maps.Copy(p.Env, env)
	code := make(chan int, 1)
	go func() { code <- Run(life, p) }()
	select {
	case n := <-code:
		leave()
		return n, ctx.Err()
	case <-life.Done():
		leave()
		<-code
		return 137, ctx.Err()
	}
}

// Dial is of agent.Runtime.
func (f *Fake) Dial(ctx context.Context, instance string, port int) (net.Conn, error) {
	if err := f.hook(ctx, "dial", instance); err != nil {
		return nil, err
	}
	c, err := f.running(instance)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(f.state(c).IP, strconv.Itoa(port)))
}
