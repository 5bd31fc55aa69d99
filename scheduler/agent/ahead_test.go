package agent_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
)

// fetcher is a runtime whose fetches end when they are told to.
type fetcher struct {
	*agenttest.Fake
	mu    sync.Mutex
	most  int
	now   int
	begun chan string
	over  chan string
	end   chan error
}

func (f *fetcher) Fetch(ctx context.Context, image string) error {
	f.mu.Lock()
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	f.begun <- image
	var err error
	select {
	case err = <-f.end:
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.mu.Lock()
	f.now--
	f.mu.Unlock()
	f.over <- image
	return err
}

func fetching(t *testing.T) (*fetcher, *agenttest.Stage) {
	f := &fetcher{Fake: agenttest.NewFake(), begun: make(chan string, 10), over: make(chan string, 10), end: make(chan error)}
	t.Cleanup(f.Close)
	return f, agenttest.NewStage(t, quick(agent.Config{}), f)
}

// ahead is an image that is named for later.
func ahead(image string) agent.Assignment {
	return agent.Assignment{ID: "ahead-" + image, Image: image, Ahead: true, Stop: true}
}

func of(images ...string) (set []agent.Assignment) {
	for _, image := range images {
		set = append(set, ahead(image))
	}
	return set
}

// What is named for later is fetched while something runs: once, whatever sets
// follow. It is no instance, so nothing is said of it.
func TestImagesAreFetchedAhead(t *testing.T) {
	f, s := fetching(t)
	a := assign("web")
	s.Control.Set(a, ahead("next"))
	if got := <-f.begun; got != "next" {
		t.Fatal(got)
	}
	s.Control.AwaitState(t, a.ID, agent.Up)
	f.end <- nil
	<-f.over
	s.Control.Set(a, ahead("next"))
	s.Control.Set(a, ahead("next"), ahead("other"))
	if got := <-f.begun; got != "other" {
		t.Fatalf("%s was fetched again", got)
	}
	if said := s.Control.Statuses("ahead-next"); len(said) > 0 {
		t.Errorf("said of what is no instance: %+v", said)
	}
}

// At most two at once, and what is superseded is given up, also while it waits.
func TestFetchesAreBoundedAndGivenUp(t *testing.T) {
	f, s := fetching(t)
	images := []string{"n1", "n2", "n3", "n4"}
	s.Control.Set(of(images...)...)
	first, second := <-f.begun, <-f.begun
	s.Control.Set(of(slices.DeleteFunc(images, func(i string) bool { return i == first || i == second })...)...)
	gone := map[string]bool{<-f.over: true, <-f.over: true}
	if !gone[first] || !gone[second] {
		t.Errorf("%v were given up, want %s and %s", gone, first, second)
	}
	<-f.begun
	<-f.begun
	f.mu.Lock()
	if f.most > 2 {
		t.Errorf("%d at once", f.most)
	}
	f.mu.Unlock()
	s.Stop() // ends what is under way
	<-f.over
	<-f.over
}

// What fails is tried again after a while; meanwhile others have their turn.
func TestFetchesAreTriedAgain(t *testing.T) { synctest.Test(t, fetchesAreTriedAgain) }

func fetchesAreTriedAgain(t *testing.T) {
	f, s := fetching(t)
	s.Control.Set(of("n1")...)
	for range 3 {
		<-f.begun
		f.end <- errors.New("registry down")
		<-f.over
	}
	s.Control.Set(of("n1", "n2")...)
	if got := <-f.begun; got != "n2" {
		t.Errorf("%s came before its pause was over", got)
	}
	f.end <- nil
	<-f.over
	s.Stop()
}

// disk is a fetcher whose host tells what it has of it.
type disk struct {
	*fetcher
	free atomic.Int64
}

func (d *disk) Stock(context.Context) (agent.Stock, error) {
	return agent.Stock{DiskFree: d.free.Load(), DiskTotal: 100 << 30}, nil
}
func (d *disk) Weigh(context.Context) error           { return nil }
func (d *disk) Discard(context.Context, string) error { return nil }
func (d *disk) Written(context.Context, string) (agent.Layer, error) {
	return agent.Layer{}, nil
}

var _ agent.Keeper = (*disk)(nil)

// A host whose disk is nearly full fetches nothing that need not be there, until
// it has room again.
func TestFetchesLeaveTheDiskAlone(t *testing.T) { synctest.Test(t, fetchesLeaveTheDiskAlone) }

func fetchesLeaveTheDiskAlone(t *testing.T) {
	d := &disk{fetcher: &fetcher{Fake: agenttest.NewFake(), begun: make(chan string, 10), over: make(chan string, 10), end: make(chan error)}}
	defer d.Close()
	d.free.Store(4 << 30)
	s := agenttest.NewStage(t, quick(agent.Config{}), d)
	s.Control.Set(of("n1")...)
	time.Sleep(time.Hour) // of the bubble's clock
	select {
	case <-d.begun:
		t.Fatal("it was fetched")
	default:
	}
	d.free.Store(40 << 30)
	<-d.begun
	d.end <- nil
	<-d.over
	s.Stop()
}
