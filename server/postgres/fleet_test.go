package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

func keyOf(name string) []byte {
	h := sha256.Sum256([]byte(name))
	return h[:]
}

func machine(token, key string) server.Join {
	return server.Join{Token: token, Arch: "amd64", MilliCPU: 4000, Memory: 4 << 30, Addr: "10.91.1.2", Agent: "dev", Engine: "20.10", Key: keyOf(key)}
}

// fleet is the hosts' side with the figures of a test.
func (h *house) fleet(cfg server.FleetConfig, store server.FleetStore) *server.Fleet {
	if store == nil {
		store = h.Store
	}
	return server.NewFleet(cfg, store, nil, server.NewBell(), slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// joins makes hosts of machines and gives their ids.
func (h *house) joins(names ...string) []string {
	h.t.Helper()
	f, op := h.fleet(server.FleetConfig{}, nil), h.svc.Operator()
	ids := make([]string, len(names))
	for i, name := range names {
		inv, err := h.svc.AddHost(h.as(op), op, name, map[string]string{"zone": name[:1]})
		h.must(err)
		ids[i], _, err = f.Join(h.ctx, machine(inv.Token, name))
		h.must(err)
	}
	return ids
}

// host is a host as people see it.
func (h *house) hostRow(name string) server.HostRow {
	h.t.Helper()
	r, err := h.svc.Host(h.ctx, server.Actor{Account: h.user}, name)
	h.must(err)
	return r
}

// Whoever comes first with a token is the host; the same machine may ask again,
// another may not.
func TestOneTokenOneHost(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	f := h.fleet(server.FleetConfig{}, nil)
	void, err := h.svc.AddHost(h.as(op), op, "host-2", nil)
	h.must(err)
	inv, err := h.svc.AddHost(h.as(op), op, "host-2", map[string]string{"zone": "a"})
	h.must(err)
	if void.Replaces || !inv.Replaces || inv.Fleet != "paas.example.com:8443" || inv.CA != "ab12" || time.Until(inv.ExpiresAt) > time.Hour || time.Until(inv.ExpiresAt) < 50*time.Minute {
		t.Errorf("invitation %+v", inv)
	}
	var ids [8]string
	var errs [8]error
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() { ids[i], _, errs[i] = f.Join(h.ctx, machine(inv.Token, fmt.Sprint("key", i%2))) })
	}
	all.Wait()
	won := slices.IndexFunc(errs[:], func(err error) bool { return err == nil })
	for i := range ids {
		if i%2 == won%2 && (errs[i] != nil || ids[i] != ids[won]) {
			t.Errorf("the machine that joined asks again: %s, %v", ids[i], errs[i])
		}
		if i%2 != won%2 && !server.IsID(errs[i], server.ErrUnauthorized) {
			t.Errorf("another machine with its token: %s, %v", ids[i], errs[i])
		}
	}
	_, _, err = f.Join(h.ctx, machine(void.Token, "key3"))
	h.refused(err, server.ErrUnauthorized, "has not joined")
	_, _, err = f.Join(h.ctx, machine(void.Token+"x", "key3"))
	h.refused(err, server.ErrUnauthorized, "has not joined")
	_, err = h.svc.AddHost(h.as(op), op, "host-2", nil)
	h.refused(err, server.ErrConflict, "already")
	late, err := h.svc.AddHost(h.as(op), op, "host-3", nil)
	h.must(err)
	h.sql(`update host_tokens set expires_at = now() where used_at is null`)
	_, _, err = f.Join(h.ctx, machine(late.Token, "key3"))
	h.refused(err, server.ErrUnauthorized, "expired")
	r := h.hostRow("host-2")
	if r.State != server.HostSettling || !strings.Contains(r.Note, "not been heard of yet") || r.Labels["zone"] != "a" || r.Local || !h.hostRow("host-1").Local {
		t.Errorf("a host that has joined: %+v", r)
	}
	h.keys(f, ids[won], fmt.Sprint("key", won%2))
}

