package postgres_test

import (
	"context"
	"testing"

	"paas/server"
)

// The machine that ran dynos beside the control plane stays the host it was, with
// its labels, when it joins after that; nobody else becomes it, nor while it runs.
func TestFormerHostJoins(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	f := h.fleet(server.FleetConfig{}, nil)
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.placed()
	own := h.hostRow("host-1")
	if !own.Local || len(own.Dynos) == 0 {
		t.Fatalf("%+v", own)
	}
	_, err := h.svc.AddHost(h.as(op), op, "host-1", nil)
	h.refused(err, server.ErrConflict, "already")

	h.must(h.DisownHosts(context.Background()))
	h.must(h.DisownHosts(context.Background())) // said again
	inv, err := h.svc.AddHost(h.as(op), op, "host-1", map[string]string{"zone": "b"})
	h.must(err)
	_, _, err = f.Join(h.ctx, machine(inv.Token, "stranger"))
	h.refused(err, server.ErrConflict, "--standalone")
	j := machine(inv.Token, "own")
	j.Former = true
	id, name, err := f.Join(h.ctx, j)
	h.must(err)
	if id != own.ID || name != "host-1" {
		t.Errorf("it is %s %s, not %s", name, id, own.ID)
	}
	again, _, err := f.Join(h.ctx, j)
	if h.must(err); again != own.ID {
		t.Errorf("asked again it is %s", again)
	}
	now := h.hostRow("host-1")
	if now.Local || now.Labels["zone"] != "b" || len(now.Dynos) != 0 {
		t.Errorf("as a host like others: %+v", now)
	}
	_, err = h.svc.AddHost(h.as(op), op, "host-1", nil)
	h.refused(err, server.ErrConflict, "already")

	inv, err = h.svc.AddHost(h.as(op), op, "host-9", nil)
	h.must(err)
	j = machine(inv.Token, "other")
	j.Former = true
	_, _, err = f.Join(h.ctx, j)
	h.refused(err, server.ErrConflict, "host-9 is not the host")
}
