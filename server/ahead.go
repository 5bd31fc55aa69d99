package server

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"paas/scheduler"
	"paas/scheduler/agent"
)

// Ahead is which images hosts fetch before anything of them is to run there:
// that of a release whose command runs or that rolls, where its instances will
// be, and that of what runs, on a spare host. It is help and no more, so the
// leader keeps it in memory and the next one finds it out anew.
type Ahead struct {
	bell *Bell

	mu    sync.Mutex
	apps  map[string]*fetches
	hosts map[string]map[KeptImage]bool
}

// fetches are those of one app.
type fetches struct {
	next   string // digest of what comes next, "" when nothing does
	nextOn []string
	image  string // digest of what runs
	spares []string
}

// mostFetches is how many images one host is told of: each costs disk there,
// and a place in what it is told.
const mostFetches = 256

// NewAhead makes one that knows of nothing; hosts hear of news by the bell.
func NewAhead(bell *Bell) *Ahead {
	return &Ahead{bell: bell, apps: map[string]*fetches{}, hosts: map[string]map[KeptImage]bool{}}
}

// begin forgets what an earlier term knew. Nothing is to be fetched by the
// hosts until apps are looked at.
func (a *Ahead) begin() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apps, a.hosts = map[string]*fetches{}, map[string]map[KeptImage]bool{}
}

// fetched are the hosts that were told to fetch the image of what shall run.
func (a *Ahead) fetched(snap *Snapshot) (hosts []string) {
	if a == nil || snap.State.Image == "" {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.apps[snap.App.ID]
	if f == nil {
		return nil
	}
	if f.next == snap.State.Image {
		hosts = append(hosts, f.nextOn...)
	}
	if f.image == snap.State.Image {
		hosts = append(hosts, f.spares...)
	}
	return hosts
}

// note looks at an app; rest: nothing is to be done about it now.
func (a *Ahead) note(snap *Snapshot, rest bool) {
	if a == nil {
		return
	}
	a.mu.Lock()
	was := a.apps[snap.App.ID]
	if was == nil {
		was = &fetches{}
	}
	now := was.follow(snap, rest)
	woken := a.change(snap.App.ID, was, &now)
	a.mu.Unlock()
	for _, host := range woken {
		a.bell.Ring(PlacedTopic(host))
	}
}

// forget is for an app that is no more.
func (a *Ahead) forget(app string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	was := a.apps[app]
	var woken []string
	if was != nil {
		woken = a.change(app, was, &fetches{})
	}
	a.mu.Unlock()
	for _, host := range woken {
		a.bell.Ring(PlacedTopic(host))
	}
}

// follow is what is to be fetched of an app. Hosts that were chosen stay while
// they may: to choose anew would fetch anew.
func (f *fetches) follow(snap *Snapshot, rest bool) fetches {
	now := *f
	next, state := snap.Next, snap.State
	switch {
	case next.Image.Digest != "":
		state.Wants = snap.NextIs
	case state.Rolling:
		next = snap.Target
	}
	switch digest := next.Image.Digest; {
	case digest == "":
		now.next, now.nextOn = "", nil
	case digest != f.next:
		now.next = digest
		now.nextOn = scheduler.Ahead(state, scheduler.Picture{Release: next.ID, Arch: next.Image.Arch, Image: digest, Size: next.Image.Size})
	}
	// Spares can wait: what is wanted comes first.
	if rest && now.next == "" && !starting(snap.State.Instances) {
		now.image = snap.State.Image
		now.spares = scheduler.Spares(&snap.State, snap.Target.Image.Size, f.spares)
	}
	return now
}

func starting(list []scheduler.Instance) bool {
	return slices.ContainsFunc(list, func(in scheduler.Instance) bool {
		return !in.OneOff && (in.State == scheduler.Assigned || in.State == scheduler.Starting)
	})
}

// all is what the hosts are told, by host and digest.
func (f *fetches) all() map[[2]string]bool {
	set := make(map[[2]string]bool, len(f.nextOn)+len(f.spares))
	for _, host := range f.nextOn {
		set[[2]string{host, f.next}] = true
	}
	for _, host := range f.spares {
		set[[2]string{host, f.image}] = true
	}
	return set
}

// change enters what an app's hosts fetch now and gives those that have news.
func (a *Ahead) change(app string, was, now *fetches) (woken []string) {
	if len(now.nextOn)+len(now.spares) == 0 && now.next == "" {
		delete(a.apps, app)
	} else {
		a.apps[app] = now
	}
	if was.next == now.next && was.image == now.image && slices.Equal(was.nextOn, now.nextOn) && slices.Equal(was.spares, now.spares) {
		return nil
	}
	old, all := was.all(), now.all()
	for k := range old {
		if !all[k] {
			delete(a.hosts[k[0]], KeptImage{app, k[1]})
			woken = append(woken, k[0])
		}
	}
	for k := range all {
		if old[k] {
			continue
		}
		if a.hosts[k[0]] == nil {
			a.hosts[k[0]] = map[KeptImage]bool{}
		}
		a.hosts[k[0]][KeptImage{app, k[1]}] = true
		woken = append(woken, k[0])
	}
	slices.Sort(woken)
	return slices.Compact(woken)
}

// of is what one host fetches, in a lasting order.
func (a *Ahead) of(host string) []KeptImage {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.SortedFunc(maps.Keys(a.hosts[host]), func(x, y KeptImage) int {
		return cmp.Or(cmp.Compare(x.AppID, y.AppID), cmp.Compare(x.Digest, y.Digest))
	})
	return list[:min(len(list), mostFetches)]
}

// ahead is the part of a host's set that is to be fetched.
func (c *Control) ahead(host string) []agent.Assignment {
	var out []agent.Assignment
	for _, k := range c.cfg.Ahead.of(host) {
		// Stop is for agents that do not know of this: there is nothing to start.
		out = append(out, agent.Assignment{ID: "ahead-" + k.AppID + "-" + k.Digest, AppID: k.AppID, Image: c.cfg.Image(k.AppID, k.Digest), Ahead: true, Stop: true})
	}
	return out
}
