package postgres_test

import (
	"testing"
	"time"

	"paas/scheduler/agent"
)

// What an instance has written is kept with its release and type, of several
// that of the one that wrote most; another host's word counts for nothing.
func TestWrittenIsKept(t *testing.T) {
	w := newWorld(t, time.Minute)
	id := w.running(agent.Up)
	tell := func(host string, l *agent.Layer) {
		t.Helper()
		moved, err := w.Report(w.ctx, host, 0, []agent.Status{{ID: id, State: agent.Wrote, Layer: l}})
		w.must(err)
		if len(moved) > 0 {
			t.Errorf("%+v", moved)
		}
	}
	layer := func(bytes int64) *agent.Layer {
		return &agent.Layer{Paths: []agent.Written{{Path: "/data\x00", Bytes: bytes}, {Path: "/app", Bytes: 1, Mixed: true}}}
	}
	tell("11111111-1111-4111-8111-111111111111", layer(99))
	tell(w.host.ID, nil)
	tell(w.host.ID, &agent.Layer{})
	list, err := w.Instances(w.ctx, w.app.ID)
	w.must(err)
	if len(list[0].Wrote) != 0 || list[0].State != "up" {
		t.Errorf("%+v", list[0])
	}
	tell(w.host.ID, layer(20))
	tell(w.host.ID, layer(10))
	list, err = w.Instances(w.ctx, w.app.ID)
	w.must(err)
	if got := list[0].Wrote; len(got) != 2 || got[0] != (agent.Written{Path: "/data\uFFFD", Bytes: 20}) || !got[1].Mixed {
		t.Errorf("%+v", got)
	}
	byType, err := w.Written(w.ctx, list[0].ReleaseID)
	w.must(err)
	if len(byType) != 1 || len(byType["web"]) != 2 {
		t.Errorf("%+v", byType)
	}
	// Together with its end, as before a stop.
	_, err = w.Report(w.ctx, w.host.ID, 0, []agent.Status{{ID: id, State: agent.Wrote, Layer: layer(30)}, {ID: id, State: agent.Crashed}})
	w.must(err)
	if byType, err = w.Written(w.ctx, list[0].ReleaseID); err != nil || byType["web"][0].Bytes != 30 {
		t.Errorf("%+v %v", byType, err)
	}
}
