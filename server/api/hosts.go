package api

import (
	"strings"
	"time"
)

// The states of a host.
const (
	HostInvited  = "invited" // it may join, and has not
	HostReady    = "ready"
	HostSettling = "settling" // it came back from being lost, and takes nothing new yet
	HostCordoned = "cordoned" // it takes nothing new
	HostDraining = "draining" // and what it has moves away
	HostDrained  = "drained"  // nothing is left on it
	HostLost     = "lost"     // it is not heard of; what it had was replaced elsewhere
)

// Host is a machine that dynos run on.
type Host struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	State      string            `json:"state"`
	Silent     bool              `json:"silent"` // not heard of for a while, whatever its state
	Note       string            `json:"note"`   // what to know beyond the state; may be empty
	Local      bool              `json:"local"`  // the control plane's own machine
	Arch       string            `json:"arch"`
	Labels     map[string]string `json:"labels"`
	Address    *string           `json:"address"`  // where its instances are reached; null on the local host, and like agent and engine empty for who is no admin
	Agent      string            `json:"agent"`    // version of its agent
	Engine     string            `json:"engine"`   // version of its Docker Engine
	Boot       string            `json:"boot"`     // changes with each start of the machine
	Findings   []Finding         `json:"findings"` // of paas doctor there; for admins
	Capacity   HostPart          `json:"capacity"`
	Kept       HostPart          `json:"kept"`     // of the capacity, not for dynos
	Reserved   HostPart          `json:"reserved"` // by dynos of all apps: what placement counts
	Used       *HostPart         `json:"used"`     // by dynos, as measured last; null when it was not lately
	Disk       *HostDisk         `json:"disk"`     // under its engine; null when it was not told
	Dynos      []HostDyno        `json:"dynos"`    // of apps the caller sees
	Others     int               `json:"others"`   // dynos of other apps
	SeenAt     *time.Time        `json:"seen_at"`
	LostAt     *time.Time        `json:"lost_at"`
	SteadyAt   *time.Time        `json:"steady_at"`   // settling: takes new dynos from then on
	DrainUntil *time.Time        `json:"drain_until"` // draining: what is left then is stopped; null: it waits
}

// Finding is something about a machine that is not in order.
type Finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // "warn" or "fail"
	Found  string `json:"found"`
	Cause  string `json:"cause"`
	Next   string `json:"next"`
	Below  bool   `json:"below_floor"` // a version with a known hole
}

// HostDisk is the file system that a host keeps images, dynos and volumes on, in bytes.
type HostDisk struct {
	Free  int64 `json:"free"`
	Total int64 `json:"total"`
}

// HostPart is a share of a host.
type HostPart struct {
	MilliCPU int64 `json:"milli_cpu"`
	Memory   int64 `json:"memory"` // bytes
}

// HostDyno is a dyno on a host.
type HostDyno struct {
	App     string `json:"app"` // name
	Name    string `json:"name"`
	State   string `json:"state"`
	Size    string `json:"size"`
	Memory  int64  `json:"memory"` // reserved, bytes
	Release int    `json:"release"`
	Volume  string `json:"volume"` // one whose data is on the host alone: the dyno does not move; empty: it may
}

// AddHost is the body of POST /hosts.
type AddHost struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

// HostInvitation lets one machine join, once; the answer alone holds its token.
type HostInvitation struct {
	Host      string    `json:"host"`
	Token     string    `json:"token"`
	Fleet     string    `json:"fleet"` // host:port that agents reach the control plane by
	CA        string    `json:"ca"`    // SHA-256 of its certificate authority, hex
	Command   string    `json:"command"`
	ExpiresAt time.Time `json:"expires_at"`
	Replaces  bool      `json:"replaces"` // an earlier invitation of that name, which is void now
}

// JoinCommand is what is run on a machine to make it a host.
func JoinCommand(fleet, token, ca string) string {
	return strings.Join([]string{"paas agent join", fleet, token, "--ca", ca}, " ")
}

// ChangeHost is the body of PATCH /hosts/{host}; null leaves as it is.
type ChangeHost struct {
	Labels   map[string]*string `json:"labels,omitempty"` // null takes a label away
	Cordoned *bool              `json:"cordoned,omitempty"`
	Draining *bool              `json:"draining,omitempty"`
	// Deadline is how many seconds a drain may take until what is left is
	// stopped; 0 is for ever.
	Deadline int          `json:"deadline,omitempty"`
	Kept     *ChangedPart `json:"kept,omitempty"`
}

// ChangedPart is a HostPart of which null is left as it is.
type ChangedPart struct {
	MilliCPU *int64 `json:"milli_cpu,omitempty"`
	Memory   *int64 `json:"memory,omitempty"`
}

// ChangePlacement is the body of PUT /apps/{app}/placement.
type ChangePlacement struct {
	Placement
	// Had is what it takes the place of: when somebody else has changed that
	// meanwhile, nothing is changed; null: whatever there is.
	Had   *Placement `json:"had,omitempty"`
	Force bool       `json:"force,omitempty"` // also what no host meets now
}

// Placement is the body of GET /apps/{app}/placement: where an app's dynos may be.
type Placement struct {
	Constraints []Constraint `json:"constraints"` // all must hold
	Spread      string       `json:"spread"`      // label over whose values the dynos of a type are spread; may be empty
	Unique      bool         `json:"unique"`      // no two dynos of a type on one host
}

// Constraint asks for a label of the host.
type Constraint struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Not   bool   `json:"not"` // the label must have another value, or be missing
}

func (c Constraint) String() string {
	if c.Not {
		return c.Label + "!=" + c.Value
	}
	return c.Label + "=" + c.Value
}

// Why is the answer of GET /apps/{app}/dynos/{dyno}/why: where a dyno is or
// why it is nowhere, and what each host says to it.
type Why struct {
	Dyno   Dyno      `json:"dyno"`
	Host   *string   `json:"host"`   // name; null while it waits for a place
	Old    *string   `json:"old"`    // host of the dyno that it is to replace and that is up meanwhile
	Reason string    `json:"reason"` // why it waits
	Hosts  []HostWhy `json:"hosts"`
}

// HostWhy is what a host says to a dyno.
type HostWhy struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Why  string `json:"why"` // the reason it refuses; empty: it would take it
}
