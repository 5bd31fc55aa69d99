package faults

import (
	"slices"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

// An app reaches a linked one on other hosts: its deploys fail no request, a dyno
// that is killed none after it was noticed, and the loss of its host none twice.
func TestLinksAcrossHosts(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.must(t, "hosts:label", s.hosts[2].Name, "place=front")
	s.app(t, "shop", 1)
	s.must(t, "constraints:set", "place=front", "-a", "shop")
	s.app(t, "billing", 1)
	s.must(t, "constraints:set", "place!=front", "--unique", "-a", "billing")
	s.must(t, "ps:scale", "web=2", "-a", "billing")
	machinetest.Await(t, 60*time.Second, "caller on one host, the called on the others", func() bool {
		return len(s.hosts[2].running("shop")) == 1 && len(s.hosts[0].running("billing")) == 1 && len(s.hosts[1].running("billing")) == 1 && len(s.hosts[2].running("billing")) == 0
	})
	const through = "shop/ask/billing"
	event := time.Now()
	if _, err := s.get(through); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("without a link: %v", err)
	}
	t.Logf("without a link there is no such name, after %s", time.Since(event).Round(time.Millisecond))
	event = time.Now()
	s.must(t, "links:add", "billing", "-a", "shop")
	machinetest.Await(t, 20*time.Second, "reached", func() bool { return len(s.lives(through, 8)) == 2 })
	t.Logf("both dynos are reached %s after links:add", time.Since(event).Round(time.Millisecond))

	l := s.load(t, through, 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	event = time.Now()
	s.push(t, "billing", "v2")
	pass(2 * time.Second)
	cost := l.end(event)
	t.Logf("deploy of the linked app: %s", cost)
	if cost.failed > 0 || cost.asked < 100 {
		t.Errorf("requests failed: %v", cost.example)
	}

	l = s.load(t, through, 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	event = time.Now()
	if out, err := s.hosts[0].Docker(slices.Concat([]string{"kill"}, s.hosts[0].running("billing"))...); err != nil {
		t.Fatal(err, out)
	}
	pass(5 * time.Second)
	cost = l.end(event)
	t.Logf("a dyno of the linked app is killed: %s", cost)
	if cost.failedTwice > 0 || cost.failed > 0 && cost.last > time.Second {
		t.Errorf("requests failed: %v", cost.example)
	}

	machinetest.Await(t, 60*time.Second, "two dynos again", func() bool { return len(s.lives(through, 8)) == 2 })
	l = s.load(t, through, 8)
	machinetest.Await(t, 10*time.Second, "under way", func() bool { return len(l.seen()) == 2 })
	event = time.Now()
	s.hosts[1].Kill()
	s.await(t, s.hosts[1], 15*time.Second, "lost")
	pass(6 * time.Second)
	cost = l.end(event)
	t.Logf("a host of the linked app dies: %s", cost)
	if cost.failedTwice > 0 {
		t.Errorf("requests failed twice: %v", cost.example)
	}

	l = s.load(t, through, 8)
	machinetest.Await(t, 60*time.Second, "under way", func() bool { return len(l.seen()) == 1 })
	for range 5 {
		event = time.Now()
		s.must(t, "links:remove", "billing", "-a", "shop")
		removed := time.Since(event)
		machinetest.Await(t, 60*time.Second, "not reached any more", func() bool {
			_, err := s.get(through)
			return err != nil && strings.Contains(err.Error(), "no such host")
		})
		gone := time.Since(event)
		t.Logf("under load: links:remove takes %s, the name is gone %s after it began, the last answer came after %s", removed.Round(time.Millisecond),
			gone.Round(time.Millisecond), l.lastAnswer(event).Round(time.Millisecond))
		s.must(t, "links:add", "billing", "-a", "shop")
		machinetest.Await(t, 60*time.Second, "reached again", func() bool { return len(s.lives(through, 1)) == 1 })
	}
}
