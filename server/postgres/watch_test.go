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
	case <-time.After(60 * time.Second):
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

// Who is signed out hears no more, and watching is no use of the session.
func TestWatchEndsWithTheSession(t *testing.T) {
	h := newHouse(t)
	ann, _ := h.owner("nina@example.com", "shop")
	link, err := h.svc.CreateSignInLink(h.as(ann), ann)
	h.must(err)
	secret, _, err := h.svc.SignIn(h.ctx, link.Code, "203.0.113.9", "a browser")
	h.must(err)
	here, _, err := h.svc.SessionActor(h.ctx, secret, "203.0.113.9")
	h.must(err)
	wake, stop, err := h.svc.Watch(h.ctx, here, "")
	h.must(err)
	defer stop()
	h.must(h.svc.SignOut(h.ctx, secret))
	deadline := time.After(60 * time.Second)
	for {
		select {
		case _, open := <-wake:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("it goes on")
		}
	}
}
