package server

import (
	"context"
	"strings"
	"sync"
)

// ears collects notices in a set, however fast they come: their order and
// number say nothing.
type ears struct {
	wake chan struct{} // receives when there is something

	mu  sync.Mutex
	got notices
}

// notices is what was told of.
type notices struct {
	all   bool
	apps  map[string]bool
	hosts map[string]bool
}

// listen collects until ctx ends.
func listen(ctx context.Context, bell *Bell) (e *ears, stop func()) {
	e = &ears{wake: make(chan struct{}, 1), got: nothingHeard()}
	topics, stop := bell.Listen()
	go func() {
		for {
			select {
			case topic := <-topics:
				e.note(topic, len(topics)+1 >= cap(topics))
			case <-ctx.Done():
				return
			}
		}
	}()
	return e, stop
}

func nothingHeard() notices { return notices{apps: map[string]bool{}, hosts: map[string]bool{}} }

// note takes a topic in. When the bell's queue is full some may be lost: then
// anything may have changed.
func (e *ears) note(topic string, full bool) {
	app, isApp := strings.CutPrefix(topic, AppTopic(""))
	host, isHost := strings.CutPrefix(topic, HostTopic(""))
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case topic == NoticeAll || full:
		e.got.all = true
	case isApp:
		e.got.apps[app] = true
	case isHost:
		e.got.hosts[host] = true
	default:
		return
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// take gives what came since it was last asked.
func (e *ears) take() notices {
	e.mu.Lock()
	defer e.mu.Unlock()
	got := e.got
	e.got = nothingHeard()
	return got
}
