// Package scheduler decides what runs where. Plan is a pure function of a
// snapshot: it is called again and again and each time says the next safe
// steps, so nothing that it once meant to do has to be remembered.
package scheduler

import "time"

// InstanceState is where an instance stands.
type InstanceState string

// The states of an instance.
const (
	Pending  InstanceState = "pending"  // wanted, no host takes it; Reason says why
	Assigned InstanceState = "assigned" // a host was chosen, its agent has not reported
	Starting InstanceState = "starting" // its process runs, not healthy yet
	Up       InstanceState = "up"       // healthy; takes traffic if its type does
	Draining InstanceState = "draining" // out of the table, requests in flight may end
	Stopping InstanceState = "stopping" // told to stop
	Crashed  InstanceState = "crashed"  // ended by itself; restarted after NotBefore
)

// Host is a machine with a Docker Engine.
type Host struct {
	ID       string
	Name     string
	Arch     string
	MilliCPU int64 // capacity
	Memory   int64 // capacity, bytes
	// UsedMilliCPU and UsedMemory are what instances of all apps reserve.
	UsedMilliCPU int64
	UsedMemory   int64
	Instances    int
	Labels       map[string]string
	// DiskFree and DiskTotal are bytes of the file system that the engine keeps
	// images, containers and volumes on; a total of 0: nobody knows.
	DiskFree, DiskTotal int64
	// Stocked: its agent tells what it has of disk and volumes; one of an
	// earlier version does not, and keeps no volumes.
	Stocked bool
	// Lost: nothing is heard of it. Its instances count as gone.
	Lost bool
	// Cordoned: it takes nothing new.
	Cordoned bool
	// Draining: it takes nothing new, and what it has is replaced elsewhere.
	Draining bool
	// Settling: it was lost not long ago and takes nothing new yet.
	Settling bool
}

// Placement says where an app's instances may be; the zero value: anywhere.
type Placement struct {
	// Constraints must all hold.
	Constraints []Constraint `json:"constraints,omitempty"`
	// Spread is the label over whose values instances of a type are spread
	// before anything else is weighed; hosts without it are a value of their own.
	Spread string `json:"spread,omitempty"`
	// Unique: no two instances of a type on one host.
	Unique bool `json:"unique,omitempty"`
}

// Constraint asks for a label of the host: "zone=a", or with Not "zone!=a".
type Constraint struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Not   bool   `json:"not,omitempty"`
}

// Refusal is why a host does not take an instance.
type Refusal struct {
	HostID string
	Host   string // name
	Why    string // "has 12 MB of memory free, needs 512 MB"; empty: it would take it
}

// Instance is one copy of a process.
type Instance struct {
	ID       string
	Release  string
	Type     string
	Ordinal  int
	Host     string
	State    InstanceState
	Reason   string // why it is pending
	OneOff   bool   // runs once: it is placed, and otherwise let alone
	Arch     string // of its image, as State.Arch; it need not be the target's
	Image    string // digest; empty: nobody knows
	Replace  bool   // to be replaced though it is of the target release (restart)
	Crashes  int
	UpAt     time.Time // zero when it never was up
	Since    time.Time // of State
	MilliCPU int64
	Memory   int64
	// Quiet says that every live router serves a table without it and has no
	// request in flight to it.
	Quiet bool
}

// Want is how many instances of a process type there shall be.
type Want struct {
	Type     string
	Quantity int
	MilliCPU int64 // each
	Memory   int64 // each, bytes
	Routed   bool  // takes traffic: is drained before it stops
}

// State is the snapshot a plan is made of: one app and all hosts.
type State struct {
	Now     time.Time // by the clock that all times here are of
	Release string    // the target; empty when nothing shall run
	Arch    string    // of the target's image, or several: \"amd64,arm64\"; empty means any
	Image   string    // digest of the target's
	// Fetched are hosts that were told to fetch Image before anything of it was
	// to run there.
	Fetched   []string
	Rolling   bool // a deploy moves to Release; its crashes are the deploy's to judge
	Wants     []Want
	Instances []Instance
	Hosts     []Host
	Placement Placement
	// Volumes are what instances of a kind keep their data on.
	Volumes map[Kind][]Volume
	// DrainLimit is how long a draining instance is waited for.
	DrainLimit time.Duration
}

// OpKind is what an Op does.
type OpKind string

// The kinds of operation.
const (
	OpStart OpKind = "start" // a new instance; Host may be empty (pending, Reason says why)
	OpPlace OpKind = "place" // a pending instance gets a host, or a new Reason
	OpDrain OpKind = "drain" // out of the routing table
	OpStop  OpKind = "stop"  // tell the agent to stop it
	OpDrop  OpKind = "drop"  // forget it: no host has anything of it, or its host is lost
	OpLose  OpKind = "lose"  // a one-off whose host is lost: its run ends, and says so
)

// Op is one step. The store checks each against the state it finds.
type Op struct {
	Kind     OpKind
	Instance string // of an existing one, not for OpStart
	Replaces string // OpStart: instance that this one takes the place of; it crashed, or its host is lost: forget it
	// Beside, of OpStart: an instance of the same name that serves until this
	// one is up. The store marks it Replace, so that the name is free.
	Beside   string
	Release  string // OpStart
	Type     string // OpStart
	Ordinal  int    // OpStart
	Host     string // OpStart, OpPlace
	MilliCPU int64  // OpStart
	Memory   int64  // OpStart
	Crashes  int    // OpStart: of those it takes the place of
	Reason   string // why pending
}

// Decision is the outcome of Plan.
type Decision struct {
	Ops []Op
	// WakeAt is when the same snapshot would plan something new; zero: never.
	WakeAt time.Time
}
