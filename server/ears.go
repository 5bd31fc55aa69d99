package server

import (
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
	more  map[string]bool // apps that were told of more than once
	hosts map[string]bool
}

// listen collects until stop is called.
func listen(bell *Bell) (e *ears, stop func()) {
	e = &ears{wake: make(chan struct{}, 1), got: nothingHeard()}
	return e, bell.Hear(e.note)
}

func nothingHeard() notices {
	return notices{apps: map[string]bool{}, more: map[string]bool{}, hosts: map[string]bool{}}
}

func (e *ears) note(topic string) {
	app, isApp := strings.CutPrefix(topic, AppTopic(""))
	host, isHost := strings.CutPrefix(topic, HostTopic(""))
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case topic == NoticeAll:
		e.got.all = true
	case isApp:
		if e.got.apps[app] {
			e.got.more[app] = true
		}
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
