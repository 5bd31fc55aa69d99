package postgres_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/server"
)

// A host that was broken into cannot make the router go to another machine.
func TestHostSpeaksForItsOwnAddress(t *testing.T) {
	h := newHouse(t)
	instance := h.running(agent.Starting)
	id := h.joins("host-2")[0]
	f := h.fleet(server.FleetConfig{}, nil)
	j := machine("", "host-2")
	j.From = netip.MustParseAddr("10.91.1.3")
	j.Addr = "10.91.0.5" // where the database is
	h.refused(f.Announce(h.ctx, id, j), server.ErrInvalid, "join it anew")
	for _, bad := range []string{"fe80::1%\x1b[2J", "::ffff:10.91.1.2", "169.254.169.254", "0.0.0.0", "224.0.0.1"} {
		j.Addr = bad
		h.refused(f.Announce(h.ctx, id, j), server.ErrInvalid, "address")
	}
	j.Addr, j.MilliCPU = "10.91.1.2", 1<<62
	h.refused(f.Announce(h.ctx, id, j), server.ErrInvalid, "than any has")
	j.Addr, j.MilliCPU = "10.91.1.3", 2000 // it was moved
	h.must(f.Announce(h.ctx, id, j))
	if r := h.hostRow("host-2"); r.Addr != "10.91.1.3" || r.MilliCPU != 2000 {
		t.Errorf("%+v", r)
	}
	h.sql(`update instances set host_id = '` + id + `' where id = '` + instance + `'`)
	for _, addr := range []string{"10.91.0.5:5432", "169.254.169.254:80", "metadata:80", "10.91.1.30:80"} {
		_, err := h.Report(h.ctx, id, 0, []agent.Status{{ID: instance, State: agent.Starting, Addr: addr}})
		h.must(err)
		if list, err := h.Instances(h.ctx, h.app.ID); err != nil || list[0].Addr != "" {
			t.Errorf("%+v %v", list, err)
		}
	}
	_, err := h.Report(h.ctx, id, 0, []agent.Status{{ID: instance, State: agent.Up, Addr: "10.91.0.5:5432"}})
	h.must(err)
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	if list[0].State != "crashed" || list[0].Addr != "" || !strings.Contains(list[0].Reason, "not at its host's address") {
		t.Errorf("%+v", list[0])
	}
}

// The database's clock was set back: a host is heard of now, not in an hour,
// and can be lost.
func TestSeenInTheFuture(t *testing.T) {
	h := newHouse(t)
	id := h.joins("host-2")[0]
	h.sql(`update hosts set seen_at = now() + interval '1 hour' where name = 'host-2'`)
	_, err := h.Pulse(h.ctx, []server.HostBeat{{Host: id, Engine: true}}, time.Second)
	h.must(err)
	if at := h.hostRow("host-2").SeenAt; time.Until(at) > time.Minute {
		t.Errorf("it is heard of at %s", at)
	}
}

// Where a host is and what it runs on is for admins.
func TestHostsTellNoAddressesToOthers(t *testing.T) {
	h := newHouse(t)
	h.joins("host-2")
	if r := h.hostRow("host-2"); r.Addr != "10.91.1.2" || r.Agent != "dev" || r.Engine != "20.10" {
		t.Errorf("an admin is told %+v", r)
	}
	r, err := h.svc.Host(h.ctx, h.person("nobody@example.com"), "host-2")
	h.must(err)
	if r.Addr+r.Agent+r.Engine != "" || r.Name != "host-2" {
		t.Errorf("somebody else is told %+v", r)
	}
}
