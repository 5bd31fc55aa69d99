package agent_test

import (
	"testing"

	"paas/scheduler/agent"
)

// After a reboot with nobody to ask, what ran runs again; what had its one run
// does not.
func TestRevivesAfterReboot(t *testing.T) {
	f, s := stage(t, agent.Config{})
	a, once := assign("web"), assign("silent")
	once.OneOff, once.Port = true, 0
	s.Control.Set(a, once)
	s.Control.AwaitState(t, a.ID, agent.Up)
	s.Control.AwaitState(t, once.ID, agent.Up)
	s.Stop()
	for _, id := range []string{a.ID, once.ID} {
		f.Kill(id)
		s.Control.Forget(id)
	}
	s.Start(t)
	a.Revive, once.Revive = true, true
	s.Control.Set(a, once)
	s.Control.AwaitState(t, a.ID, agent.Up)
	s.Control.AwaitState(t, once.ID, agent.Exited)
	if n := f.Starts(a.ID); n != 2 {
		t.Errorf("it was started %d times", n)
	}
	if n := f.Starts(once.ID); n != 1 {
		t.Errorf("the one-off ran %d times", n)
	}
}
