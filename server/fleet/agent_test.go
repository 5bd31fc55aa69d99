package fleet_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

// A whole agent at the other end of the wire: an instance comes up, is used,
// outlives its control plane, and is stopped.
func TestAgent(t *testing.T) {
	plane := newSteady()
	s := newScene(t, plane, fleet.Config{})
	c, _ := s.client(s.join("a"))
	runtime := agenttest.NewFake()
	t.Cleanup(runtime.Close)
	a, err := agent.New(agent.Config{Host: c.Identity().Host, Survey: 50 * time.Millisecond, Settle: 50 * time.Millisecond}, c, runtime, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx) // the context's
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)

	web := someAssignment("1")
	web.Command, web.Network.Name, web.Limits.Memory, web.Grace = []string{"/prog", "web"}, "net-1", 512<<20, 10*time.Second
	web.Port, web.Probe.Deadline = agenttest.Port(), 10*time.Second
	web.Env = map[string]string{"PORT": port()}
	plane.put(web)
	plane.AwaitState(t, "1", agent.Up)
	plane.Await(t, "a beat", func() bool { return len(plane.Beats()) > 0 })

	ended := make(chan agent.SessionEnd, 1)
	var out strings.Builder
	plane.Open(t.Context(), agent.Session{Instance: "1", Kind: agent.Exec, Command: []string{"/prog", "exit", "3", "good", "day"}, Gone: make(chan struct{}),
		IO: agent.IO{Out: &out, In: strings.NewReader("")}, Ended: func(e agent.SessionEnd) { ended <- e }})
	if e := <-ended; e.ExitCode != 3 || !strings.Contains(out.String(), "good day") {
		t.Errorf("%+v %q", e, out.String())
	}

	s.stop()
	runtime.Kill("1") // and nobody there to hear of it
	s.start()
	if crash := plane.AwaitState(t, "1", agent.Crashed); crash.ExitCode != 137 {
		t.Errorf("%+v", crash)
	}
	web.Stop = true
	plane.put(web)
	plane.AwaitState(t, "1", agent.Stopped)
	var texts []string
	for _, l := range plane.Lines("1") {
		texts = append(texts, l.Text)
	}
	if !slices.Contains(texts, "listening") {
		t.Errorf("%q", texts)
	}
	stop()
}
