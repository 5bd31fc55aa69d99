package fleet_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/server/fleet"
)

// backWithin is far above how long a host takes to be with a new leader once
// that is there, which is less than a second; the times are logged.
const backWithin = 30 * time.Second

// several are the servers of one control plane.
type several struct {
	mu      sync.Mutex
	leader  string
	servers []string
}

func (s *several) Where() fleet.Where {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fleet.Where{Leader: s.leader, Servers: append([]string{}, s.servers...)}
}

func (s *several) say(leader string, servers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader, s.servers = leader, servers
}

// beating sends signs of life as an agent does, until the test ends.
func beating(t *testing.T, c *fleet.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for every := time.NewTicker(100 * time.Millisecond); ; {
			c.Beat("", agent.Beat{Engine: true})
			select {
			case <-every.C:
			case <-ctx.Done():
				every.Stop()
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// cluster is three servers, of which the first leads under epoch 1, and a host
// that joined it.
func cluster(t *testing.T, known *several) (servers [3]*scene, planes [3]*steady, dir string, end func()) {
	for i := range planes {
		planes[i] = newSteady(someAssignment(string(rune('1' + i))))
	}
	first := newScene(t, planes[0], fleet.Config{Where: known.Where})
	servers = [3]*scene{first.another(planes[0]), first.another(planes[1]), first.another(planes[2])}
	first.stop()
	known.say(servers[0].addr, servers[0].addr, servers[1].addr, servers[2].addr)
	end = servers[0].lead(1)
	return servers, planes, servers[0].join("a"), end
}

// A leader goes, another comes: the host is with it at once, whatever has become
// of the first.
func TestLeaderChanges(t *testing.T) {
	for name, away := range map[string]func(s *scene, end func()){
		"it is gone":             func(s *scene, _ func()) { s.stop() },
		"it leads no more":       func(_ *scene, end func()) { end() },
		"it is gone, as a whole": func(s *scene, end func()) { end(); s.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			known := &several{}
			s, _, dir, end := cluster(t, known)
			c, _ := s[0].client(dir)
			beating(t, c)
			sets := c.Watch(t.Context(), "")
			await(t, sets, "1")
			away(s[0], end)
			began := time.Now()
			s[2].lead(2) // nobody says so
			await(t, sets, "3")
			took := time.Since(began)
			t.Log("with the new leader after", took)
			if took > backWithin {
				t.Errorf("it took %s", took)
			}
			if err := c.Report(t.Context(), "", []agent.Status{{ID: "3", State: agent.Starting}}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A leader that takes connections and says nothing, as one that is stopped does,
// is left after a second.
func TestLeaderIsSilent(t *testing.T) {
	known := &several{}
	s, planes, dir, _ := cluster(t, known)
	c, _ := s[0].client(dir)
	beating(t, c)
	sets := c.Watch(t.Context(), "")
	await(t, sets, "1")
	release := planes[0].hold()
	defer release()
	began := time.Now()
	s[1].lead(2)
	await(t, sets, "2")
	if took := time.Since(began); took > backWithin {
		t.Errorf("with the new leader after %s", took)
	}
	// What the first still says is not followed.
	release()
	planes[0].put(someAssignment("9"))
	planes[1].put(someAssignment("4"))
	await(t, sets, "4")
}

// A host that starts again goes to who led last, also when the server it joined
// is no more and the others do not know who leads.
func TestServersAreRemembered(t *testing.T) {
	known := &several{}
	s, _, dir, end := cluster(t, known)
	c, stop := s[0].client(dir)
	beating(t, c)
	await(t, c.Watch(t.Context(), ""), "1")
	end()
	s[2].lead(2)
	await(t, c.Watch(t.Context(), ""), "3")
	stop()
	s[0].stop()
	known.say("")
	c, _ = s[0].client(dir)
	beating(t, c)
	await(t, c.Watch(t.Context(), ""), "3")
	// A list that somebody has changed is not believed; the host begins anew.
	if err := os.WriteFile(filepath.Join(dir, "servers.json"), []byte(`{"leader":"203.0.113.9:1","servers":"bm9uZQ=="}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s[0].start()
	known.say(s[2].addr, s[0].addr, s[2].addr)
	c, _ = s[0].client(dir)
	await(t, c.Watch(t.Context(), ""), "3") // by what the first one says, without a sign of life
}

// A server that is started anew is on no list meanwhile. It is asked all the same
// when it is the only one left.
func TestServerThatLeftIsAskedAgain(t *testing.T) {
	known := &several{}
	s, _, dir, end := cluster(t, known)
	c, stop := s[0].client(dir)
	beating(t, c)
	await(t, c.Watch(t.Context(), ""), "1")
	of := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(dir, "servers.json")) // which is not there yet at first
		var kept map[string]any
		_ = json.Unmarshal(text, &kept)
		list, _ := kept[name].(string)
		return list
	}
	eventually(t, "all are known", func() bool { return of("servers") != "" })
	all := of("servers")
	known.say(s[0].addr, s[0].addr)
	eventually(t, "the others have left", func() bool { return of("servers") != all })
	if of("former") != all {
		t.Errorf("the list before is %q, it was %q", of("former"), all)
	}
	end()
	s[0].stop()
	s[2].lead(2)
	await(t, c.Watch(t.Context(), ""), "3")
	// An agent that starts anew knows them, too.
	stop()
	c, _ = s[0].client(dir)
	beating(t, c)
	await(t, c.Watch(t.Context(), ""), "3")
}

// A machine joins at any server, and is a host of all.
func TestJoinAtFollower(t *testing.T) {
	known := &several{}
	s, _, _, _ := cluster(t, known)
	c, _ := s[1].client(s[1].join("b"))
	await(t, c.Watch(t.Context(), ""), "1")
}

// The order of sets rests on no clock: the next leader begins to count anew,
// under an epoch of its own.
func TestSetsAreCounted(t *testing.T) {
	known := &several{}
	s, planes, dir, end := cluster(t, known)
	c, _ := s[0].client(dir)
	beating(t, c)
	sets := c.Watch(t.Context(), "")
	for _, id := range []string{"5", "6", "7"} {
		planes[0].put(someAssignment(id))
		await(t, sets, id)
	}
	end()
	s[1].lead(2)
	await(t, sets, "2")
}

// A host that no server knows any more does not go round in circles.
func TestRefusedByAll(t *testing.T) {
	known := &several{}
	s, _, dir, _ := cluster(t, known)
	s[0].hosts.remove("id-a")
	c, _ := s[0].client(dir)
	if err := c.Report(t.Context(), "", []agent.Status{{ID: "1", State: agent.Starting}}); err == nil {
		t.Error("a host that was removed is heard")
	}
}
