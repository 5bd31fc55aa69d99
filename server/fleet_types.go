package server

import (
	"context"
	"net/netip"
	"time"

	"paas/scheduler/agent"
)

// Join is a machine that wants to become a host.
type Join struct {
	Token               string
	Arch                string // "amd64"
	MilliCPU, Memory    int64  // capacity for instances; memory in bytes
	Addr, Agent, Engine string // private address, versions
	Key                 []byte // SHA-256 of the public key of its agent
	Boot                string // changes with each start of the machine; may be empty
	Findings            []Finding
	// Unexamined says that Findings are to come.
	Unexamined bool
	// Former says that the machine ran paas standalone, and is to be that host.
	Former bool

	From netip.Addr // where an announcement comes from
}

// Finding is something about a machine that is not in order, as paas doctor
// says it there.
type Finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // "warn" or "fail"
	Found  string `json:"found"`
	Cause  string `json:"cause"`
	Next   string `json:"next"`
	Below  bool   `json:"below_floor,omitempty"` // a version with a known hole
}

// FleetAddress is where agents reach the control plane; zero: they cannot.
type FleetAddress struct {
	Addr string // host:port
	CA   string // SHA-256 fingerprint of the authority's certificate, hex
}

// FleetConfig are the figures of the fleet; zero values are the defaults.
type FleetConfig struct {
	Lease time.Duration // a host that is not heard of for longer is lost; 2.5 s
	Flush time.Duration // beats are written this often; 500 ms
	Grace time.Duration // every host is given this long to be heard, after a start and after each gap; twice Lease
	// RequireFloors refuses machines with a version that has a known hole.
	RequireFloors bool
	// Epoch is of the leader's lease while this process holds it, else 0: only
	// then hosts are declared lost. Nil: never.
	Epoch func() int64
}

// HostBeat is the newest sign of life of a host.
type HostBeat struct {
	Host   string
	Age    time.Duration // since it was received
	Engine bool          // its Docker Engine answers
}

// Pulse is what was found when beats were written.
type Pulse struct {
	Back    []string  // names of hosts that were lost and are heard of again
	Drained []string  // names of hosts whose drain has met its deadline
	Hosts   int       // all but those that are lost for long
	Remote  int       // of them, those that are not the control plane's own
	Silent  int       // of Remote, those not heard of for half of the lease: they may be vanishing together
	Overdue []string  // ids of those that are not heard of and not lost yet
	Drilled []string  // of Overdue, those whose loss is rehearsed
	Now     time.Time // by the database's clock; zero: it was not told
	// Next is until the next one is, if it is not heard of; 0: there is none.
	Next time.Duration
}

// FleetStore keeps hosts that are machines of their own.
type FleetStore interface {
	// JoinHost spends a token. The same token with the same key gives the same
	// host again.
	JoinHost(ctx context.Context, tokenHash []byte, j Join) (id, name string, err error)
	// AnnounceHost notes what an agent says of its machine when it starts.
	AnnounceHost(ctx context.Context, id string, j Join) error
	HostByKey(ctx context.Context, keyHash []byte) (id string, err error)
	// HostExists gives ErrNotFound for one that was removed.
	HostExists(ctx context.Context, id string) error
	RenewHostKey(ctx context.Context, id string, from, to []byte) error
	// Pulse writes beats and says who is silent, all by the database's clock.
	Pulse(ctx context.Context, beats []HostBeat, lease time.Duration) (Pulse, error)
	// LoseHosts declares those of the hosts lost that are still silent, if the
	// leader's lease has that epoch, and gives their names.
	LoseHosts(ctx context.Context, ids []string, lease time.Duration, epoch int64) ([]string, error)
	// TakeStock notes what hosts have of disk and volumes, by host id.
	TakeStock(ctx context.Context, stocks map[string]agent.Stock) error
}

// LeaseStore keeps who may do what only one may. All times are the database's.
type LeaseStore interface {
	// TakeLease takes a lease that is free, has run out or is the owner's own,
	// and gives its new epoch; 0: another holds it.
	TakeLease(ctx context.Context, name, owner string, life time.Duration) (epoch int64, err error)
	// RenewLease is ErrLost when the lease is not the owner's any more.
	RenewLease(ctx context.Context, name, owner string, epoch int64, life time.Duration) error
	// DropLease ends it at once, if it is the owner's; the epoch stays.
	DropLease(ctx context.Context, name, owner string, epoch int64) error
}
