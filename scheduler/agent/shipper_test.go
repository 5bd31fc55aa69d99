package agent_test

import (
	"fmt"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// One that prints all it can keeps nobody's lines: with a control plane that
// takes its time, a line of a neighbour is there within a few of its calls.
func TestFloodDelaysNobody(t *testing.T) {
	_, s := stage(t, agent.Config{LogRate: 1 << 30, LogBurst: 1 << 30})
	var set []agent.Assignment
	for range 3 {
		a := assign("flood")
		a.Port = 0
		set = append(set, a)
	}
	s.Control.Slow(20 * time.Millisecond)
	s.Control.Set(set...)
	s.Control.Await(t, "the flood", func() bool { return len(s.Control.Lines(set[0].ID)) > 2000 })
	quiet := assign("web")
	s.Control.Set(append(set, quiet)...)
	s.Control.AwaitState(t, quiet.ID, agent.Up)
	before := time.Now()
	s.Control.Await(t, "its line", func() bool { return len(s.Control.Lines(quiet.ID)) > 0 })
	if late := time.Since(before); late > 5*time.Second {
		t.Errorf("its line came %s later", late)
	}
	for _, a := range set {
		for i, l := range s.Control.Lines(a.ID) {
			if want := fmt.Sprintf("line %06d", i); len(l.Text) < len(want) || l.Text[:len(want)] != want {
				t.Fatalf("line %d is %q", i, l.Text)
			}
		}
	}
}
