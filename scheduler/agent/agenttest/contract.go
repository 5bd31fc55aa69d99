package agenttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// Subject is a runtime under test.
type Subject struct {
	Runtime agent.Runtime
	// Assign makes an assignment that runs the program with args, of the
	// image's own process when there are none.
	Assign func(t testing.TB, args ...string) agent.Assignment
	// NoProcess is the image without one.
	NoProcess string
	Networks  func(t testing.TB) []string
}

// TestRuntime is the contract: what every agent.Runtime keeps.
func TestRuntime(t *testing.T, s Subject) {
	for name, f := range map[string]func(*testing.T, Subject){
		"start, list, stop":          startListStop,
		"start twice":                startTwice,
		"start of one that ended":    startEnded,
		"no process":                 noProcess,
		"given up start":             givenUpStart,
		"wait":                       wait,
		"absent":                     absent,
		"stop asks first":            stopAsks,
		"stop kills":                 stopKills,
		"stop given up":              stopGivenUp,
		"output in order":            outputInOrder,
		"output since":               outputSince,
		"long and unfinished lines":  outputLong,
		"output before the removal":  outputBeforeRemoval,
		"output follows":             outputFollows,
		"environment byte for byte":  environment,
		"prune":                      prune,
		"many at once on one bridge": many,
	} {
		t.Run(name, func(t *testing.T) { f(t, s) })
	}
}

func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// started starts a program that the end of the test removes.
func started(t *testing.T, s Subject, args ...string) (agent.Assignment, agent.Container) {
	t.Helper()
	a := s.Assign(t, args...)
	t.Cleanup(func() {
		if err := s.Runtime.Stop(context.Background(), a.ID, 0); err != nil {
			t.Error("clean up:", err)
		}
	})
	c, err := s.Runtime.Start(patience(t), a)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

// listed finds an instance in the list.
func listed(t *testing.T, s Subject, id string) (agent.Container, bool) {
	t.Helper()
	list, err := s.Runtime.List(patience(t))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(c agent.Container) bool { return c.Instance == id })
	if i < 0 {
		return agent.Container{}, false
	}
	return list[i], true
}

