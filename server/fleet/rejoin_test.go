package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/server/fleet"
)

// A machine that was removed joins again while its agent runs: the agent ends to
// go on as the host it is now, with what its engine uses unchanged.
func TestRejoinWhileRunning(t *testing.T) {
	plane := newSteady(someAssignment("1"))
	s := newScene(t, plane, fleet.Config{})
	dir := s.join("a")
	before, err := fleet.ReadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := fleet.NewClient(fleet.ClientConfig{Dir: dir, Registry: "127.0.0.1:0",
		Machine: func(context.Context) (fleet.Machine, error) { return someMachine(), nil }}, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(t.Context()) }()
	await(t, c.Watch(t.Context(), ""), "1")
	s.hosts.remove("id-a")
	for c.Report(t.Context(), "", []agent.Status{{ID: "1", State: agent.Starting}}) == nil {
		select {
		case <-time.After(50 * time.Millisecond): // until its connection is looked at anew
		case err := <-ended:
			t.Fatal(err)
		}
	}
	if err := fleet.Rejoin(before, dir); err != nil {
		t.Fatal(err)
	}
	s.hosts.invite("token-b", "b")
	after, err := fleet.Join(t.Context(), s.joining(dir, "b"), someMachine())
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, fleet.ErrRejoined) {
		t.Errorf("it ended with %v", err)
	}
	if after.Host == before.Host || after.Cluster != before.Cluster || after.Password != before.Password {
		t.Errorf("%s %s %s after %s %s %s", after.Host, after.Cluster, after.Password, before.Host, before.Cluster, before.Password)
	}
	next, _ := s.client(dir)
	await(t, next.Watch(t.Context(), ""), "1")
}
