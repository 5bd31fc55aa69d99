package server

import (
	"context"
	"time"
)

// The bounds of a drill.
const (
	ShortestDrill = 10 * time.Second // the host must be declared lost, and what it had be up elsewhere
	LongestDrill  = time.Hour
)

// DrillTopic rings when a drill begins or ends.
const DrillTopic = "drill"

// Drill is a rehearsal of the loss of a host: the control plane does not listen
// to it until then, and all that follows is what follows when a host dies.
type Drill struct {
	ID           string // empty: it is only what a drill would do
	HostID, Host string
	Actor        string
	StartedAt    time.Time
	Until        time.Time // it ends by then, whoever is there to see it
	EndedAt      time.Time // zero while it goes on
	Report       DrillReport
}

// DrillReport is what a drill touches and what was measured of it. Times count
// from its start; zero: it has not come to that.
type DrillReport struct {
	Lost      time.Duration `json:"lost"`      // the host was declared lost
	Out       time.Duration `json:"out"`       // no router had a request for it any more
	Elsewhere time.Duration `json:"elsewhere"` // everything that could was up on other hosts
	Apps      []DrillApp    `json:"apps"`
}

// DrillApp is an app that had something on the host.
type DrillApp struct {
	ID        string         `json:"id"`
	App       string         `json:"app"`
	Dynos     []string       `json:"dynos"`     // names of those on the host
	Instances []string       `json:"instances"` // their ids
	Had       map[string]int `json:"had"`       // dynos that were up, by type, on all hosts
	// Away says why a process type serves nothing at first: all its dynos are there.
	Away string `json:"away,omitempty"`
	// Waits is which dynos no other host takes, and why.
	Waits []string `json:"waits,omitempty"`
	// OneOffs are names of runs that end.
	OneOffs []string `json:"one_offs,omitempty"`

	Out       time.Duration `json:"out"`
	Elsewhere time.Duration `json:"elsewhere"`
	Gone      time.Duration `json:"gone"`     // how long no web dyno was in the routers
	Requests  int64         `json:"requests"` // that ended since the start
	Failed    int64         `json:"failed"`   // of them, with a status from 500 on
}

// Ended says that a drill is over at a time.
func (d Drill) Ended(now time.Time) bool { return !d.EndedAt.IsZero() || !now.Before(d.Until) }

// DrillOrder is what is asked for.
type DrillOrder struct {
	For   time.Duration // ShortestDrill to LongestDrill
	Force bool          // also when dynos find no other host
}

// DrillStore keeps drills.
type DrillStore interface {
	// AppsOn gives the ids of the apps that have something on a host.
	AppsOn(ctx context.Context, hostID string) ([]string, error)
	// CreateDrill begins one. While another goes on, or the host is lost, it is ErrConflict.
	CreateDrill(ctx context.Context, d Drill, life time.Duration) (Drill, error)
	// LastDrill is a host's newest; ErrNotFound: there was none.
	LastDrill(ctx context.Context, hostID string) (Drill, error)
	// RunningDrill is the one that goes on or was not noted to have ended; nil: none.
	RunningDrill(ctx context.Context) (*Drill, error)
	// NoteDrill keeps what was measured.
	NoteDrill(ctx context.Context, id string, r DrillReport) error
	// EndDrill has the host listened to again. One that has ended stays as it is.
	EndDrill(ctx context.Context, id, actor string) error
}
