package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// assignedShelf is the store as far as a watch reads it.
type assignedShelf struct {
	HostStore
	mu    sync.Mutex
	list  []Placed
	reads string // what was asked for, a letter each, and what was given
	err   error
}

func (s *assignedShelf) Assigned(context.Context, string) ([]Placed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads += fmt.Sprintf("A%d ", len(s.list))
	return slices.Clone(s.list), s.err
}

func (s *assignedShelf) DestroyedVolumes(context.Context) ([]Volume, error) { return nil, nil }

func (s *assignedShelf) AssignedNews(_ context.Context, _ string, known func(string) bool) (news AssignedNews, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news.Fresh = map[string]Placed{}
	for _, p := range s.list {
		news.All = append(news.All, AssignedState{p.Instance.ID, p.Instance.State})
		if !known(p.Instance.ID) {
			news.Fresh[p.Instance.ID] = p
		}
	}
	s.reads += fmt.Sprintf("N%d ", len(news.Fresh))
	return news, s.err
}

// Of what a host is told anew only that is read which it has not been told; all
// of it from time to time, for what no notice tells of.
func TestWatchReadsWhatIsNew(t *testing.T) { synctest.Test(t, watchReadsWhatIsNew) }

func watchReadsWhatIsNew(t *testing.T) {
	k, err := NewKeyring(make([]byte, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.NewDataKey("app")
	if err != nil {
		t.Fatal(err)
	}
	config, err := k.SealConfig(key, "app", "rel", map[string]string{"A": "b"})
	if err != nil {
		t.Fatal(err)
	}
	placed := func(id, app string) Placed {
		return Placed{Instance: Instance{ID: id, AppID: "app", App: app, Type: "web", Ordinal: 1, State: "up"}, DataKey: key, Config: config, Release: Release{ID: "rel"}}
	}
	shelf, bell := &assignedShelf{list: []Placed{placed("1", "shop"), placed("2", "shop")}}, NewBell()
	c := NewControl(ControlConfig{Image: func(app, digest string) string { return app }, Subnets: netip.MustParsePrefix("10.0.0.0/16"), SubnetBits: 24,
		Host: func(app string) string { return app }}, shelf, k, bell, NewSessions(), nil, slog.New(slog.DiscardHandler))
	ctx, end := context.WithCancel(t.Context())
	sets := c.Watch(ctx, "h")
	expect := func(what, want, reads string) {
		t.Helper()
		var got []string
		for _, a := range <-sets {
			got = append(got, fmt.Sprint(a.ID, a.App, a.Stop))
		}
		synctest.Wait()
		shelf.mu.Lock()
		defer shelf.mu.Unlock()
		if strings.Join(got, " ") != want || shelf.reads != reads {
			t.Errorf("%s: %q after reading %q; want %q after %q", what, got, shelf.reads, want, reads)
		}
		shelf.reads = ""
	}
	expect("first", "1shopfalse 2shopfalse", "A2 ")
	change := func(list []Placed, err error) {
		shelf.mu.Lock()
		defer shelf.mu.Unlock()
		shelf.list, shelf.err, shelf.reads = list, err, ""
	}
	in := func(p Placed, state string) Placed { p.Instance.State = state; return p }
	change([]Placed{placed("1", "shop"), placed("2", "shop"), placed("3", "renamed")}, nil)
	bell.Ring(PlacedTopic("h"))
	expect("one more", "1shopfalse 2shopfalse 3renamedfalse", "N1 ")
	change([]Placed{in(placed("2", "shop"), "crashed"), placed("3", "renamed")}, nil)
	bell.Ring(HostTopic("h"))
	expect("one less", "2shoptrue 3renamedfalse", "N0 ")
	change([]Placed{placed("4", "new"), placed("3", "renamed")}, nil)
	bell.Ring(HostTopic("h"))
	expect("another", "4newfalse 3renamedfalse", "N1 ")
	if c.users["rel"] != 2 || len(c.configs) != 1 {
		t.Errorf("two instances hold the release: %v", c.users)
	}
	change([]Placed{placed("4", "new"), placed("3", "again")}, nil)
	time.Sleep(6 * time.Second) // of the bubble's clock
	expect("to be sure", "4newfalse 3againfalse", "A2 ")

	change(nil, errors.New("away"))
	time.Sleep(6 * time.Second)
	bell.Ring(PlacedTopic("h"))
	synctest.Wait()
	change([]Placed{placed("4", "late"), placed("3", "again")}, nil)
	expect("what could not be read is read whole", "4latefalse 3againfalse", "A2 ")
	end()
	if _, open := <-sets; open {
		t.Error("the channel is open after the end")
	}
	synctest.Wait()
	if len(c.users) != 0 || len(c.configs) != 0 {
		t.Errorf("kept after the end: %v", c.users)
	}
}
