package server

import (
	"context"
	"slices"
	"strings"

	"paas/router"
	"paas/scheduler"
)

// routes are the app's host names with every web instance that is up on a host
// that is not lost, whichever release it is of: the plan says who stays.
func (r *Reconciler) routes(ctx context.Context, snap Snapshot) []router.Route {
	targets := []router.Target{}
	lost := map[string]bool{}
	for i := range snap.State.Hosts {
		if h := &snap.State.Hosts[i]; h.Lost { // the others are thousands
			lost[h.ID] = true
		}
	}
	for _, in := range snap.State.Instances {
		if in.Type == webType && in.State == scheduler.Up && !lost[in.Host] {
			targets = append(targets, router.Target{ID: in.ID, Name: snap.Names[in.ID], Addr: snap.Addrs[in.ID], Release: snap.Versions[in.ID]})
		}
	}
	slices.SortFunc(targets, func(a, b router.Target) int {
		return strings.Compare(a.Name+a.ID, b.Name+b.ID)
	})
	own, err := r.pages.of(ctx, snap.App)
	if err != nil {
		r.warn(ctx, "read the app's own pages; the platform's are shown", snap.App.ID, err)
	}
	var routes []router.Route
	for _, host := range append(r.cfg.Hosts(snap.App.Name), snap.Domains...) {
		routes = append(routes, router.Route{Host: host, AppID: snap.App.ID, App: snap.App.Name,
			Targets: targets, Empty: empty(snap), MaintenancePage: own.maintenance, ErrorPage: own.err})
	}
	return routes
}

// empty is the code of the page to show while nothing serves, or (H80) though
// something does.
func empty(snap Snapshot) string {
	switch {
	case snap.App.Maintenance:
		return "H80"
	case snap.Current.Image.Digest == "":
		return "H81"
	case snap.Formed[webType] == 0:
		return "H14"
	case snap.Crashing:
		return "H10"
	}
	return "H20"
}
