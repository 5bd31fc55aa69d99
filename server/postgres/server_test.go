package postgres_test

import (
	"testing"
	"time"

	"paas/server"
)

// A copied data directory does not make two servers under one id; a server that
// starts again where it was need not wait.
func TestServerUnderATakenID(t *testing.T) {
	w := newWorld(t, 0)
	first := server.ServerEntry{ID: "one", Name: "a", Seat: "boot-1 /var/lib/paas"}
	w.must(w.BeatServer(w.ctx, first))
	w.must(w.BeatServer(w.ctx, first))
	copied := first
	copied.Seat = "boot-2 /var/lib/paas"
	if err := w.BeatServer(w.ctx, copied); !server.IsID(err, server.ErrConflict) {
		t.Errorf("a second server under the same id: %v", err)
	}
	w.must(w.LeaveServer(w.ctx, first.ID))
	w.must(w.BeatServer(w.ctx, copied))
}

// Admins see which servers there are, and which one leads.
func TestServerList(t *testing.T) {
	h := newHouse(t)
	for _, e := range []server.ServerEntry{{ID: "one", Name: "a", Addr: "a:8443"}, {ID: "two", Name: "b"}} {
		h.must(h.BeatServer(h.ctx, e))
	}
	if _, err := h.TakeLease(h.ctx, server.LeaderLease, "two", time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.ServerList(h.ctx, h.person("bob@example.com")); !server.IsID(err, server.ErrForbidden) {
		t.Errorf("who is no admin: %v", err)
	}
	list, err := h.svc.ServerList(h.ctx, h.svc.Operator())
	if err != nil || len(list) != 2 || list[0].Addr != "a:8443" || list[0].State() != server.ServerFollows || list[1].State() != server.ServerLeads || list[1].Started.IsZero() {
		t.Errorf("%+v %v", list, err)
	}
}
