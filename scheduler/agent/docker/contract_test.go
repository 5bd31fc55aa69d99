package docker_test

import (
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

func TestContract(t *testing.T) {
	c := engine(t)
	agenttest.TestRuntime(t, agenttest.Subject{
		Runtime:   newRuntime(t, config()),
		Assign:    func(t testing.TB, args ...string) agent.Assignment { return assign(t, 2, args...) },
		NoProcess: imageNoCmd,
		Networks: func(t testing.TB) []string {
			list, err := c.NetworkList(deadline(t), network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "paas.cluster="+cluster))})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, n := range list {
				names = append(names, n.Name)
			}
			return names
		},
	})
}
