package agenttest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// Fake is a runtime in memory. Its containers run the program of this package
// as goroutines, each with a loopback address of its own.
type Fake struct {
	mu         sync.Mutex
	before     func(ctx context.Context, op, instance string) error
	containers map[string]*fakeContainer
	networks   map[string]bool
	next       int
	starts     map[string]int // processes started, by instance
}

// NewFake makes an empty one.
func NewFake() *Fake {
	return &Fake{containers: map[string]*fakeContainer{}, networks: map[string]bool{}, starts: map[string]int{}}
}

type fakeContainer struct {
	state agent.Container // guarded by Fake.mu
	begun bool            // guarded by Fake.mu
	tty   bool
	p     Process
	life  context.Context
	term  func()
	hup   func()
	kill  context.CancelFunc
	ended chan struct{}
	out   *fakeOutput
	reads sync.WaitGroup
}

func (f *Fake) hook(ctx context.Context, op, instance string) error {
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if err := before(ctx, op, instance); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// SetHook gives a function to be called before each operation ("list",
// "start", "stop", "end", "wait", "logs", "attach", "exec", "dial", "stats", "prune"). It may fail or block it.
func (f *Fake) SetHook(before func(ctx context.Context, op, instance string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// Starts is how many processes were started for an instance.
func (f *Fake) Starts(instance string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts[instance]
}

// Networks are the names of those that stand.
func (f *Fake) Networks() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.networks))
}

func (f *Fake) find(instance string) (*fakeContainer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.containers[instance]
	if c == nil {
		return nil, fmt.Errorf("instance %s: %w", instance, agent.ErrNoContainer)
	}
	return c, nil
}

func (f *Fake) state(c *fakeContainer) agent.Container {
	f.mu.Lock()
	defer f.mu.Unlock()
	return c.state
}

// List is of agent.Runtime.
func (f *Fake) List(ctx context.Context) ([]agent.Container, error) {
	if err := f.hook(ctx, "list", ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []agent.Container
	for _, c := range f.containers {
		out = append(out, c.state)
	}
	return out, nil
}

// Start is of agent.Runtime. The image's name may hold "no-process".
func (f *Fake) Start(ctx context.Context, a agent.Assignment) (agent.Container, error) {
	if err := f.hook(ctx, "start", a.ID); err != nil {
		return agent.Container{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.containers[a.ID]; c != nil {
		return c.state, nil
	}
	if len(a.Command) == 0 && strings.Contains(a.Image, "nocmd") {
		return agent.Container{}, &agent.Fault{Kind: agent.FaultApp, Err: fmt.Errorf("the image has no process to run")}
	}
	f.networks[a.Network.Name] = true
	f.next++
	life, kill := context.WithCancel(context.Background())
	term, hup := make(chan struct{}), make(chan struct{})
	c := &fakeContainer{
		tty: a.TTY, life: life, kill: kill, ended: make(chan struct{}), out: newFakeOutput(),
		term: sync.OnceFunc(func() { close(term) }), hup: sync.OnceFunc(func() { close(hup) }),
		state: agent.Container{Instance: a.ID},
	}
	f.containers[a.ID] = c
	args := []string(nil)
	if len(a.Command) > 1 {
		args = a.Command[1:]
	}
	c.p = Process{Args: args, Env: a.Env, Host: address(f.next), In: strings.NewReader(""), Out: c.out, Err: c.out, Term: term, Hup: hup,
		Files: map[string][]byte{}}
	for _, file := range a.Files {
		c.p.Files[file.Path] = file.Content
	}
	if !a.Attach {
		f.launch(c, c.p)
	}
	return c.state, nil
}

// launch begins the process; f.mu is held.
func (f *Fake) launch(c *fakeContainer, p Process) {
	f.starts[c.state.Instance]++
	c.begun = true
	c.state.Running, c.state.IP, c.state.Started = true, p.Host, time.Now()
	go func() {
		code := Run(c.life, p)
		c.out.close()
		f.mu.Lock()
		c.state.Running, c.state.ExitCode, c.state.IP = false, code, ""
		f.mu.Unlock()
		close(c.ended)
		c.kill() // whatever else it runs
	}()
}

// Port is one for the programs of this process to listen on: below those the
// kernel gives out, and seldom the one of a server on all addresses.
func Port() int { return 20000 + os.Getpid()%10000 }

// address is the n-th loopback address of this process: tests of several
// packages run at once.
func address(n int) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid%64, (pid/64+n/250)%256, 1+n%250)
}

// Stop is of agent.Runtime.
func (f *Fake) Stop(ctx context.Context, instance string, grace time.Duration) error {
	if err := f.hook(ctx, "stop", instance); err != nil {
		return err
	}
	c, err := f.find(instance)
	if err != nil {
		return nil
	}
	if err := f.finish(ctx, c, grace); err != nil {
		return err
	}
	c.reads.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.containers, instance)
	return nil
}

