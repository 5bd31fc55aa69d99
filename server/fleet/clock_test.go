package fleet_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

// A machine learns how its clock stands before it is a host, of the control
// plane that it means and of nobody else.
func TestClock(t *testing.T) {
	s := newScene(t, agenttest.NewControl(), fleet.Config{})
	ahead, err := fleet.Clock(t.Context(), s.addr, s.auth.Fingerprint())
	if err != nil || ahead.Abs() > 1500*time.Millisecond {
		t.Errorf("%s, %v", ahead, err)
	}
	if _, err := fleet.Clock(t.Context(), s.addr, strings.Repeat("0", 64)); !errors.Is(err, fleet.ErrImpostor) {
		t.Errorf("of another control plane: %v", err)
	}
	if _, err := fleet.Clock(t.Context(), "127.0.0.1:9", s.auth.Fingerprint()); err == nil {
		t.Error("of none")
	}
}