// What paas doctor found on a machine is told to admins; where floors are
// required, a machine with a known hole does not join, nor goes on as one.
func TestFindingsOfHosts(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	f, strict := h.fleet(server.FleetConfig{}, nil), h.fleet(server.FleetConfig{RequireFloors: true}, nil)
	inv, err := h.svc.AddHost(h.as(op), op, "host-2", nil)
	h.must(err)
	j := machine(inv.Token, "key")
	j.Boot, j.Findings = "b1", []server.Finding{{Check: "runc", Status: "warn", Found: "1.1.5", Cause: "below 1.3.6", Below: true}}
	_, _, err = strict.Join(h.ctx, j)
	h.refused(err, server.ErrInvalid, "runc 1.1.5 is below 1.3.6")
	id, _, err := f.Join(h.ctx, j)
	h.must(err)
	if r := h.hostRow("host-2"); r.Boot != "b1" || len(r.Findings) != 1 || r.Findings[0] != j.Findings[0] {
		t.Errorf("%+v", r)
	}
	plain, err := h.svc.Host(h.ctx, h.person("joe@example.com"), "host-2")
	if err != nil || plain.Findings != nil || plain.Boot != "" {
		t.Errorf("everybody is told %+v, %v", plain, err)
	}
	h.refused(strict.Announce(h.ctx, id, j), server.ErrInvalid, "--require-floors")
	j.Boot, j.Findings = "b2", nil
	h.must(strict.Announce(h.ctx, id, j))
	if r := h.hostRow("host-2"); r.Boot != "b2" || len(r.Findings) != 0 {
		t.Errorf("after it was mended: %+v", r)
	}
	j.Findings = []server.Finding{{Check: "runc", Status: "warn", Found: "1.1.5"}}
	h.must(f.Announce(h.ctx, id, j))
	j.Findings, j.Unexamined, j.Boot = nil, true, "b3"
	h.must(f.Announce(h.ctx, id, j))
	if r := h.hostRow("host-2"); r.Boot != "b3" || len(r.Findings) != 1 {
		t.Errorf("before it was examined anew: %+v", r)
	}
	j.Unexamined = false
	for _, bad := range []server.Finding{{Check: "x", Status: "fine"}, {Status: "warn"}, {Check: "x", Status: "warn", Found: "a\x1bb"}, {Check: "x", Status: "warn", Cause: strings.Repeat("x", 501)}} {
		j.Findings = []server.Finding{bad}
		h.refused(f.Announce(h.ctx, id, j), server.ErrInvalid, "Nothing was changed")
	}
	j.Findings = make([]server.Finding, 31)
	h.refused(f.Announce(h.ctx, id, j), server.ErrInvalid, "more than 30")
}

// A machine that may join is there for admins, until it has or is not to.
func TestInvitedHosts(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	inv, err := h.svc.AddHost(h.as(op), op, "a-new", map[string]string{"zone": "b"})
	h.must(err)
	r := h.hostRow("a-new")
	if r.State != server.HostInvited || !strings.Contains(r.Note, "paas hosts:remove a-new") || r.Labels["zone"] != "b" || r.Silent(time.Now()) {
		t.Errorf("%+v", r)
	}
	if rows, err := h.svc.Hosts(h.ctx, h.person("joe@example.com")); err != nil || len(rows) != 1 {
		t.Errorf("who is no admin sees %+v, %v", rows, err)
	}
	_, err = h.svc.ChangeHost(h.as(op), op, "a-new", server.HostChange{Cordon: on(true)})
	h.refused(err, server.ErrConflict, "has not joined yet")
	_, err = h.svc.PlanDrill(h.as(op), op, "a-new")
	h.refused(err, server.ErrConflict, "not heard of")
	_, err = h.svc.RemoveHost(h.as(op), op, "a-new", false)
	h.must(err)
	_, _, err = h.fleet(server.FleetConfig{}, nil).Join(h.ctx, machine(inv.Token, "k"))
	h.refused(err, server.ErrUnauthorized, "has not joined")
	_, err = h.svc.Host(h.ctx, op, "a-new")
	h.refused(err, server.ErrNotFound, "paas hosts")
	h.joins("b-host")
	if rows, err := h.svc.Hosts(h.ctx, op); err != nil || len(rows) != 2 {
		t.Errorf("who has joined is there twice: %+v, %v", rows, err)
	}
}

