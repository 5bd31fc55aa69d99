package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// keeper makes an app that adds the name of each of its processes to a file on a
// volume, which it holds locked; it gives the host that keeps the data.
func (s *scene) keeper(t *testing.T, name string) *host {
	t.Helper()
	s.app(t, name, 1)
	machinetest.Await(t, time.Minute, "a volume made", func() bool {
		_, err := s.paas("volumes:create", "data", "-a", name) // a new host has not told its disk yet
		return err == nil
	})
	s.must(t, "volumes:attach", "data", "/data", "-a", name)
	// The dyno before had no volume, and may end after the new one serves.
	machinetest.Await(t, time.Minute, "alone on its volume", func() bool { return len(s.noted(name)) == 1 && s.writers(name) == 1 })
	h, _ := s.of(t, name)
	return h
}

// writers is how many containers of an app run, on all hosts.
func (s *scene) writers(app string) (n int) {
	for _, h := range s.hosts {
		n += len(h.running(app))
	}
	return n
}

// noted are the processes that have had the volume, oldest first; the app ends
// when another one has it at the same time.
func (s *scene) noted(app string) []string {
	all, err := s.get(app + "/kept")
	if err != nil || all == "-" {
		return nil
	}
	return strings.Split(all, ",")
}

// A host with a volume dies and comes back: its dyno waits and says for what,
// other apps move, and the data is as it was.
func TestHostWithVolumeDies(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	victim := s.keeper(t, "notes")
	s.app(t, "shop", 3)
	before := s.noted("notes")

	event := time.Now()
	victim.Kill()
	s.await(t, victim, time.Minute, "lost")
	waits := machinetest.Await(t, time.Minute, "said", func() bool {
		return s.says(fmt.Sprintf("the data of volume data is on %s, and that host is lost", victim.Name), "why", "web.1", "-a", "notes")
	})
	machinetest.Await(t, time.Minute, "others moved", func() bool { return len(s.lives("shop", 12)) == 3 })
	for _, h := range s.hosts {
		if h != victim && len(h.running("notes")) > 0 {
			t.Errorf("it runs on %s, without its data", h.Name)
		}
	}
	victim.comeBack(t)
	machinetest.Await(t, 2*time.Minute, "back with its data", func() bool { return len(s.noted("notes")) == len(before)+1 })
	if got := s.noted("notes"); len(got) == 0 || got[0] != before[0] {
		t.Errorf("the data is %v, was %v", got, before)
	}
	t.Logf("a host with a volume dies: why tells %s later, the dyno is back with its data %s after the death", waits.Round(time.Millisecond), time.Since(event).Round(time.Millisecond))
}

// A host with a volume is cut off, and comes back: at no time do two write.
func TestHostWithVolumeIsCutOff(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 2)
	victim := s.keeper(t, "notes")
	before := s.noted("notes")
	for round := range 2 {
		s.cut(t, victim.Machine, says, hears)
		s.await(t, victim, time.Minute, "lost")
		machinetest.Await(t, time.Minute, "said", func() bool { return s.says("that host is lost", "why", "web.1", "-a", "notes") })
		if n := s.writers("notes"); n > 1 {
			t.Errorf("round %d: %d write", round, n)
		}
		s.mend(t, victim.Machine, says, hears)
		machinetest.Await(t, 2*time.Minute, "serving again", func() bool {
			if n := s.writers("notes"); n > 1 {
				t.Errorf("round %d: %d write", round, n)
			}
			return len(s.noted("notes")) > round+len(before)
		})
	}
	if got := s.noted("notes"); got[0] != before[0] {
		t.Errorf("the data is %v, was %v", got, before)
	}
	if s.says("crashed", "events", "-a", "notes") {
		t.Error("a dyno found its volume in use")
	}
}
