// Package door lets apps reach the apps they are linked with, from inside:
// http://NAME.internal. On each host it has one door for each app's network, at
// the host's address on that network: a name server that knows the linked apps'
// names and a router (package router) with their healthy instances. Which app
// calls is known by the door that it came to, so nothing in a request can claim
// to be another.
package door

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"paas/router"
)

// Config is what Doors have to know. Host and both ports are required.
type Config struct {
	Host string // this host's name in the control plane
	// HTTPPort and NamePort are those that the firewall leads the networks'
	// ports 80 (TCP) and 53 (UDP) to.
	HTTPPort, NamePort uint16
	// SnapshotFile keeps what was served last, so that a restarted host serves
	// before the control plane speaks. Empty keeps nothing.
	SnapshotFile string
	// Limits are those of each door's router.
	Limits router.Limits
}

// maxConns is how many connections one app's instances on a host may have open
// to the door.
const maxConns = 4096

// Network is an app's network on this host.
type Network struct {
	AppID  string
	Subnet netip.Prefix
}

// address is the host's own on a network: the first one.
func (n Network) address() netip.Addr { return n.Subnet.Masked().Addr().Next() }

// Doors are all doors of a host. Make them with New, then Run them once.
type Doors struct {
	cfg      Config
	source   router.LinkSource
	log      *slog.Logger
	networks chan []Network // the newest one
	poke     chan struct{}  // something of a door changed

	// Below: of Run alone.
	links   router.Links
	wanted  map[string]Network // by app
	open    map[string]*door   // by app
	leaving map[*door]bool
	kept    int64 // version in the snapshot
	acked   router.Ack
	told    map[string]string // by app, the last trouble
	doors   sync.WaitGroup
}

// New reads the snapshot; a broken one is reported and ignored.
func New(cfg Config, source router.LinkSource, log *slog.Logger) (*Doors, error) {
	if cfg.Host == "" || cfg.HTTPPort == 0 || cfg.NamePort == 0 {
		return nil, errors.New("doors: the host's name and both ports are required")
	}
	if cfg.Limits.MaxConns == 0 {
		cfg.Limits.MaxConns = maxConns
	}
	d := &Doors{cfg: cfg, source: source, log: log, networks: make(chan []Network, 1), poke: make(chan struct{}, 1),
		wanted: map[string]Network{}, open: map[string]*door{}, leaving: map[*door]bool{}, told: map[string]string{}}
	if cfg.SnapshotFile != "" {
		var links router.Links
		if _, err := router.ReadSnapshot(cfg.SnapshotFile, &links); err != nil {
			log.Error("snapshot of linked apps ignored; none is reached until the control plane speaks", "err", err)
		} else {
			d.links, d.kept = links, links.Version
		}
	}
	return d, nil
}

// Networks says which networks there are on this host; each of them has a door.
// It does not wait.
func (d *Doors) Networks(list []Network) {
	select {
	case <-d.networks:
	default:
	}
	select {
	case d.networks <- list:
	default: // another one was quicker, and is as new
	}
}

// ackEvery is the time between two words to the source though nothing changed,
// and between two tries to open a door that could not be opened.
const ackEvery = time.Second

// Run opens and closes doors until ctx ends, then lets requests finish.
func (d *Doors) Run(ctx context.Context) error {
	defer d.doors.Wait()
	defer func() {
		for _, one := range d.open {
			one.cancel()
		}
	}()
	links := d.source.WatchLinks(ctx, d.cfg.Host)
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	for {
		again := false
		select {
		case <-ctx.Done():
			return nil
		case l, ok := <-links:
			if !ok {
				links = nil // ctx is ending
				continue
			}
			d.links = l
		case list := <-d.networks:
			d.want(list)
		case <-d.poke:
		case <-tick.C:
			again = true
		}
		d.converge(ctx)
		d.keep()
		d.ack(again)
	}
}

func (d *Doors) want(list []Network) {
	clear(d.wanted)
	for _, n := range list {
		if n.Subnet.IsValid() && n.Subnet.Addr().Is4() && n.Subnet.Bits() < 31 {
			d.wanted[n.AppID] = n
		}
	}
}

// converge opens the doors that are missing, closes those of networks that are
// gone, and hands each what it serves.
func (d *Doors) converge(ctx context.Context) {
	for one := range d.leaving {
		if one.ended() {
			delete(d.leaving, one)
		}
	}
	for app, one := range d.open {
		if d.wanted[app] == one.network && !one.ended() {
			continue
		}
		one.cancel()
		d.leaving[one] = true // what is under way there still counts
		delete(d.open, app)
	}
	routes := make(map[string][]router.Route, len(d.links.Apps))
	for _, a := range d.links.Apps {
		routes[a.AppID] = a.Routes
	}
	for app, n := range d.wanted {
		if d.open[app] == nil && (d.closing(n) || !d.begin(ctx, n)) {
			continue
		}
		if err := d.open[app].serve(ctx, router.Table{Version: d.links.Version, Routes: routes[app]}); err != nil {
			d.complain(app, err)
		}
	}
}

// closing says that an earlier door of the network still finishes requests.
func (d *Doors) closing(n Network) bool {
	for one := range d.leaving {
		if one.network.Subnet == n.Subnet {
			return true
		}
	}
	return false
}

// begin opens a door; false when it cannot be opened now.
func (d *Doors) begin(ctx context.Context, n Network) bool {
	one, err := d.newDoor(ctx, n)
	d.complain(n.AppID, err)
	if err != nil {
		return false
	}
	d.open[n.AppID] = one
	return true
}

// complain says each trouble once.
func (d *Doors) complain(app string, err error) {
	if err == nil {
		delete(d.told, app)
		return
	}
	if d.told[app] != err.Error() {
		d.told[app] = err.Error()
		d.log.Error("the linked apps of an app cannot be reached on this host; trying on", "app", app, "err", err)
	}
}

// keep writes the snapshot, before anything is acknowledged: the instances that
// the old one leads to are stopped after that.
func (d *Doors) keep() {
	if d.cfg.SnapshotFile == "" || d.kept == d.links.Version {
		return
	}
	if err := router.WriteSnapshot(d.cfg.SnapshotFile, d.links); err != nil {
		d.log.Error("snapshot of linked apps not kept; a restart would serve an older one", "err", err)
	}
	d.kept = d.links.Version
}

// ack tells the source what all doors of this host serve by now, and what is
// under way to instances that left. A host that serves nothing is waited for by
// nobody, and says so once.
func (d *Doors) ack(again bool) {
	again = again && len(d.links.Apps) > 0
	a := router.Ack{Router: d.cfg.Host, Version: d.links.Version, Busy: map[string]int{}}
	for _, one := range d.open {
		version, busy := one.state()
		a.Version = min(a.Version, version)
		addBusy(a.Busy, busy)
	}
	for one := range d.leaving {
		_, busy := one.state()
		addBusy(a.Busy, busy)
	}
	if !again && a.Version == d.acked.Version && maps.Equal(a.Busy, d.acked.Busy) {
		return
	}
	d.acked = router.Ack{Router: a.Router, Version: a.Version, Busy: maps.Clone(a.Busy)}
	d.source.AckLinks(a)
}

func addBusy(sum, busy map[string]int) {
	for id, n := range busy {
		sum[id] += n
	}
}

// names are the first labels of routes' hosts.
func namesOf(routes []router.Route) []string {
	var out []string
	for _, r := range routes {
		out = append(out, r.Host)
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}