func startListStop(t *testing.T, s Subject) {
	began := time.Now()
	a, c := started(t, s, "silent")
	if !c.Running || c.IP == "" || c.Instance != a.ID || c.Started.Before(began) {
		t.Fatalf("started: %+v", c)
	}
	got, ok := listed(t, s, a.ID)
	if !ok || got != c {
		t.Fatalf("listed %+v, started %+v", got, c)
	}
	if err := s.Runtime.Stop(patience(t), a.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	if c, ok := listed(t, s, a.ID); ok {
		t.Fatalf("still there: %+v", c)
	}
}

func startTwice(t *testing.T, s Subject) {
	a, first := started(t, s, "silent")
	second, err := s.Runtime.Start(patience(t), a)
	if err != nil || second != first {
		t.Fatalf("first %+v, second %+v, %v", first, second, err)
	}
}

func startEnded(t *testing.T, s Subject) {
	a, _ := started(t, s, "exit", "3")
	if _, err := s.Runtime.Wait(patience(t), a.ID); err != nil {
		t.Fatal(err)
	}
	c, err := s.Runtime.Start(patience(t), a)
	if err != nil || c.Running || c.ExitCode != 3 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func noProcess(t *testing.T, s Subject) {
	a := s.Assign(t)
	a.Image, a.Command = s.NoProcess, nil
	_, err := s.Runtime.Start(patience(t), a)
	if err == nil || agent.KindOf(err) != agent.FaultApp || !strings.Contains(err.Error(), "no process to run") {
		t.Fatalf("%v, kind %v", err, agent.KindOf(err))
	}
	if _, ok := listed(t, s, a.ID); ok {
		t.Fatal("it left a container")
	}
}

func givenUpStart(t *testing.T, s Subject) {
	a := s.Assign(t, "silent")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Runtime.Start(ctx, a); err == nil {
		t.Fatal("started")
	}
	if _, ok := listed(t, s, a.ID); ok {
		t.Fatal("it left a container")
	}
}

func wait(t *testing.T, s Subject) {
	a, _ := started(t, s, "exit", "42", "farewell")
	for range 2 { // also for one that ended long since
		c, err := s.Runtime.Wait(patience(t), a.ID)
		if err != nil || c.Running || c.ExitCode != 42 || c.OOM {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	got, ok := listed(t, s, a.ID)
	if !ok || got.Running || got.ExitCode != 42 {
		t.Fatalf("listed %+v", got)
	}
	b, _ := started(t, s, "silent")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if c, err := s.Runtime.Wait(ctx, b.ID); err == nil {
		t.Fatalf("%+v runs on", c)
	}
}

func absent(t *testing.T, s Subject) {
	if err := s.Runtime.Stop(patience(t), "nobody", time.Second); err != nil {
		t.Error("stop:", err)
	}
	if _, err := s.Runtime.Wait(patience(t), "nobody"); !errors.Is(err, agent.ErrNoContainer) {
		t.Error("wait:", err)
	}
	if err := s.Runtime.Logs(patience(t), "nobody", time.Time{}, nil); !errors.Is(err, agent.ErrNoContainer) {
		t.Error("logs:", err)
	}
}

// ending waits in the background.
func ending(t *testing.T, s Subject, id string) <-chan agent.Container {
	out := make(chan agent.Container, 1)
	ctx := patience(t)
	go func() {
		c, err := s.Runtime.Wait(ctx, id)
		if err != nil {
			t.Error("wait:", err)
		}
		out <- c
	}()
	return out
}

func stopAsks(t *testing.T, s Subject) {
	a, _ := started(t, s, "silent")
	out := collect(t, s, a.ID, time.Time{})
	out.await(t, 0)
	end := ending(t, s, a.ID)
	if err := s.Runtime.Stop(patience(t), a.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	if c := <-end; c.ExitCode != 0 {
		t.Fatalf("%+v", c)
	}
}

func stopKills(t *testing.T, s Subject) {
	a, _ := started(t, s, "deaf")
	out := collect(t, s, a.ID, time.Time{})
	out.await(t, 1) // it listens: from here on it hears
	end := ending(t, s, a.ID)
	began := time.Now()
	if err := s.Runtime.Stop(patience(t), a.ID, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if c := <-end; c.ExitCode != 137 || c.OOM {
		t.Fatalf("%+v", c)
	}
}

func stopGivenUp(t *testing.T, s Subject) {
	a, _ := started(t, s, "deaf")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := s.Runtime.Stop(ctx, a.ID, time.Minute); err == nil {
		t.Fatal("stopped")
	}
	if c, ok := listed(t, s, a.ID); !ok || !c.Running {
		t.Fatalf("%+v", c)
	}
	if err := s.Runtime.Stop(patience(t), a.ID, 0); err != nil {
		t.Fatal(err)
	}
}

// collector keeps the output of one instance.
type collector struct {
	mu    sync.Mutex
	lines []stamped
	more  chan struct{}
	done  chan error
}

func collect(t *testing.T, s Subject, id string, since time.Time) *collector {
	c := &collector{more: make(chan struct{}, 1), done: make(chan error, 1)}
	ctx := patience(t)
	go func() {
		c.done <- s.Runtime.Logs(ctx, id, since, func(at time.Time, text string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.lines = append(c.lines, stamped{at, text})
			select {
			case c.more <- struct{}{}:
			default:
			}
		})
	}()
	return c
}

func (c *collector) got() []stamped {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// await waits for n lines.
func (c *collector) await(t *testing.T, n int) []stamped {
	t.Helper()
	late := time.After(30 * time.Second)
	for len(c.got()) < n {
		select {
		case <-c.more:
		case <-late:
			t.Fatalf("waited for %d lines, got %d", n, len(c.got()))
		}
	}
	return c.got()
}

// all waits for the end of the stream.
func (c *collector) all(t *testing.T) []stamped {
	t.Helper()
	select {
	case err := <-c.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("the output does not end; %d lines so far", len(c.got()))
	}
	return c.got()
}

func outputInOrder(t *testing.T, s Subject) {
	const n = 5000
	a, _ := started(t, s, "lines", fmt.Sprint(n))
	got := collect(t, s, a.ID, time.Time{}).await(t, n)
	inOrder(t, got, 0)
}

func inOrder(t *testing.T, got []stamped, first int) {
	t.Helper()
	for i, l := range got {
		if want := fmt.Sprintf("line %06d", first+i); l.text != want {
			t.Fatalf("line %d is %q, not %q", i, l.text, want)
		}
		if i > 0 && !l.at.After(got[i-1].at) {
			t.Fatalf("line %d is of %s, the one before of %s", i, l.at, got[i-1].at)
		}
	}
}

func outputSince(t *testing.T, s Subject) {
	const n = 300
	a, _ := started(t, s, "lines", fmt.Sprint(n))
	all := collect(t, s, a.ID, time.Time{}).await(t, n)
	for _, from := range []int{0, 1, n / 2, n - 2} {
		rest := collect(t, s, a.ID, all[from].at).await(t, n-from-1)
		if !slices.Equal(rest, all[from+1:]) {
			t.Fatalf("since line %d: %d lines from %+v", from, len(rest), rest[0])
		}
	}
}

func outputLong(t *testing.T, s Subject) {
	a, _ := started(t, s, "long", "25000")
	all := collect(t, s, a.ID, time.Time{}).all(t)
	var sizes []int
	for _, l := range all {
		sizes = append(sizes, len(l.text))
	}
	if !slices.Equal(sizes, []int{10_000, 10_000, 5_000, 4}) || all[3].text != "half" {
		t.Fatal("sizes", sizes)
	}
	for from := range all {
		rest := collect(t, s, a.ID, all[from].at).all(t)
		if !slices.Equal(rest, all[from+1:]) {
			t.Fatalf("since piece %d: %d pieces", from, len(rest))
		}
	}
}

func outputBeforeRemoval(t *testing.T, s Subject) {
	a, _ := started(t, s, "web")
	out := collect(t, s, a.ID, time.Time{})
	out.await(t, 1)
	if err := s.Runtime.Stop(patience(t), a.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	got := out.all(t)
	if len(got) != 2 || got[0].text != "listening" || got[1].text != "bye" {
		t.Fatalf("%+v", got)
	}
}

func outputFollows(t *testing.T, s Subject) {
	a, _ := started(t, s, "ticker")
	out := collect(t, s, a.ID, time.Time{})
	out.await(t, 200)
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := s.Runtime.Logs(ctx, a.ID, time.Time{}, func(time.Time, string) {
		if n++; n == 100 {
			cancel()
		}
	})
	if err == nil || n < 100 {
		t.Fatalf("%d lines, %v", n, err)
	}
}

func environment(t *testing.T, s Subject) {
	a := s.Assign(t, "env")
	odd := map[string]string{
		"EMPTY": "", "SPACES": "  a  b ", "QUOTES": `"'\$(x)` + "`y`", "LINES": "a\nb\r\n\n", "EQUALS": "a=b=c",
		"UNICODE": "äöü \u2028 \U0001F600 <&>", "CONTROL": "\x01\x1b[31m\x7f", "OURS": "config",
	}
	for k, v := range odd {
		a.Env[k] = v
	}
	t.Cleanup(func() { _ = s.Runtime.Stop(context.Background(), a.ID, 0) })
	if _, err := s.Runtime.Start(patience(t), a); err != nil {
		t.Fatal(err)
	}
	var got struct{ Env map[string]string }
	var text strings.Builder
	for _, l := range collect(t, s, a.ID, time.Time{}).all(t) {
		text.WriteString(l.text)
	}
	if err := json.Unmarshal([]byte(text.String()), &got); err != nil {
		t.Fatal(err, text.String())
	}
	for k, v := range odd {
		if got.Env[k] != v {
			t.Errorf("%s is %q, not %q", k, got.Env[k], v)
		}
	}
}

func prune(t *testing.T, s Subject) {
	a, _ := started(t, s, "silent")
	b, _ := started(t, s, "silent")
	b.Network = agent.Network{} // the same as a's; only one is meant here
	if err := s.Runtime.Prune(patience(t), []string{a.Network.Name}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.Networks(t), a.Network.Name) {
		t.Fatal("one that was to be kept is gone")
	}
	for _, id := range []string{a.ID, b.ID} {
		if err := s.Runtime.Stop(patience(t), id, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Runtime.Prune(patience(t), []string{"another"}); err != nil {
		t.Fatal(err)
	}
	if got := s.Networks(t); slices.Contains(got, a.Network.Name) {
		t.Fatal("left:", got)
	}
	// And it comes back with the next instance.
	if _, err := s.Runtime.Start(patience(t), a); err != nil {
		t.Fatal(err)
	}
}

func many(t *testing.T, s Subject) {
	var all sync.WaitGroup
	ips := make([]string, 6)
	for i := range ips {
		a := s.Assign(t, "silent")
		t.Cleanup(func() { _ = s.Runtime.Stop(context.Background(), a.ID, 0) })
		all.Go(func() {
			c, err := s.Runtime.Start(patience(t), a)
			if err != nil {
				t.Error(err)
			}
			ips[i] = c.IP
		})
	}
	all.Wait()
	slices.Sort(ips)
	if len(slices.Compact(ips)) != 6 {
		t.Fatal("addresses:", ips)
	}
}
