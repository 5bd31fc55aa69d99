package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/builder"
	"paas/scheduler/agent"
	"paas/server"
)

// fetching waits until a host is told to fetch these images, and nothing else.
func fetching(t *testing.T, sets <-chan []agent.Assignment, want ...string) {
	t.Helper()
	var got []string
	limit := time.After(time.Minute)
	for {
		select {
		case set, ok := <-sets:
			if !ok {
				t.Fatal("told no more")
			}
			got = nil
			for _, a := range set {
				_, digest, _ := strings.Cut(a.Image, "@")
				if !a.Ahead || !a.Stop || a.AppID == "" {
					digest = "an instance"
				}
				got = append(got, digest)
			}
			if slices.Sort(got); slices.Equal(got, want) {
				return
			}
		case <-limit:
			t.Fatalf("it fetches %v, want %v", got, want)
		}
	}
}

// A host that runs nothing of an app of two dynos fetches its image, to take
// what another may lose; and the image that comes next, as long as its release
// command runs. What an agent that knows of none of this says is not heard.
func TestSpareFetchesAhead(t *testing.T) {
	h := newHouse(t)
	d := h.roll("one", "aaaaaaaa")
	h.live(d, "one")
	h.must(h.SetFormation(h.ctx, h.app.ID, "x", []server.Formation{{AppID: h.app.ID, Type: "web", Quantity: 2, Size: "Standard-1X"}}))
	rel, err := h.Release(h.ctx, h.app.ID, d.ReleaseID)
	h.must(err)
	ids := h.joins("a-host", "b-host", "c-host")
	h.sql(`update hosts set cordoned = true where local`)
	epoch := h.lease()
	h.beating(h.Store, epoch, ids...)
	for _, name := range []string{"a-host", "b-host", "c-host"} {
		h.awaitState(name, server.HostReady)
	}
	control := h.rehearsing(epoch)
	h.until("two serving", func() bool {
		h.up()
		list, err := h.Instances(h.ctx, h.app.ID)
		h.must(err)
		return len(list) == 2 && list[0].State == "up" && list[1].State == "up"
	})
	list, err := h.Instances(h.ctx, h.app.ID)
	h.must(err)
	spare := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == list[0].HostID || id == list[1].HostID })
	if len(spare) != 1 {
		t.Fatalf("%v run nothing", spare)
	}
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	sets := control.Watch(ctx, spare[0])
	fetching(t, sets, rel.Image.Digest)
	_, err = h.Report(h.ctx, spare[0], 0, []agent.Status{{ID: "ahead-" + h.app.ID + "-" + rel.Image.Digest, State: agent.Stopped}})
	h.must(err)

	// Where the second dyno of the next release would be, with one host less.
	op := h.svc.Operator()
	_, err = h.svc.ChangeHost(h.as(op), op, list[0].HostID, server.HostChange{Cordon: on(true)})
	h.must(err)
	h.push("bbbbbbbb")
	next := h.claim("one")
	h.must(h.Built(h.ctx, *next, "one", server.Image{Digest: "sha256:zz", Arch: "amd64"}, builder.Manifest{}))
	first, err := h.WriteRelease(h.ctx, *next, "one", func(ctx context.Context, dr server.Draft) (server.Content, error) {
		c, err := draft(ctx, dr)
		c.Processes["release"] = server.Process{Command: []string{"migrate"}}
		return c, err
	})
	h.must(err)
	fetching(t, sets, rel.Image.Digest, "sha256:zz")
	_, err = h.Finish(h.ctx, first, "one", server.Outcome{State: server.DeployFailed, Stage: server.DeployReleasing, Reason: "boom"})
	h.must(err)
	fetching(t, sets, rel.Image.Digest)
}
