package postgres_test

import (
	"crypto/sha256"
	"log/slog"
	"testing"
	"time"

	"paas/server"
)

// A router joins once, goes by its key, is heard of, and is removed.
func TestRouterStore(t *testing.T) {
	h := newHouse(t)
	hash := func(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }
	invite := func(name, token string, life time.Duration) error {
		_, err := h.InviteRouter(h.ctx, server.RouterToken{Hash: hash(token), Router: name, Actor: "ann@example.com", Life: life})
		return err
	}
	join := func(token, key string) (string, error) {
		id, _, err := h.JoinRouter(h.ctx, hash(token), server.RouterJoin{Addr: "10.0.0.7", Version: "v1", Key: hash(key)})
		return id, err
	}
	h.must(invite("edge-1", "first", time.Hour))
	h.must(invite("edge-1", "second", time.Hour))
	h.must(invite("edge-2", "late", -time.Hour))
	for _, token := range []string{"first", "late", "none"} {
		if _, err := join(token, "k1"); !server.IsID(err, server.ErrUnauthorized) {
			t.Errorf("%s: %v", token, err)
		}
	}
	id, err := join("second", "k1")
	h.must(err)
	if again, err := join("second", "k1"); err != nil || again != id {
		t.Errorf("the same once more: %s %v", again, err)
	}
	if _, err := join("second", "k2"); !server.IsID(err, server.ErrUnauthorized) {
		t.Errorf("another with its token: %v", err)
	}
	if err := invite("edge-1", "third", time.Hour); !server.IsID(err, server.ErrConflict) {
		t.Error(err)
	}
	h.must(h.RenewRouterKey(h.ctx, id, hash("k1"), hash("k2")))
	h.must(h.RenewRouterKey(h.ctx, id, hash("k1"), hash("k2")))
	if err := h.RenewRouterKey(h.ctx, id, hash("k1"), hash("k3")); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("by a key that it has no more: %v", err)
	}
	if got, err := h.RouterByKey(h.ctx, hash("k2")); err != nil || got != id {
		t.Error(got, err)
	}
	rows, err := h.NoteRouters(h.ctx, nil)
	h.must(err)
	if len(rows) != 1 || rows[0].Name != "edge-1" || rows[0].Addr != "10.0.0.7" || !rows[0].SeenAt.IsZero() {
		t.Errorf("%+v", rows)
	}
	rows, err = h.NoteRouters(h.ctx, []server.RouterSeen{{ID: id, Age: time.Minute, Addr: "[::]:80", Version: ""}, {ID: "nobody"}})
	h.must(err)
	if len(rows) != 1 || rows[0].Addr != "[::]:80" || rows[0].Version != "v1" || time.Since(rows[0].SeenAt).Round(time.Minute) != time.Minute {
		t.Errorf("%+v", rows)
	}
	h.must(h.RemoveRouter(h.ctx, id, "ann@example.com"))
	if err := h.RemoveRouter(h.ctx, id, "ann@example.com"); !server.IsID(err, server.ErrNotFound) {
		t.Error(err)
	}
	if _, err := h.RouterByKey(h.ctx, hash("k2")); !server.IsID(err, server.ErrNotFound) {
		t.Error(err)
	}
}

// Whom people invite joins by the token that they are shown, which is checked
// before the store is asked.
func TestRouterTokens(t *testing.T) {
	h := newHouse(t)
	bell := server.NewBell()
	routers := server.NewRouters(server.RoutersConfig{}, h.Store, server.NewTraffic(bell), server.NewMeter(slog.Default()), nil, slog.Default())
	op := h.svc.Operator()
	i, err := h.svc.AddRouter(h.as(op), op, "edge-1")
	h.must(err)
	if _, name, err := routers.Join(h.ctx, server.RouterJoin{Token: i.Token, Key: make([]byte, 32)}); err != nil || name != "edge-1" {
		t.Error(name, err)
	}
	for _, name := range []string{"", "Edge", server.BuiltInRouter, "a b"} {
		if _, err := h.svc.AddRouter(h.as(op), op, name); !server.IsID(err, server.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, token := range []string{"", "paasrouter_", "paashost_x", "paasrouter_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if _, _, err := routers.Join(h.ctx, server.RouterJoin{Token: token, Key: make([]byte, 32)}); !server.IsID(err, server.ErrUnauthorized) {
			t.Errorf("%q: %v", token, err)
		}
	}
}
