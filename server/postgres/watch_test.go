package postgres_test

import (
	"testing"
	"time"

	"paas/server"
)

// heard waits for a ring.
func heard(t *testing.T, wake <-chan string) {
	t.Helper()
	select {
	case <-wake:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was heard")
	}
}

// Not even when others are busy is anybody's business: who watches all of it
// hears of the apps that they may see.
func TestNobodyHearsOfOthersApps(t *testing.T) {
	h := newHouse(t)
	ann, shop := h.owner("nina@example.com", "shop")
	eve := h.person("eve@example.com")
	mine, stop, err := h.svc.Watch(h.ctx, ann, "")
	h.must(err)
	defer stop()
	hers, stop, err := h.svc.Watch(h.ctx, eve, "")
	h.must(err)
	defer stop()
	for range 20 {
		n := 30
		_, err := h.svc.ChangeApp(h.as(ann), ann, shop.ID, server.AppChange{Settings: map[string]*int{"log_days": &n}})
		h.must(err)
		heard(t, mine)
	}
	select {
	case <-hers:
		t.Error("another account heard of it")
	default:
	}
	_, err = h.svc.CreateApp(h.as(eve), eve, "trap")
	h.must(err)
	heard(t, hers)
}
