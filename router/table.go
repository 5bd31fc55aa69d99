// Package router is the edge: it terminates HTTP, finds the app a request is
// for and streams it to one healthy instance. It serves from its own snapshot
// of the routing table and needs neither the control plane nor Postgres.
package router

import "context"

// Table is everything a router knows about apps. A router swaps whole tables
// atomically and acknowledges the version it serves from.
type Table struct {
	Version int64   `json:"version"` // grows; never reused, across restarts too
	Routes  []Route `json:"routes"`
}

// Route is one host name and the instances that serve it. Targets holds
// healthy instances only; a drained or starting one is simply absent.
type Route struct {
	Host    string   `json:"host"`   // lower case, without port; "*.example.com" is every name one level below that no other route has
	AppID   string   `json:"app_id"` // for logs
	App     string   `json:"app"`    // for people
	Targets []Target `json:"targets"`
	// Empty says why Targets is empty: the H-code of the page to show
	// ("H10" crashed, "H14" no web instances, "H81" nothing deployed yet,
	// "H80" maintenance). It is ignored when there are targets, except H80.
	Empty string `json:"empty,omitempty"`
	// The app's own pages, as PageURL lets them pass; empty is the platform's.
	MaintenancePage string `json:"maintenance_page,omitempty"` // for H80
	ErrorPage       string `json:"error_page,omitempty"`       // for every other 503
}

// Target is one instance that takes requests.
type Target struct {
	ID   string `json:"id"`   // instance id; stays the same as long as the instance lives
	Name string `json:"name"` // "web.1", for the log line
	Addr string `json:"addr"` // "10.210.0.2:8080"
	// Release is the version of the release the instance is of, for Observation.
	Release int `json:"release,omitempty"`
}

// Ack is what a router says about itself, after every swap of the table and
// whenever Busy shrinks.
type Ack struct {
	Router  string // id of the router
	Version int64  // the table it serves from now
	// Busy counts requests and upgraded connections still in flight to
	// targets that Version does not hold any more.
	Busy map[string]int // by Target.ID
}

// Source gives a router its tables. Watch sends the newest table at once when
// there is one and after each change (tables may be skipped, never reordered);
// the channel closes when ctx ends.
type Source interface {
	Watch(ctx context.Context, router string) <-chan Table
	Ack(Ack)
}
