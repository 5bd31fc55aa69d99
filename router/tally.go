package router

import (
	"sync"
	"time"
)

// Observation is one finished request to a known app.
type Observation struct {
	AppID   string
	Release int           // version of the release that took it; 0 when none did
	Status  int           // of the answer; 0 when the client left before it was whole
	Code    string        // H-code of a request that ended badly, else empty
	Service time.Duration // from the first byte in to the last out; < 0 when no instance was reached
	Bytes   int64         // of the answer's body
	At      time.Time     // its end
}

// The bounds of a Tally: more apps than that, or more releases of one app in
// one minute, are counted together with the last ones or not at all.
const (
	maxTallied  = 20000
	maxReleases = 8 // of one app in one minute; the rest counts for release 0
)

// Count is what was observed of one release of an app in one minute.
type Count struct {
	AppID   string
	At      time.Time // begin of the minute
	Release int       // 0: requests that no instance took
	Status  [6]int64  // by class 1 to 5; 0: the client left
	Bytes   int64     // of the answers' bodies
	// Latency is the time of requests that an instance took. Tunnels
	// (WebSocket) are left out: how long they last says nothing of speed.
	Latency Histogram
}

func (c *Count) add(o Observation) {
	class := o.Status / 100
	if class < 0 || class >= len(c.Status) {
		class = 0
	}
	c.Status[class]++
	c.Bytes += o.Bytes
	if o.Service >= 0 && class != 1 {
		c.Latency.Observe(o.Service)
	}
}

// Tally counts requests by minute, app and release, in bounded memory. Observe
// allocates nothing but at the first request of a release in a minute.
type Tally struct {
	mu    sync.RWMutex
	apps  map[string]*appTally
	floor int64 // minute from which on counts were not taken yet
}

type appTally struct {
	mu     sync.Mutex
	floor  int64
	counts []*Count // not taken yet: one minute's or two, as a rule
	total  Count    // since the start
}

// NewTally makes an empty one.
func NewTally() *Tally { return &Tally{apps: map[string]*appTally{}} }

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// Observe counts one request.
func (t *Tally) Observe(o Observation) {
	t.mu.RLock()
	a := t.apps[o.AppID]
	t.mu.RUnlock()
	if a == nil {
		if a = t.enter(o.AppID); a == nil {
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total.add(o)
	a.count(o.AppID, minuteOf(o.At), o.Release).add(o)
}

func (t *Tally) enter(app string) *appTally {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[app]
	if a == nil && len(t.apps) < maxTallied {
		a = &appTally{floor: t.floor, total: Count{AppID: app}}
		t.apps[app] = a
	}
	return a
}

// count finds or makes the count of a minute. One that was taken is never made
// anew: should the clock be set back, the minute after it stands for all.
func (a *appTally) count(app string, minute int64, release int) *Count {
	minute = max(minute, a.floor)
	releases := 0
	for i := len(a.counts) - 1; i >= 0; i-- {
		c := a.counts[i]
		if minuteOf(c.At) != minute {
			continue
		}
		if c.Release == release {
			return c
		}
		releases++
	}
	if releases >= maxReleases && release != 0 {
		return a.count(app, minute, 0)
	}
	c := &Count{AppID: app, At: time.Unix(minute*60, 0).UTC(), Release: release}
	a.counts = append(a.counts, c)
	return c
}

// Take gives the counts of minutes that ended at before or earlier, and
// forgets them.
func (t *Tally) Take(before time.Time) []*Count {
	t.mu.Lock()
	t.floor = max(t.floor, minuteOf(before))
	floor, apps := t.floor, make([]*appTally, 0, len(t.apps))
	for _, a := range t.apps {
		apps = append(apps, a)
	}
	t.mu.Unlock()
	var out []*Count
	for _, a := range apps {
		out = append(out, a.take(floor)...)
	}
	return out
}

func (a *appTally) take(floor int64) (out []*Count) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.floor = floor
	var kept []*Count
	for _, c := range a.counts {
		if minuteOf(c.At) < floor {
			out = append(out, c)
		} else {
			kept = append(kept, c)
		}
	}
	a.counts = kept
	return out
}

// Look gives copies of the counts of one app that were not taken yet, those of
// all apps when app is empty.
func (t *Tally) Look(app string) (out []Count) {
	for _, a := range t.some(app) {
		a.mu.Lock()
		for _, c := range a.counts {
			out = append(out, *c)
		}
		a.mu.Unlock()
	}
	return out
}

// Totals gives, by app, what was counted since the start.
func (t *Tally) Totals() map[string]Count {
	out := map[string]Count{}
	for _, a := range t.some("") {
		a.mu.Lock()
		out[a.total.AppID] = a.total
		a.mu.Unlock()
	}
	return out
}

// Total gives what was counted of one app since the start.
func (t *Tally) Total(app string) (c Count) {
	if app == "" {
		return c
	}
	for _, a := range t.some(app) {
		a.mu.Lock()
		c = a.total
		a.mu.Unlock()
	}
	return c
}

func (t *Tally) some(app string) []*appTally {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if app != "" {
		if a := t.apps[app]; a != nil {
			return []*appTally{a}
		}
		return nil
	}
	all := make([]*appTally, 0, len(t.apps))
	for _, a := range t.apps {
		all = append(all, a)
	}
	return all
}

// Keep forgets apps that are not among ids and have nothing left to take.
func (t *Tally) Keep(ids map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, a := range t.apps {
		a.mu.Lock()
		idle := len(a.counts) == 0
		a.mu.Unlock()
		if idle && !ids[id] {
			delete(t.apps, id)
		}
	}
}