// keys renews the key of a host and removes it.
func (h *house) keys(f *server.Fleet, id, key string) {
	h.t.Helper()
	for range 2 { // the answer may have got lost
		h.must(f.RenewKey(h.ctx, id, keyOf(key), keyOf("new")))
	}
	if got, err := f.HostByKey(h.ctx, keyOf("new")); err != nil || got != id {
		h.t.Errorf("by its new key: %s, %v", got, err)
	}
	_, err := f.HostByKey(h.ctx, keyOf(key))
	h.refused(err, server.ErrNotFound, "host")
	h.refused(f.RenewKey(h.ctx, id, keyOf(key), keyOf("newer")), server.ErrNotFound, "host")
	h.must(f.HostExists(h.ctx, id))
	op := h.svc.Operator()
	_, err = h.svc.RemoveHost(h.as(op), op, "host-2", false)
	h.must(err)
	h.refused(f.HostExists(h.ctx, id), server.ErrNotFound, "host")
	_, err = f.HostByKey(h.ctx, keyOf("new"))
	h.refused(err, server.ErrNotFound, "host")
	_, err = h.svc.RemoveHost(h.as(op), op, "host-1", true)
	h.refused(err, server.ErrConflict, "cannot be removed")
}

// beater sends signs of life of hosts until it is told to leave some out.
type beater struct {
	mu    sync.Mutex
	hosts map[string]bool
}

func (b *beater) set(on bool, hosts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range hosts {
		b.hosts[h] = on
	}
}

func (b *beater) run(ctx context.Context, f *server.Fleet, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		b.mu.Lock()
		for h, on := range b.hosts {
			if on {
				f.Beat(h, agent.Beat{At: time.Now(), Engine: true})
			}
		}
		b.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// beating runs a fleet under a lease of its own until the test ends.
func (h *house) beating(store server.FleetStore, epoch func() int64, hosts ...string) *beater {
	h.t.Helper()
	f := h.fleet(server.FleetConfig{Lease: 600 * time.Millisecond, Flush: 50 * time.Millisecond, Epoch: epoch}, store)
	b := &beater{hosts: map[string]bool{}}
	b.set(true, hosts...)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = f.Run(ctx) })
	running.Go(func() { b.run(ctx, f, 50*time.Millisecond) })
	h.t.Cleanup(func() { cancel(); running.Wait() })
	return b
}

func (h *house) lease() func() int64 {
	h.t.Helper()
	epoch, err := h.TakeLease(h.ctx, server.LeaderLease, "test", time.Hour)
	h.must(err)
	return func() int64 { return epoch }
}

// awaitState waits until a host is in a state for people.
func (h *house) awaitState(name string, want server.HostState) time.Duration {
	h.t.Helper()
	began := time.Now()
	h.until(fmt.Sprintf("%s that is %s", name, want), func() bool { return h.hostRow(name).State == want })
	return time.Since(began)
}

// watched counts the declarations of loss, and can cut the store off.
type watched struct {
	server.FleetStore
	away   atomic.Bool
	over   atomic.Int64 // pulses that found somebody overdue
	failed atomic.Int64 // pulses that were cut off
}

func (w *watched) Pulse(ctx context.Context, beats []server.HostBeat, lease time.Duration) (server.Pulse, error) {
	if w.away.Load() {
		w.failed.Add(1)
		return server.Pulse{}, server.Errorf(server.ErrUnavailable, "cut off")
	}
	p, err := w.FleetStore.Pulse(ctx, beats, lease)
	if len(p.Overdue) > 0 {
		w.over.Add(1)
	}
	return p, err
}