// End is of agent.Runtime.
func (f *Fake) End(ctx context.Context, instance string, grace time.Duration) error {
	if err := f.hook(ctx, "end", instance); err != nil {
		return err
	}
	c, err := f.find(instance)
	if err != nil {
		return nil
	}
	return f.finish(ctx, c, grace)
}

// finish ends a process if there is one.
func (f *Fake) finish(ctx context.Context, c *fakeContainer, grace time.Duration) error {
	f.mu.Lock()
	begun := c.begun
	f.mu.Unlock()
	if !begun {
		return ctx.Err()
	}
	if grace > 0 {
		if c.tty {
			c.hup()
		}
		c.term()
		patience, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		select {
		case <-c.ended:
		case <-patience.Done():
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.kill()
	<-c.ended
	return nil
}

// Kill ends a process as the kernel does, without removing the container.
func (f *Fake) Kill(instance string) {
	if c, err := f.find(instance); err == nil {
		c.kill()
		<-c.ended
	}
}

// Wait is of agent.Runtime.
func (f *Fake) Wait(ctx context.Context, instance string) (agent.Container, error) {
	if err := f.hook(ctx, "wait", instance); err != nil {
		return agent.Container{}, err
	}
	c, err := f.find(instance)
	if err != nil {
		return agent.Container{}, err
	}
	select {
	case <-c.ended:
		return f.state(c), nil
	case <-ctx.Done():
		return agent.Container{}, ctx.Err()
	}
}

// Logs is of agent.Runtime.
func (f *Fake) Logs(ctx context.Context, instance string, since time.Time, line func(time.Time, string)) error {
	if err := f.hook(ctx, "logs", instance); err != nil {
		return err
	}
	c, err := f.find(instance)
	if err != nil {
		return err
	}
	c.reads.Add(1)
	defer c.reads.Done()
	return c.out.follow(ctx, since, line)
}

// Stats is of agent.Runtime. A process of the fake uses half a CPU.
func (f *Fake) Stats(ctx context.Context, instance string) (agent.Stats, error) {
	if err := f.hook(ctx, "stats", instance); err != nil {
		return agent.Stats{}, err
	}
	c, err := f.find(instance)
	if err != nil {
		return agent.Stats{}, err
	}
	s := f.state(c)
	if !s.Running {
		return agent.Stats{}, fmt.Errorf("instance %s has ended: %w", instance, agent.ErrNoContainer)
	}
	now := time.Now()
	return agent.Stats{At: now, CPU: now.Sub(s.Started) / 2, Memory: 10 << 20}, nil
}

// Prune is of agent.Runtime.
func (f *Fake) Prune(ctx context.Context, keep []string) error {
	if err := f.hook(ctx, "prune", ""); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.networks, func(n string, _ bool) bool { return !slices.Contains(keep, n) })
	return nil
}

// Close ends all processes.
func (f *Fake) Close() {
	f.SetHook(nil)
	list, _ := f.List(context.Background())
	for _, c := range list {
		_ = f.Stop(context.Background(), c.Instance, 0)
	}
}

var (
	_ agent.Runtime = (*Fake)(nil)
	_ io.Writer     = (*fakeOutput)(nil)
)
