package fleet_test

import (
	"context"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/fleet"
)

// Where instances are is told while the machine is still being examined; what is
// found then is told after.
func TestAddressesDoNotWaitForTheExamination(t *testing.T) {
	s := newScene(t, newSteady(), fleet.Config{})
	dir := s.join("a")
	joined := len(s.hosts.announcements())
	examined := make(chan struct{})
	c, err := fleet.NewClient(fleet.ClientConfig{Dir: dir, Registry: "127.0.0.1:0",
		Machine: func(context.Context) (fleet.Machine, error) { return someMachine(), nil },
		Findings: func() []server.Finding {
			<-examined
			return []server.Finding{{Check: "runc", Status: "warn"}}
		}}, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx) // always nil
	}()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, "a report with an address", func() bool {
		return c.Report(t.Context(), "", []agent.Status{{ID: "1", State: agent.Up, Addr: "10.9.8.7:20000"}}) == nil
	})
	if first := s.hosts.announcements()[joined]; !first.Unexamined || first.Addr == "" {
		t.Errorf("it was announced as %+v", first)
	}
	close(examined)
	eventually(t, "what was found", func() bool { return len(s.hosts.announcements()) == joined+2 })
	if last := s.hosts.announcements()[joined+1]; last.Unexamined || len(last.Findings) != 1 {
		t.Errorf("it was announced as %+v", last)
	}
}

func (h *hosts) announcements() []server.Join {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]server.Join{}, h.announced...)
}

func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}
