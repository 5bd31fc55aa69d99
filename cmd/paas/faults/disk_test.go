package faults

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

const (
	smallDisk = 4 << 30   // bytes
	lastBytes = 200 << 20 // that are left of it
)

// The disk of one host fills up (R7): what runs there goes on, what is new goes
// elsewhere, people are told why; once there is room it takes dynos again.
func TestDiskIsFull(t *testing.T) {
	platformtest.Thorough(t)
	s := newSceneOn(t, 2, func(h *host) {
		if h.Name == "host-1" {
			h.Disk(t, smallDisk)
		}
	})
	small := s.hosts[0]
	s.must(t, "hosts:label", small.Name, "place=small")
	s.app(t, "blog", 1)
	s.must(t, "constraints:set", "place=small", "-a", "blog")
	machinetest.Await(t, 60*time.Second, "there", func() bool { return len(small.running("blog")) == 1 && len(s.hosts[1].running("blog")) == 0 })
	s.app(t, "shop", 2)
	machinetest.Await(t, 30*time.Second, "a dyno on each", func() bool { return len(small.running("shop")) == 1 && len(s.hosts[1].running("shop")) == 1 })
	l := s.load(t, "shop", 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })

	event := time.Now()
	small.fill(t)
	told := machinetest.Await(t, time.Minute, "told", func() bool { return s.says("is nearly full", "hosts") })
	if !s.says("is nearly full", "hosts:info", small.Name) || !s.says("free of 3.", "hosts:info", small.Name) {
		t.Error("hosts:info does not say so")
	}
	s.must(t, "ps:scale", "web=4", "-a", "shop")
	machinetest.Await(t, time.Minute, "four serving", func() bool { return len(s.lives("shop", 16)) == 4 })
	if here, there := len(small.running("shop")), len(s.hosts[1].running("shop")); here != 1 || there != 3 {
		t.Errorf("%d dynos on the host whose disk is full, %d on the other", here, there)
	}
	s.must(t, "ps:scale", "web=2", "-a", "blog")
	machinetest.Await(t, 20*time.Second, "explained", func() bool { return s.says("of disk free", "why", "web.2", "-a", "blog") })
	if n := len(small.running("blog")); n != 1 {
		t.Errorf("%d dynos of blog run", n)
	}
	cost := l.end(event)
	t.Logf("R7: told %s after the disk was full; %s", told.Round(time.Millisecond), cost)
	if cost.failed > 0 {
		t.Errorf("requests failed: %v", cost.example)
	}

	event = time.Now()
	small.Run(t, "rm", "--", small.Path("docker", "filler"))
	machinetest.Await(t, 2*time.Minute, "taken again", func() bool { return len(s.lives("blog", 8)) == 2 })
	t.Logf("R7: with room again it took a dyno after %s", time.Since(event).Round(time.Millisecond))
	if s.says("is nearly full", "hosts") {
		t.Error("hosts says that the disk is full")
	}
}

// fill takes all but the last bytes of the engine's disk, without writing them.
func (h *host) fill(t *testing.T) {
	t.Helper()
	said := strings.Fields(h.Run(t, "df", "--output=avail", "--block-size=1", "--", h.Path("docker")))
	free, err := strconv.ParseInt(said[len(said)-1], 10, 64)
	if err != nil || free <= lastBytes {
		t.Fatal("free disk:", said, err)
	}
	h.Run(t, "fallocate", "-l", strconv.FormatInt(free-lastBytes, 10), "--", h.Path("docker", "filler"))
}

// says is whether a command succeeds and prints a text.
func (s *scene) says(text string, args ...string) bool {
	out, err := s.paas(args...)
	return err == nil && strings.Contains(out, text)
}
