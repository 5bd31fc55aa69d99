package fleet_test

import (
	"context"
	"testing"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

// After a reboot what ran runs again, also without the control plane; what ran
// once does not run twice.
func TestAfterReboot(t *testing.T) {
	web, once, gone := someAssignment("web"), someAssignment("once"), someAssignment("gone")
	for _, a := range []*agent.Assignment{&web, &once, &gone} {
		a.Command, a.Env = []string{"/prog", "exit", "1"}, map[string]string{}
	}
	once.OneOff = true
	s := newScene(t, newSteady(web, once), fleet.Config{})
	dir := s.join("a")
	c, stop := s.client(dir)
	ctx, cancel := context.WithCancel(t.Context())
	await(t, c.Watch(ctx, ""), "web", "once")
	cancel()
	stop()
	runtime := agenttest.NewFake()
	t.Cleanup(runtime.Close)
	for _, a := range []agent.Assignment{web, once, gone} {
		if _, err := runtime.Start(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if _, err := runtime.Wait(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	c, _ = s.client(dir)
	for _, step := range []struct {
		boot string
		want int
	}{{"first", 3}, {"first", 3}, {"second", 2}} { // by then only once and gone are there
		if err := c.AfterReboot(t.Context(), runtime, step.boot, logTo(t)); err != nil {
			t.Fatal(err)
		}
		list, err := runtime.List(t.Context())
		if err != nil || len(list) != step.want {
			t.Errorf("%+v: %+v %v", step, list, err)
		}
		for _, c := range list {
			if step.boot == "second" && c.Instance == "web" {
				t.Error("what was to run again is still there")
			}
		}
	}
}
