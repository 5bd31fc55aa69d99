package postgres_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"paas/scheduler"
	"paas/scheduler/agent"
	"paas/server"
)

// stock says what hosts have; each keeps volumes from then on.
func (h *house) stock(stocks map[string]agent.Stock) {
	h.t.Helper()
	h.must(h.TakeStock(h.ctx, stocks))
}

// mount makes a release that has a volume live.
func (h *house) mount(mounts ...server.Mount) server.Deploy {
	h.t.Helper()
	h.config()
	d := h.claim("one")
	r, err := h.WriteRelease(h.ctx, *d, "one", func(ctx context.Context, d server.Draft) (server.Content, error) {
		c, err := draft(ctx, d)
		c.Mounts = mounts
		return c, err
	})
	h.must(err)
	return r
}

func TestVolumeFromCreateToDestroy(t *testing.T) {
	h := newHouse(t)
	who := server.Actor{Account: h.user}
	create := func(n server.NewVolume) (server.Volume, error) {
		return h.svc.CreateVolume(h.as(who), who, h.app.Name, n)
	}
	if _, err := create(server.NewVolume{Name: "data"}); err == nil || !strings.Contains(err.Error(), "host-1 has not told what disk it has") {
		t.Fatalf("on a host that says nothing: %v", err)
	}
	h.stock(map[string]agent.Stock{h.host.ID: {DiskFree: 40 << 30, DiskTotal: 100 << 30}})
	if _, err := create(server.NewVolume{Name: "data", Size: 60 << 30}); err == nil || !strings.Contains(err.Error(), "has 40960 MB of disk free, needs 61440 MB") {
		t.Errorf("larger than the disk: %v", err)
	}
	v, err := create(server.NewVolume{Name: "data", Size: 1 << 30})
	h.must(err)
	h.sql(`update hosts set cordoned = true`)
	for _, host := range []string{"", "host-1", h.host.ID} {
		if _, err := create(server.NewVolume{Name: "x", Host: host}); err == nil || !strings.Contains(err.Error(), "host-1 is cordoned") {
			t.Errorf("on %q, which is cordoned: %v", host, err)
		}
	}
	h.sql(`update hosts set cordoned = false`)
	if _, err := create(server.NewVolume{Name: "x", Host: "host-1", Size: 60 << 30}); err == nil || !strings.Contains(err.Error(), "needs 61440 MB") {
		t.Errorf("larger than the disk of the host that is asked for: %v", err)
	}
	if _, err := create(server.NewVolume{Name: "x", Driver: "nfs"}); err == nil || !strings.Contains(err.Error(), "there are lakes") {
		t.Errorf("by a driver that nobody has allowed: %v", err)
	}
	lake, err := create(server.NewVolume{Name: "lake", Driver: "lakes"})
	h.must(err)
	_, err = h.svc.DestroyVolume(h.as(who), who, h.app.Name, lake.ID)
	h.must(err)
	if list, err := h.DestroyedVolumes(h.ctx); err != nil || len(list) != 0 {
		t.Errorf("a volume that no release had is to be deleted by hosts: %+v %v", list, err)
	}
	if v.Host != "host-1" || v.HostID != h.host.ID || v.Made || v.Mount != nil || v.Size != 1<<30 {
		t.Errorf("%+v", v)
	}
	for _, n := range []server.NewVolume{{Name: "data"}, {Name: "Data"}, {Name: "x", Host: "host-9"}, {Name: "x", Driver: "local"}, {Name: "x", Driver: "a b"}, {Name: "x", Driver: "nfs", Host: "host-1"}, {Name: "x", Size: -1}} {
		if _, err := create(n); err == nil || !strings.Contains(err.Error(), "Nothing was changed") {
			t.Errorf("%+v: %v", n, err)
		}
	}
	h.live(h.roll("one", "aaaaaaaa"), "one")
	d := h.mount(server.Mount{Volume: v.ID, Name: "data", Type: "web", Path: "/data"})
	if _, err := h.svc.DestroyVolume(h.as(who), who, h.app.Name, "data"); err == nil || !strings.Contains(err.Error(), "rolling out") {
		t.Errorf("destroyed while it rolls out: %v", err)
	}
	h.live(d, "one")
	v, err = h.svc.Volume(h.as(who), who, h.app.Name, "data")
	h.must(err)
	if v.Mount == nil || v.Mount.Type != "web" || v.Mount.Path != "/data" {
		t.Errorf("%+v", v.Mount)
	}
	h.sql(`insert into instances (id, app_id, release_id, type, ordinal, host_id, state, size, milli_cpu, memory, up_at) select gen_random_uuid(), app_id, id, t, 1, '` + h.host.ID + `', 'up', 'Standard-1X', 1, 1, now()
		from releases, unnest(array['web', 'worker']) t where id = '` + d.ReleaseID + `'`)
	for _, on := range h.hostRow("host-1").Dynos {
		if on.Release == d.Version && (on.Volume == "data") != (on.Type == "web") {
			t.Errorf("%+v", on)
		}
	}
	h.sql(`delete from instances where release_id = '` + d.ReleaseID + `'`)
	if _, err := h.svc.DestroyVolume(h.as(who), who, h.app.Name, "data"); err == nil || !strings.Contains(err.Error(), "paas volumes:detach data") {
		t.Errorf("destroyed while attached: %v", err)
	}
	two := 2
	if _, err := h.svc.Scale(h.as(who), who, h.app.Name, []server.Scaling{{Type: "web", Quantity: &two}}); err == nil || !strings.Contains(err.Error(), "it runs one dyno, not 2") {
		t.Errorf("scaled: %v", err)
	}
	h.live(h.mount(), "one")
	_, err = h.svc.DestroyVolume(h.as(who), who, h.app.Name, v.ID)
	h.must(err)
	if list, err := h.svc.Volumes(h.as(who), who, h.app.Name); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	h.sql(`update volumes set destroyed_at = now() - interval '2 hours'`)
	h.stock(map[string]agent.Stock{h.host.ID: {Volumes: []agent.VolumeStock{{ID: v.ID}}}})
	if list, err := h.DestroyedVolumes(h.ctx); err != nil || len(list) != 1 || list[0].ID != v.ID || list[0].Made {
		t.Errorf("forgotten while its host has it: %+v %v", list, err)
	}
	h.stock(map[string]agent.Stock{uuid.NewString(): {}})
	h.stock(map[string]agent.Stock{h.host.ID: {More: true}})
	if list, err := h.DestroyedVolumes(h.ctx); err != nil || len(list) != 1 {
		t.Errorf("forgotten while its host has not told all: %+v %v", list, err)
	}
	h.stock(map[string]agent.Stock{h.host.ID: {}})
	if list, err := h.DestroyedVolumes(h.ctx); err != nil || len(list) != 0 {
		t.Errorf("not forgotten: %+v %v", list, err)
	}
}

