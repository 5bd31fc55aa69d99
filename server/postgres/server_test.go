package postgres_test

import (
	"testing"

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
