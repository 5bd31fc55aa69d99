package server

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Problem is something about an app that somebody should do something about.
type Problem struct {
	Kind ProblemKind
	What string // one sentence
	Why  string // what is known of the cause; may hold lines of the app
	Next string // the command to go on with
	Dyno string // that it is about, or a process type
}

// ProblemKind is what a problem is about.
type ProblemKind string

// The kinds of problem.
const (
	ProblemMaintenance ProblemKind = "maintenance"
	ProblemDyno        ProblemKind = "dyno"
	ProblemPlace       ProblemKind = "place" // no host takes it
	ProblemScale       ProblemKind = "scale"
	ProblemDeploy      ProblemKind = "deploy"
	ProblemRequests    ProblemKind = "requests"
	ProblemMemory      ProblemKind = "memory"
	ProblemDisk        ProblemKind = "disk" // files that the next restart takes
)

// Problems says what is wrong with an app now, what keeps its users out first.
// recent is its figures; a zero Metrics says nothing of them.
func (o Overview) Problems(recent Metrics) []Problem {
	var list []Problem
	on := " -a " + o.Row.Name
	if o.Row.Maintenance {
		list = append(list, Problem{Kind: ProblemMaintenance, What: "Maintenance is on: every request gets the maintenance page.", Next: "paas maintenance:off" + on})
	}
	list = append(list, o.dynoProblems(on)...)
	if d := o.Deploy; d != nil && d.State == DeployFailed {
		p := Problem{Kind: ProblemDeploy, What: fmt.Sprintf("The last deploy failed while %s.", d.Stage), Why: d.Reason, Next: "paas deploys:output " + d.ID + on}
		if o.Release != nil {
			p.What += fmt.Sprintf(" v%d runs on.", o.Release.Version)
		}
		list = append(list, p)
	}
	list = append(append(list, failing(recent, on)...), full(recent, on)...)
	return append(list, o.passing(on)...)
}

func (o Overview) dynoProblems(on string) (list []Problem) {
	for _, in := range o.Dynos {
		name := instanceName(in.Type, in.Ordinal)
		switch {
		case in.OneOff:
		case in.State == "crashed":
			p := Problem{Kind: ProblemDyno, Dyno: name, What: name + " has crashed", Why: in.Reason, Next: "paas logs -d " + name + on}
			if in.Crashes > 1 {
				p.What += fmt.Sprintf(", %d times in a row", in.Crashes)
			}
			p.What += "."
			list = append(list, p)
		case in.State == "pending" && in.Reason != "":
			list = append(list, Problem{Kind: ProblemPlace, Dyno: name, What: name + " waits for a place on a host.", Why: in.Reason, Next: "paas ps" + on})
		}
	}
	for _, f := range o.Formation {
		if f.Type == "web" && f.Quantity == 0 && o.Release != nil {
			list = append(list, Problem{Kind: ProblemScale, Dyno: "web", What: "web is scaled to 0: nothing answers requests (H14).", Next: "paas ps:scale web=1" + on})
		}
	}
	return list
}

// problemSpan is how far back figures count as now.
const problemSpan = 5 * time.Minute

// failing tells of requests that were answered 5xx.
func failing(m Metrics, on string) []Problem {
	var errors, requests int64
	for _, p := range m.Traffic {
		if p.At.Before(m.Until.Add(-problemSpan)) {
			continue
		}
		errors += p.Errors
		requests += p.Requests
	}
	if errors == 0 {
		return nil
	}
	return []Problem{{Kind: ProblemRequests, What: fmt.Sprintf("%d of %d requests of the last %d minutes failed (5xx).", errors, requests, int(problemSpan.Minutes())), Next: "paas apps:errors" + on}}
}

// full tells of process types whose dynos are close to their memory limit.
func full(m Metrics, on string) (list []Problem) {
	for _, typ := range m.Types() {
		points := m.Usage[typ]
		for i := len(points) - 1; i >= 0; i-- {
			p := points[i]
			if p.Instances == 0 {
				continue
			}
			if p.MemoryLimit > 0 && p.Memory*20 >= p.MemoryLimit*19 && !p.At.Before(m.Until.Add(-problemSpan)) {
				list = append(list, Problem{Kind: ProblemMemory, Dyno: typ, What: fmt.Sprintf("%s uses %d of %d MB memory; over it, dynos are killed (R14).", typ, p.Memory>>20, p.MemoryLimit>>20),
					Next: "paas ps" + on})
			}
			break
		}
	}
	return list
}

// Types are the process types there are figures of, web first.
func (m Metrics) Types() []string {
	types := slices.Sorted(maps.Keys(m.Usage))
	slices.SortStableFunc(types, func(a, b string) int {
		switch {
		case a == "web" && b != "web":
			return -1
		case b == "web" && a != "web":
			return 1
		}
		return 0
	})
	return types
}
