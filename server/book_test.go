package server

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"paas/scheduler"
)

// hostShelf is the store as far as the book reads it.
type hostShelf struct {
	ReconcileStore
	list []HostEntry
	ids  [][]string // what was asked for
}

func (s *hostShelf) HostEntries(_ context.Context, ids []string) (list []HostEntry, err error) {
	s.ids = append(s.ids, ids)
	for _, e := range s.list {
		if ids == nil || slices.Contains(ids, e.ID) {
			list = append(list, e)
		}
	}
	return list, nil
}

func TestBookReadsWhatItWasToldOf(t *testing.T) {
	synctest.Test(t, bookReadsWhatItWasToldOf) // hosts settle by the clock
}

func bookReadsWhatItWasToldOf(t *testing.T) {
	host := func(id string) HostEntry {
		return HostEntry{Host: scheduler.Host{ID: id, Name: id, MilliCPU: 1000, Memory: 1000}}
	}
	shelf := &hostShelf{list: []HostEntry{host("a"), host("c")}}
	b := newBook(shelf)
	refresh := func() bookChange {
		ch, err := b.refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ch
	}
	if ch := refresh(); !ch.all || len(b.hosts) != 2 {
		t.Fatalf("first: %+v, %v", ch, b.hosts)
	}
	if refresh(); len(shelf.ids) != 1 {
		t.Fatalf("it reads though nothing was told: %v", shelf.ids)
	}
	b.promise([]scheduler.Instance{{ID: "i", MilliCPU: 5, Memory: 7}}, []scheduler.Op{
		{Kind: scheduler.OpStart, Host: "a", MilliCPU: 1, Memory: 2}, {Kind: scheduler.OpPlace, Host: "a", Instance: "i"}, {Kind: scheduler.OpStop, Host: "c"}})
	if h := b.hosts[0]; h.UsedMilliCPU != 6 || h.UsedMemory != 9 || h.Instances != 2 {
		t.Errorf("booked %+v", h)
	}

	shelf.list = []HostEntry{host("b"), host("c")} // one has gone, one has come
	shelf.list[1].UsedMemory = 500                 // which concerns nobody who is there
	for _, id := range []string{"a", "b", "c"} {
		b.mark(id)
	}
	ch := refresh()
	if ch.all || !ch.hosts["a"] || !ch.hosts["b"] || ch.hosts["c"] {
		t.Errorf("changed: %+v", ch)
	}
	if len(b.hosts) != 2 || b.hosts[0].ID != "b" || b.hosts[b.index["c"]].UsedMemory != 500 {
		t.Errorf("hosts %+v", b.hosts)
	}

	shelf.list[0].Settling, shelf.list[0].Settled = true, time.Millisecond
	b.mark("b")
	if ch := refresh(); !ch.hosts["b"] || b.settles() <= 0 {
		t.Errorf("settling: %+v, %s", ch, b.settles())
	}
	shelf.list[0].Settling, shelf.list[0].Settled = false, 0
	time.Sleep(2 * time.Millisecond)
	if ch := refresh(); !ch.hosts["b"] || b.settles() != 0 {
		t.Errorf("settled: %+v, %s", ch, b.settles())
	}

	shelf.list[0].Lost, shelf.list[1].Lost = true, true
	b.mark("b")
	b.mark("c")
	if ch := refresh(); !ch.all {
		t.Error("every host is lost, and not every app is concerned")
	}
}

func TestEarsMissNothing(t *testing.T) {
	bell := NewBell()
	e, stop := listen(bell)
	for range 10000 {
		bell.Ring(HostTopic("h"))
		bell.Ring(AppTopic("a"))
	}
	bell.Ring(NoticeQueue)
	<-e.wake
	got := e.take()
	if got.all || len(got.apps) != 1 || len(got.hosts) != 1 || !got.apps["a"] || !got.hosts["h"] {
		t.Errorf("heard %+v", got)
	}
	bell.Ring(NoticeAll)
	if got = e.take(); !got.all {
		t.Error("the word to all was not heard")
	}
	stop()
	bell.Ring(AppTopic("a"))
	if got = e.take(); len(got.apps) != 0 {
		t.Error("heard after the end")
	}
}
