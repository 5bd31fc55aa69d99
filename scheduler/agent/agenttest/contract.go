package agenttest

import (
	"context"
	"encoding/json"
	"errors"
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
		"binary both ways":           attachBinary,
		"attached streams":           attachStreams,
		"end before the input":       attachEarlyEnd,
		"terminal":                   attachTerminal,
		"client leaves":              attachLeave,
		"client does not read":       attachBackpressure,
		"nobody to attach to":        attachAbsent,
		"exec":                       execCodes,
		"dial":                       dial,
		"files":                      mounted,
		"stats":                      stats,
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

// stopWhileWaited stops an instance that listens and gives its end as someone
// saw it who waited for it.
func stopWhileWaited(t *testing.T, s Subject, grace time.Duration, mode string) agent.Container {
	t.Helper()
	for range 20 {
		a, _ := started(t, s, mode)
		collect(t, s, a.ID, time.Time{}).await(t, 1)
		end := make(chan agent.Container, 1)
		failed := make(chan error, 1)
		ctx := patience(t)
		go func() {
			c, err := s.Runtime.Wait(ctx, a.ID)
			failed <- err
			end <- c
		}()
		if err := s.Runtime.Stop(patience(t), a.ID, grace); err != nil {
			t.Fatal(err)
		}
		err := <-failed
		if err == nil {
			return <-end
		}
		if !errors.Is(err, agent.ErrNoContainer) { // else the stop was quicker
			t.Fatal("wait:", err)
		}
	}
	t.Fatal("the wait never came before the stop")
	return agent.Container{}
}

func stopAsks(t *testing.T, s Subject) {
	if c := stopWhileWaited(t, s, time.Minute, "web"); c.ExitCode != 0 {
		t.Fatalf("%+v", c)
	}
}

func stopKills(t *testing.T, s Subject) {
	began := time.Now()
	c := stopWhileWaited(t, s, 300*time.Millisecond, "deaf")
	if took := time.Since(began); took < 300*time.Millisecond || took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if c.ExitCode != 137 || c.OOM {
		t.Fatalf("%+v", c)
	}
}

func stopGivenUp(t *testing.T, s Subject) {
	a, _ := started(t, s, "deaf")
	collect(t, s, a.ID, time.Time{}).await(t, 1) // before that it would die of SIGTERM
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
