package fleet

import (
	"sync"
	"time"

	"paas/scheduler/agent"
)

// rememberFor is how long a host may speak of an instance that no set names
// any more: its last lines and figures come late.
const rememberFor = 10 * time.Minute

// known is what each host was told to run. A host is heard on nothing else:
// whoever has broken into one writes in no other app's log and pulls no other
// app's image.
type known struct {
	mu    sync.Mutex
	hosts map[string]map[string]*owner // by host and instance
}

// owner is whose an instance is.
type owner struct {
	appID, name string
	left        time.Time // the sets; zero while it is in the newest
	ahead       bool      // it is no instance: its image may be pulled, and nothing said
}

func newKnown() *known { return &known{hosts: map[string]map[string]*owner{}} }

// note takes the newest set of a host.
func (k *known) note(host string, list []agent.Assignment, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	have := k.hosts[host]
	if have == nil {
		have = map[string]*owner{}
		k.hosts[host] = have
	}
	here := make(map[string]bool, len(list))
	for _, a := range list {
		here[a.ID] = true
		have[a.ID] = &owner{appID: a.AppID, name: a.Name, ahead: a.Ahead}
	}
	for id, o := range have {
		switch {
		case here[id]:
		case o.left.IsZero():
			o.left = now
		case now.Sub(o.left) > rememberFor:
			delete(have, id)
		}
	}
}

// ready says whether the host was given a set since this process began: before
// that nothing can be said about what it may.
func (k *known) ready(host string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hosts[host] != nil
}

func (k *known) find(host, instance string) (o owner, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.hosts[host][instance]
	if p == nil || p.ahead {
		return owner{}, false
	}
	return *p, true
}

// runs says whether a host runs anything of an app, or did lately.
func (k *known) runs(host, appID string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range k.hosts[host] {
		if o.appID == appID {
			return true
		}
	}
	return false
}