// One host of four that is silent is lost, and back when it is heard of. Three
// of them at once are not: it may be the control plane that hears nothing.
func TestLossAndGuard(t *testing.T) {
	h := newHouse(t)
	ids := h.joins("a-host", "b-host", "c-host", "d-host")
	seen := &watched{FleetStore: h.Store}
	b := h.beating(seen, h.lease(), ids...)
	for _, name := range []string{"a-host", "b-host", "c-host", "d-host"} {
		h.awaitState(name, server.HostReady)
	}
	b.set(false, ids[0])
	t.Logf("lost %s after its last beat, of a lease of 600ms", h.awaitState("a-host", server.HostLost).Round(time.Millisecond))
	b.set(true, ids[0])
	h.awaitState("a-host", server.HostSettling)

	b.set(false, ids[1:]...)
	from := seen.over.Load()
	h.until("guard", func() bool { return seen.over.Load() > from+20 })
	for _, name := range []string{"b-host", "c-host", "d-host"} {
		if s := h.hostRow(name).State; s != server.HostReady {
			t.Errorf("%s is %s while three of four are silent", name, s)
		}
	}
	h.sql(`update hosts set seen_at = now() - interval '1 min' where name = 'd-host'`)
	if r := h.hostRow("d-host"); !strings.Contains(r.Note, "not declared lost") && !strings.Contains(r.Note, "not heard of") {
		t.Errorf("nothing is said of the silence: %+v", r)
	}
	b.set(true, ids[1], ids[2])
	h.awaitState("d-host", server.HostLost) // now it alone is silent
	if s := h.hostRow("b-host").State; s != server.HostReady {
		t.Errorf("b-host is %s", s)
	}
}

// Nobody is lost who had no time to be heard: not after a start, not after the
// database was away, and never by one who does not lead.
func TestGrace(t *testing.T) {
	h := newHouse(t)
	ids := h.joins("a-host", "b-host", "c-host", "d-host")
	h.sql(`update hosts set seen_at = now() - interval '1 hour' where not local`) // the control plane was off
	seen := &watched{FleetStore: h.Store}
	var leads atomic.Int64
	b := h.beating(seen, leads.Load, ids[1:]...)
	h.until("pulses", func() bool { return seen.over.Load() > 20 })
	if s := h.hostRow("a-host").State; s == server.HostLost {
		t.Error("one that does not lead has declared a host lost")
	}
	began := time.Now()
	leads.Store(h.lease()())
	if h.awaitState("a-host", server.HostLost); time.Since(began) < 1200*time.Millisecond {
		t.Errorf("lost %s after the lease was taken", time.Since(began))
	}

	seen.away.Store(true)
	b.set(false, ids[1])
	h.sql(`update hosts set seen_at = now() - interval '1 hour' where not local`)
	h.until("pulse without the database", func() bool { return seen.failed.Load() > 0 })
	seen.away.Store(false)
	back := time.Now()
	h.awaitState("b-host", server.HostLost)
	if time.Since(back) < 500*time.Millisecond {
		t.Errorf("lost %s after the database was back", time.Since(back))
	}
	for _, name := range []string{"c-host", "d-host"} {
		if s := h.hostRow(name).State; s != server.HostReady {
			t.Errorf("%s is %s", name, s)
		}
	}
}

// Each loss that comes soon after the one before keeps a host empty for twice as
// long.
func TestFlappingHostWaits(t *testing.T) {
	h := newHouse(t)
	ids := h.joins("a-host")
	epoch := h.lease()()
	const lease = 2500 * time.Millisecond
	_, err := h.Pulse(h.ctx, []server.HostBeat{{Host: ids[0], Engine: true}}, lease)
	h.must(err)
	var waits []string
	flap := func() {
		h.sql(`update hosts set seen_at = now() - interval '3 s' where not local`)
		p, err := h.Pulse(h.ctx, nil, lease)
		h.must(err)
		names, err := h.LoseHosts(h.ctx, p.Overdue, lease, epoch)
		h.must(err)
		if len(names) != 1 || h.hostRow("a-host").State != server.HostLost {
			t.Fatalf("lost %v", names)
		}
		p, err = h.Pulse(h.ctx, []server.HostBeat{{Host: ids[0], Engine: true}}, lease)
		h.must(err)
		if len(p.Back) != 1 {
			t.Fatalf("back %v", p.Back)
		}
		waits = append(waits, time.Until(h.hostRow("a-host").SteadyAt).Round(5*time.Second).String())
	}
	for range 7 {
		flap()
	}
	h.sql(`update hosts set steady_at = now() - interval '11 min' where not local`)
	flap()
	if got := strings.Join(waits, " "); got != "10s 20s 40s 1m20s 2m40s 5m0s 5m0s 10s" {
		t.Errorf("waits %s", got)
	}
	_, err = h.LoseHosts(h.ctx, ids, lease, epoch+1)
	if err == nil {
		t.Error("a host is declared lost under an epoch that is not the leader's")
	}
}

