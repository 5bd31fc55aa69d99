package api

import "time"

// StartDrill is the body of POST /hosts/{host}/drill.
type StartDrill struct {
	Seconds int  `json:"seconds"` // how long the host is treated as if it had died
	Force   bool `json:"force"`   // also when dynos find no other host
	DryRun  bool `json:"dry_run"` // only say what it would touch
}

// Drill is a rehearsal of the loss of a host. Times in it count from its
// start; null: it has not come to that.
type Drill struct {
	ID        string     `json:"id"` // empty: it is what a drill would do
	Host      string     `json:"host"`
	User      string     `json:"user"` // who began it
	StartedAt *time.Time `json:"started_at"`
	Until     *time.Time `json:"until"`
	Ended     bool       `json:"ended"`
	Lost      *float64   `json:"lost"`      // seconds until the host was declared lost
	Out       *float64   `json:"out"`       // until no router had a request for it
	Elsewhere *float64   `json:"elsewhere"` // until everything that could was up on other hosts
	Apps      []DrillApp `json:"apps"`
}

// DrillApp is an app that had something on the host.
type DrillApp struct {
	App       string   `json:"app"`
	Dynos     []string `json:"dynos"`    // that it had there
	Away      string   `json:"away"`     // why a process type served nothing at first; empty: none did
	Waits     []string `json:"waits"`    // dynos that no other host takes, and why
	OneOffs   []string `json:"one_offs"` // runs that end
	Out       *float64 `json:"out"`
	Elsewhere *float64 `json:"elsewhere"`
	Gone      float64  `json:"gone"`     // seconds without any web dyno in the routers
	Requests  int64    `json:"requests"` // that ended meanwhile
	Failed    int64    `json:"failed"`   // of them, with a status from 500 on
}
