package agenttest_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

func TestFake(t *testing.T) {
	f := agenttest.NewFake()
	t.Cleanup(f.Close)
	var serial atomic.Int64
	agenttest.TestRuntime(t, agenttest.Subject{
		Runtime: f,
		Assign: func(_ testing.TB, args ...string) agent.Assignment {
			a := agent.Assignment{
				ID: fmt.Sprint("i", serial.Add(1)), App: "test", Name: "web.1", Image: "prog", Env: map[string]string{"PORT": fmt.Sprint(agenttest.Port())},
				Network: agent.Network{Name: "paas-test"},
			}
			if len(args) > 0 {
				a.Command = append([]string{"/prog"}, args...)
			}
			return a
		},
		NoProcess: "nocmd",
		Networks:  func(testing.TB) []string { return f.Networks() },
	})
}

func TestControl(t *testing.T) {
	agenttest.TestControl(t, func(_ *testing.T, plane *agenttest.Control, _ string) agent.Control { return plane })
}