// A host that settles while the database's clock is set back settles for as long
// as it had to, and not until the clock is there again; those that wait hear of it.
func TestHostSettlesWhileTheClockIsSet(t *testing.T) {
	h := newHouse(t)
	ids := h.joins("a-host", "b-host")
	beats := []server.HostBeat{{Host: ids[0], Engine: true}, {Host: ids[1], Engine: true}}
	_, err := h.Pulse(h.ctx, beats, time.Minute)
	h.must(err)
	h.sql(fmt.Sprintf(`update hosts set steady_at = now() + interval '40 s' where id = '%s'`, ids[0]),
		`update hosts set seen_at = seen_at + interval '1 hour', steady_at = steady_at + interval '1 hour' where not local`)
	_, err = h.Pulse(h.ctx, beats, time.Minute)
	h.must(err)
	if left := time.Until(h.hostRow("a-host").SteadyAt); left < 0 || left > 41*time.Second {
		t.Errorf("it settles for %s", left)
	}
	if s := h.hostRow("b-host").State; s != server.HostReady {
		t.Errorf("the other is %s", s)
	}
}

// What was on a lost host starts elsewhere, what was to go is forgotten, and a
// one-off has ended; while the host is there, none of it happens.
func TestLostInstancesAreReplaced(t *testing.T) {
	h := newHouse(t)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.must(h.SetFormation(h.ctx, h.app.ID, "x", []server.Formation{{AppID: h.app.ID, Type: "web", Quantity: 2, Size: "Standard-1X"}}))
	ids := h.joins("a-host")
	run := h.createRun()
	_, err := h.Pulse(h.ctx, []server.HostBeat{{Host: ids[0], Engine: true}}, time.Minute)
	h.must(err)
	h.placed()
	h.sql(fmt.Sprintf(`update instances set host_id = '%s'`, ids[0]), `update instances set state = 'up', up_at = now() where not one_off`,
		`update instances set state = 'draining' where ordinal = 2`)
	snap, err := h.Snapshot(h.ctx, h.app.ID)
	h.must(err)
	var ops []scheduler.Op
	for _, in := range snap.State.Instances {
		switch {
		case in.OneOff:
			ops = append(ops, scheduler.Op{Kind: scheduler.OpLose, Instance: in.ID})
		case in.Ordinal == 2:
			ops = append(ops, scheduler.Op{Kind: scheduler.OpDrop, Instance: in.ID})
		default:
			ops = append(ops, scheduler.Op{Kind: scheduler.OpStart, Replaces: in.ID, Release: in.Release, Type: "web", Ordinal: 1, Host: h.host.ID, MilliCPU: 1, Memory: 1})
		}
	}
	h.must(h.Commit(h.ctx, h.app.ID, snap.App.Revision, 0, ops))
	if got := h.spread(ids[0]); got != "there 3 elsewhere 0" {
		t.Errorf("while the host is there: %s", got)
	}
	h.sql(`update hosts set state = 'lost', lost_at = now() where not local`)
	snap, err = h.Snapshot(h.ctx, h.app.ID)
	h.must(err)
	h.must(h.Commit(h.ctx, h.app.ID, snap.App.Revision, 0, ops))
	if got := h.spread(ids[0]); got != "there 0 elsewhere 1" {
		t.Errorf("on the lost host: %s", got)
	}
	if r := h.run(run.ID); r.State != server.RunStopped || r.Reason != "its host was lost" {
		t.Errorf("the one-off: %+v", r)
	}
	h.placed()
	if got := h.spread(ids[0]); got != "there 0 elsewhere 2" {
		t.Errorf("at rest: %s", got)
	}
}

func (h *house) spread(host string) string {
	h.t.Helper()
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	there := 0
	for _, in := range list {
		if in.HostID == host {
			there++
		}
	}
	return fmt.Sprintf("there %d elsewhere %d", there, len(list)-there)
}
