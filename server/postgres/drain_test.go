package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"paas/server"
)

func TestDrains(t *testing.T) {
	w := newWorld(t, time.Minute)
	full := errors.New("full")
	add := func(appID string) (server.SealedDrain, error) {
		d := server.SealedDrain{Drain: server.Drain{ID: uuid.NewString(), AppID: appID, Token: "d." + uuid.NewString()}, Sealed: []byte("sealed")}
		return w.CreateDrain(w.ctx, d, "ann@example.com", "syslog://h", func(have []server.SealedDrain) error {
			if len(have) >= server.MaxDrains {
				return full
			}
			return nil
		})
	}
	// Ten at once: the limit is kept under the app's lock.
	var wg sync.WaitGroup
	errs := make(chan error, 10)
	for range 10 {
		wg.Go(func() { _, err := add(w.app.ID); errs <- err })
	}
	wg.Wait()
	refused := 0
	for range 10 {
		if err := <-errs; errors.Is(err, full) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if refused != 5 {
		t.Errorf("%d of ten refused, want 5", refused)
	}
	other := w.newApp("other-app")
	mine, err := add(other.ID)
	w.must(err)
	if mine.App != "other-app" || string(mine.Sealed) != "sealed" || string(mine.DataKey) != "key" || mine.CreatedAt.IsZero() {
		t.Errorf("%+v", mine)
	}
	for app, want := range map[string]int{w.app.ID: 5, other.ID: 1, "": 6, uuid.NewString(): 0, "x'": 0} {
		list, err := w.Drains(w.ctx, app)
		w.must(err)
		if len(list) != want {
			t.Errorf("%d drains of %q, want %d", len(list), app, want)
		}
	}
	// Not by the name of another app.
	if err := w.DeleteDrain(w.ctx, w.app.ID, mine.ID, "ann", "syslog://h"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("removed through another app: %v", err)
	}
	w.must(w.DeleteDrain(w.ctx, other.ID, mine.ID, "ann", "syslog://h"))
	events, err := w.Events(w.ctx, other.ID, 2)
	w.must(err)
	if len(events) != 2 || events[0].Kind != "drain.removed" || events[1].Kind != "drain.added" || events[1].Text != fmt.Sprintf("syslog://h (%s)", mine.Token) {
		t.Errorf("events %+v", events)
	}
	if _, err := add(uuid.NewString()); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("drain of no app: %v", err)
	}
	w.must(w.DeleteApp(w.ctx, w.app.ID, "ann"))
	list, err := w.Drains(w.ctx, "")
	w.must(err)
	if len(list) != 0 {
		t.Errorf("%d drains outlived their app", len(list))
	}
}