// What is wanted of an app with a volume is one instance, bound to its host,
// and only that host says what it has of it.
func TestSnapshotBindsToVolumes(t *testing.T) {
	h := newHouse(t)
	ids := h.joins("a-host")
	h.stock(map[string]agent.Stock{h.host.ID: {}, ids[0]: {DiskFree: 1, DiskTotal: 2}})
	v, err := h.CreateVolume(h.ctx, server.Volume{AppID: h.app.ID, Name: "data", HostID: ids[0], Host: "a-host"}, "x")
	h.must(err)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.must(h.SetFormation(h.ctx, h.app.ID, "x", []server.Formation{{AppID: h.app.ID, Type: "web", Quantity: 3, Size: "Standard-1X"}}))
	h.live(h.mount(server.Mount{Volume: v.ID, Name: "data", Type: "web", Path: "/data"}), "one")
	snap, err := h.Snapshot(h.ctx, h.app.ID)
	h.must(err)
	got := snap.State.Volumes[scheduler.Kind{Release: snap.State.Release, Type: "web"}]
	if len(got) != 1 || got[0] != (scheduler.Volume{ID: v.ID, Name: "data", Host: ids[0], HostName: "a-host"}) || snap.State.Wants[0].Quantity != 1 {
		t.Errorf("%+v, wants %+v", snap.State.Volumes, snap.State.Wants)
	}
	i := slices.IndexFunc(snap.State.Hosts, func(s scheduler.Host) bool { return s.ID == ids[0] })
	if at := snap.State.Hosts[i]; !at.Stocked || at.DiskFree != 1 || at.DiskTotal != 2 {
		t.Errorf("%+v", at)
	}
	d := scheduler.Plan(snap.State)
	if len(d.Ops) != 1 || d.Ops[0].Host != "" || !strings.Contains(d.Ops[0].Reason, "the data of volume data is on a-host, and that host") {
		t.Fatalf("%+v", d.Ops)
	}
	h.must(h.Commit(h.ctx, h.app.ID, snap.App.Revision, 0, d.Ops))
	h.stock(map[string]agent.Stock{h.host.ID: {Volumes: []agent.VolumeStock{{ID: v.ID, Used: 7}}}})
	if list, _ := h.Volumes(h.ctx, h.app.ID); list[0].Made {
		t.Error("another host made it")
	}
	h.stock(map[string]agent.Stock{ids[0]: {Volumes: []agent.VolumeStock{{ID: v.ID, Used: 7}}}})
	h.stock(map[string]agent.Stock{ids[0]: {Volumes: []agent.VolumeStock{{ID: v.ID, Used: -1}}}})
	if list, _ := h.Volumes(h.ctx, h.app.ID); !list[0].Made || list[0].Used != 7 {
		t.Errorf("%+v", list)
	}
}

