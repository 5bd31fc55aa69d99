package server

import "time"

// MetricsQuery says which stretch of an app's figures is asked for.
type MetricsQuery struct {
	Since, Until time.Time // zero: the hour before now, and now
	Points       int       // at most how many steps; 0: 120
}

// Metrics is what one app did between Since and Until, in equal steps. Since
// and Until are moved outwards to whole steps.
type Metrics struct {
	Since, Until time.Time
	Step         time.Duration
	Total        TrafficPoint            // all steps together; At is Since
	Traffic      []TrafficPoint          // one per step, oldest first; a step without requests is there, with zeros
	Usage        map[string][]UsagePoint // by process type, one per step, oldest first
	Deploys      []DeployMark            // releases that went live in the range, oldest first
}

// TrafficPoint is what the routers saw of one app in one step.
type TrafficPoint struct {
	At       time.Time // begin of the step
	Requests int64
	// Status counts by class: index 1 to 5 for 1xx to 5xx, 0 for requests
	// whose client went away before there was an answer.
	Status        [6]int64
	Errors        int64         // 5xx, those of the platform (H codes) included
	P50, P95, P99 time.Duration // time the app took, within 5 %; 0 when there were no requests
	Release       map[int]int64 // requests by the version of the release that served them; 0: none did
}

// UsagePoint is what the instances of one process type used in one step.
type UsagePoint struct {
	At          time.Time // begin of the step
	Instances   int       // how many were measured; 0: nothing is known of this step
	MilliCPU    int64     // thousandths of a CPU: the mean over the step of the sum over instances
	Memory      int64     // bytes, without file cache: the mean over the step of the sum over instances
	MemoryLimit int64     // bytes, the sum over instances
}

// DeployMark is a release that went live.
type DeployMark struct {
	At                time.Time
	Version           int
	Description, User string
}

// Spark is the last hour of an app by minute, oldest first; the last element
// is the minute that has not ended yet.
type Spark struct {
	Requests, Errors [60]int64
}
