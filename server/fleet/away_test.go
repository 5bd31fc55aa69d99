package fleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

// steady is a control plane that gives each watcher the newest set at once, as
// the real one does.
type steady struct {
	*agenttest.Control
	mu     sync.Mutex
	set    []agent.Assignment
	change chan struct{}
	held   chan struct{} // until it is closed, beats wait
}

func newSteady(set ...agent.Assignment) *steady {
	return &steady{Control: agenttest.NewControl(), set: set, change: make(chan struct{})}
}

// hold keeps whoever gives a sign of life waiting until release is called.
func (s *steady) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	return sync.OnceFunc(func() { close(held) })
}

func (s *steady) Beat(host string, b agent.Beat) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		<-held
	}
	s.Control.Beat(host, b)
}

func (s *steady) put(set ...agent.Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = set
	close(s.change)
	s.change = make(chan struct{})
}

func (s *steady) Watch(ctx context.Context, _ string) <-chan []agent.Assignment {
	out := make(chan []agent.Assignment)
	go func() {
		defer close(out)
		for {
			s.mu.Lock()
			set, change := s.set, s.change
			s.mu.Unlock()
			select {
			case out <- set:
			case <-ctx.Done():
				return
			}
			select {
			case <-change:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func someAssignment(id string) agent.Assignment {
	return agent.Assignment{ID: id, AppID: "app-1", App: "shop", Name: "web.1", Image: "127.0.0.1:5500/app-1@sha256:00"}
}

func ids(set []agent.Assignment) (list []string) {
	for _, a := range set {
		list = append(list, a.ID)
	}
	return list
}

func await(t *testing.T, sets <-chan []agent.Assignment, want ...string) {
	t.Helper()
	late := time.After(60 * time.Second)
	for {
		select {
		case set := <-sets:
			if slices.Equal(ids(set), want) {
				return
			}
		case <-late:
			t.Fatal("waited in vain for the set ", want)
		}
	}
}

// A control plane that goes away and comes back finds the host as it was: sets
// go on, a report is taken, and no line is lost or doubled.
func TestControlPlaneAway(t *testing.T) {
	plane := newSteady(someAssignment("1"))
	s := newScene(t, plane, fleet.Config{})
	c, _ := s.client(s.join("a"))
	sets := c.Watch(t.Context(), "")
	await(t, sets, "1")
	began := time.Now()
	lines := func(from, n int) (list []agent.Line) {
		for i := from; i < from+n; i++ {
			list = append(list, agent.Line{Instance: "1", At: began.Add(time.Duration(i)), Text: fmt.Sprintf("line %06d", i)})
		}
		return list
	}
	c.Log(lines(0, 10))
	s.stop()
	if err := c.Report(t.Context(), "", []agent.Status{{ID: "1", State: agent.Up}}); err == nil {
		t.Error("a report was taken by nobody")
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		c.Log(lines(10, 10)) // waits
	}()
	plane.put(someAssignment("2"), someAssignment("1"))
	s.start()
	await(t, sets, "2", "1")
	<-logged
	agenttest.InOrder(t, plane.Lines("1"))
	if n := len(plane.Lines("1")); n != 20 {
		t.Errorf("%d lines", n)
	}
	if err := c.Report(t.Context(), "", []agent.Status{{ID: "1", State: agent.Up}}); err != nil {
		t.Error(err)
	}
}

// A batch whose answer got lost is not written twice.
func TestLinesComeOnce(t *testing.T) {
	plane := newSteady(someAssignment("1"))
	s := newScene(t, plane, fleet.Config{})
	dir := s.join("a")
	c, _ := s.client(dir)
	await(t, c.Watch(t.Context(), ""), "1")
	at := time.Now()
	c.Log([]agent.Line{{Instance: "1", At: at, Text: "a"}, {Instance: "1", At: at.Add(1), Text: "b"}})
	again := fmt.Sprintf(`{"again":true,"lines":[{"i":"1","t":%q,"x":"Yg=="},{"i":"1","t":%q,"x":"Yw=="}]}`,
		at.Add(1).Format(time.RFC3339Nano), at.Add(2).Format(time.RFC3339Nano))
	if code, body := s.ask(shows(t, dir), "POST", "/v1/logs", again); code != 200 {
		t.Fatal(code, body)
	}
	var got strings.Builder
	for _, l := range plane.Lines("1") {
		got.WriteString(l.Text)
	}
	if got.String() != "abc" {
		t.Error(got.String())
	}
}

// An agent that starts without its control plane runs what it was last told,
// and what it is told once that is back.
func TestRunsTheLastSetAlone(t *testing.T) {
	plane := newSteady(someAssignment("1"))
	s := newScene(t, plane, fleet.Config{})
	dir := s.join("a")
	c, stop := s.client(dir)
	ctx, cancel := context.WithCancel(t.Context())
	await(t, c.Watch(ctx, ""), "1")
	cancel()
	stop()
	if st, err := os.Stat(filepath.Join(dir, "assignments")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	s.stop()
	c, _ = s.client(dir)
	sets := c.Watch(t.Context(), "")
	if set := <-sets; !slices.Equal(ids(set), []string{"1"}) || !set[0].Revive {
		t.Errorf("alone: %+v", set)
	}
	plane.put(someAssignment("2"))
	s.start()
	if set := <-sets; !slices.Equal(ids(set), []string{"2"}) || set[0].Revive {
		t.Errorf("no longer alone: %+v", set)
	}
}

// What is not signed for this host is not followed.
func TestFollowsNobodyElse(t *testing.T) {
	s, other := newScene(t, newSteady(someAssignment("1")), fleet.Config{}), newScene(t, newSteady(someAssignment("2")), fleet.Config{})
	dir, foreign := s.join("a"), other.join("a")
	c, stop := other.client(foreign)
	ctx, cancel := context.WithCancel(t.Context())
	await(t, c.Watch(ctx, ""), "2")
	cancel()
	stop()
	text, err := os.ReadFile(filepath.Join(foreign, "assignments"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "assignments"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	c, _ = s.client(dir)
	sets := c.Watch(t.Context(), "")
	s.start()
	if set := <-sets; !slices.Equal(ids(set), []string{"1"}) {
		t.Errorf("it follows %v", ids(set))
	}
}

// A control plane that does not lead sends nothing, and one whose epoch was
// overtaken is not believed.
func TestEpoch(t *testing.T) {
	plane := newSteady(someAssignment("1"))
	s := newScene(t, plane, fleet.Config{}).another(plane)
	dir := s.join("a")
	c, stop := s.client(dir)
	ctx, cancel := context.WithCancel(t.Context())
	sets := c.Watch(ctx, "")
	select {
	case set := <-sets:
		t.Errorf("without a leader: %v", ids(set))
	case <-time.After(100 * time.Millisecond):
	}
	end := s.lead(7)
	plane.put(someAssignment("2"))
	await(t, sets, "2")
	end()
	end = s.lead(6)
	plane.put(someAssignment("3"))
	end()
	end = s.lead(8)
	plane.put(someAssignment("4"))
	await(t, sets, "4")
	// It is remembered over a restart.
	cancel()
	stop()
	end()
	end = s.lead(7)
	plane.put(someAssignment("5"))
	c, _ = s.client(dir)
	sets = c.Watch(t.Context(), "")
	await(t, sets, "4") // the last one: for now the control plane is as good as away
	end()
	s.lead(9)
	plane.put(someAssignment("6"))
	await(t, sets, "6")
}

// A certificate is renewed at half its life, and also when it has run out
// while the control plane was away; with it the key. A lost answer locks nobody
// out.
func TestRenewal(t *testing.T) {
	for name, lose := range map[string]int{"": 0, "with a lost answer": 1} {
		t.Run(name, func(t *testing.T) {
			plane := newSteady(someAssignment("1"))
			s := newScene(t, plane, fleet.Config{CertificateLife: -time.Minute})
			dir := s.join("a")
			before, err := fleet.ReadIdentity(dir)
			if err != nil {
				t.Fatal(err)
			}
			s.stop()
			s.cfg.CertificateLife = 24 * time.Hour
			s.hosts.lose = lose
			s.start()
			c, _ := s.client(dir)
			await(t, c.Watch(t.Context(), ""), "1")
			after, err := fleet.ReadIdentity(dir)
			if err != nil || string(after.Certificate) == string(before.Certificate) || string(after.Key) == string(before.Key) || after.NextKey != nil {
				t.Error("the certificate or the key is the old one: ", err)
			}
			if code, _ := s.ask(shown(t, before), "POST", "/v1/renew", "{}"); code != 403 {
				t.Error("the old key is still good:", code)
			}
		})
	}
}

func TestRenewsAtHalfOfItsLife(t *testing.T) {
	plane := newSteady(someAssignment("1"))
	s := newScene(t, plane, fleet.Config{CertificateLife: 2 * time.Second})
	c, _ := s.client(s.join("a"))
	first := c.Identity().Certificate
	sets := c.Watch(t.Context(), "")
	await(t, sets, "1")
	for late := time.Now().Add(20 * time.Second); string(c.Identity().Certificate) == string(first); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it was not renewed")
		}
	}
	if err := c.Report(t.Context(), "", nil); err != nil {
		t.Error(err)
	}
}

// A host that was removed is told so and keeps trying: it is not the agent who
// decides what stops.
func TestRemovedHost(t *testing.T) {
	plane := newSteady(someAssignment("1"))
	s := newScene(t, plane, fleet.Config{})
	dir := s.join("a")
	s.hosts.remove("id-a")
	c, _ := s.client(dir)
	sets := c.Watch(t.Context(), "")
	err := c.Report(t.Context(), "", nil)
	if err == nil || !strings.Contains(err.Error(), "removed") {
		t.Error(err)
	}
	select {
	case set := <-sets:
		t.Errorf("it was given %v", ids(set))
	case <-time.After(500 * time.Millisecond): // longer than the last set, which there is none of, is waited for
	}
}