// A host that has data goes only by force, which says what is lost; what waits
// for it says so from then on.
func TestHostWithVolumesGoesByForce(t *testing.T) {
	h := newHouse(t)
	ids, op := h.joins("a-host"), h.svc.Operator()
	_, err := h.CreateVolume(h.ctx, server.Volume{AppID: h.app.ID, Name: "data", HostID: ids[0], Host: "a-host"}, "x")
	h.must(err)
	_, err = h.svc.RemoveHost(h.as(op), op, "a-host", false)
	if err == nil || !strings.Contains(err.Error(), "data of volumes that are nowhere else: web-shop/data") {
		t.Fatalf("%v", err)
	}
	_, err = h.svc.RemoveHost(h.as(op), op, "a-host", true)
	h.must(err)
	list, err := h.Volumes(h.ctx, h.app.ID)
	h.must(err)
	if list[0].HostID != "" || list[0].Host != "a-host" {
		t.Errorf("%+v", list[0])
	}
	log := h.logged("")
	if !slices.ContainsFunc(log, func(e server.AuditEntry) bool { return e.Text == "a-host, and with it the data of web-shop/data" }) {
		t.Errorf("%+v", log)
	}
}

// Volumes of an app that is destroyed go with it, and nothing else makes a host
// delete data: a row that is missing does not.
func TestHostsAreToldToDelete(t *testing.T) {
	h := newHouse(t)
	v, err := h.CreateVolume(h.ctx, server.Volume{AppID: h.app.ID, Name: "data", HostID: h.host.ID, Host: "host-1"}, "x")
	h.must(err)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.live(h.mount(server.Mount{Volume: v.ID, Name: "data", Type: "web", Path: "/data"}), "one")
	if list, err := h.DestroyedVolumes(h.ctx); err != nil || len(list) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	if err := h.try(`update volumes set app_id = null`); err == nil {
		t.Error("a volume without an app is one that nobody destroyed")
	}
	h.must(h.DeleteApp(h.ctx, h.app.ID, "x"))
	list, err := h.DestroyedVolumes(h.ctx)
	if err != nil || len(list) != 1 || list[0].HostID != h.host.ID || list[0].AppID != "" {
		t.Errorf("%+v %v", list, err)
	}
	key, err := server.NewKeyring(make([]byte, server.MasterKeySize))
	h.must(err)
	control := server.NewControl(server.ControlConfig{}, h.Store, key, server.NewBell(), server.NewSessions(), noLogs{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	set := <-control.Watch(ctx, h.host.ID)
	if len(set) != 1 || set[0].Discard != v.ID || !set[0].Stop {
		t.Errorf("%+v", set)
	}
}

// An instance is told where its volume is, and whether there is data that must
// be there.
func TestInstanceGetsItsVolume(t *testing.T) {
	h := newHouse(t)
	v, err := h.CreateVolume(h.ctx, server.Volume{AppID: h.app.ID, Name: "data", HostID: h.host.ID, Host: "host-1"}, "x")
	h.must(err)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.live(h.mount(server.Mount{Volume: v.ID, Name: "data", Type: "web", Path: "/data"}), "one")
	snap, err := h.Snapshot(h.ctx, h.app.ID)
	h.must(err)
	h.must(h.Commit(h.ctx, h.app.ID, snap.App.Revision, 0, scheduler.Plan(snap.State).Ops))
	h.stock(map[string]agent.Stock{h.host.ID: {Volumes: []agent.VolumeStock{{ID: v.ID, Used: 7}}}})
	placed, err := h.Assigned(h.ctx, h.host.ID)
	h.must(err)
	if len(placed) != 1 || len(placed[0].Release.Mounts) != 1 || placed[0].Release.Mounts[0].Path != "/data" {
		t.Fatalf("%+v", placed)
	}
	if vols := placed[0].Volumes; len(vols) != 1 || vols[0].ID != v.ID || !vols[0].Made {
		t.Errorf("%+v", vols)
	}
}
