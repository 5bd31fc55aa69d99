package api

import "time"

// Metrics is the body of GET /apps/{app}/metrics: what an app did in
// [since, until), in equal steps.
type Metrics struct {
	App     Ref                     `json:"app"`
	Since   time.Time               `json:"since"`
	Until   time.Time               `json:"until"`
	Step    int                     `json:"step"`    // seconds
	Total   TrafficPoint            `json:"total"`   // of all steps together
	Traffic []TrafficPoint          `json:"traffic"` // oldest first
	Usage   map[string][]UsagePoint `json:"usage"`   // by process type, oldest first
	Deploys []DeployMark            `json:"deploys"` // that went live, oldest first
}

// TrafficPoint is what the routers saw of an app in one step.
type TrafficPoint struct {
	At       time.Time        `json:"at"`
	Requests int64            `json:"requests"`
	Errors   int64            `json:"errors"`   // answered with 5xx, by the app or for it
	Status   map[string]int64 `json:"status"`   // requests by class: 1xx to 5xx, and aborted: the client left
	Releases map[string]int64 `json:"releases"` // requests by release: v12; none: no instance took them
	P50      float64          `json:"p50"`      // milliseconds, 0 without requests
	P95      float64          `json:"p95"`
	P99      float64          `json:"p99"`
}

// UsagePoint is what the instances of a process type used in one step.
type UsagePoint struct {
	At          time.Time `json:"at"`
	Instances   int       `json:"instances"` // that were measured
	MilliCPU    int64     `json:"milli_cpu"` // of all of them, on the mean
	Memory      int64     `json:"memory"`    // bytes, likewise
	MemoryLimit int64     `json:"memory_limit"`
}

// DeployMark is a release that went live.
type DeployMark struct {
	At          time.Time `json:"at"`
	Version     int       `json:"version"`
	Description string    `json:"description"`
	User        string    `json:"user"` // e-mail
}
