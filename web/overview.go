package web

import (
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/scheduler"
	"paas/server"
)

func (s *Server) overviewRoutes(r chi.Router) {
	r.Get("/", s.page(s.overviewPage))
}

// overviewView is what the overview shows.
type overviewView struct {
	server.Overview
	State    server.AppState
	Problems []problemView
	Dynos    []server.Instance
	Charts   []drawing
	Events   []eventView
}

// problemView is a problem and the page where one goes on with it.
type problemView struct {
	server.Problem
	Page, PageText string
	Hosts          []scheduler.Refusal // what they say to a dyno that waits
	More           int                 // hosts beyond those
}

// eventView is an event as a sentence.
type eventView struct {
	At               time.Time
	Who, Did, Object string
}

// overviewPage tells how an app is: what is wrong first.
func (s *Server) overviewPage(v *visit) error {
	o, err := s.svc.Overview(v.ctx(), v.actor(), v.app().Name)
	if err != nil {
		return err
	}
	if o.Release == nil {
		return s.awaitFirstPush(v)
	}
	if o.Release == nil && len(o.Dynos) == 0 {
		return s.awaitFirstPush(v)
	}
	m, err := s.svc.Metrics(v.ctx(), v.actor(), v.app().Name, server.MetricsQuery{Points: 61})
	if err != nil {
		return err
	}
	view := overviewView{Overview: o, State: o.Row.State(), Dynos: slices.Clone(o.Dynos)}
	for _, p := range o.Problems(m) {
		view.Problems = append(view.Problems, v.pageOf(p, o))
	}
	if err := s.askHosts(v, view.Problems); err != nil {
		return err
	}
	for _, e := range o.Events {
		ev := eventView{At: e.At, Who: e.Actor, Did: phrase(e.Kind), Object: shortDigest(e.Text)}
		if ev.Who == "paas" {
			ev.Who = "the platform"
		}
		if e.Kind == "deploy.live" && ev.Object == "" {
			ev.Object = "the deploy"
		}
		view.Events = append(view.Events, ev)
	}
	slices.SortStableFunc(view.Dynos, dynoOrder)
	for _, c := range []chart{requestsChart(m, time.Now()), errorsChart(m, time.Now()), latencyChart(m)} {
		view.Charts = append(view.Charts, small(c).draw())
	}
	return v.show("overview", "overview", "Overview", view)
}

// pageOf finds the page of the dashboard where a problem is dealt with.
func (v *visit) pageOf(p server.Problem, o server.Overview) problemView {
	view := problemView{Problem: p}
	switch p.Kind {
	case server.ProblemMaintenance:
		view.Page, view.PageText = v.appPath("settings"), "Settings"
	case server.ProblemDyno:
		view.Page, view.PageText = v.appPath("logs")+"?"+url.Values{"ps": {p.Dyno}}.Encode(), "Its log"
	case server.ProblemPlace:
		view.Page, view.PageText = "/hosts", "Hosts"
	case server.ProblemScale:
		view.Page, view.PageText = v.appPath("processes"), "Processes"
	case server.ProblemDeploy:
		view.Page, view.PageText = v.appPath("deploys", o.Deploy.ID), "The deploy"
	case server.ProblemRequests:
		view.Page, view.PageText = v.appPath("activity", "errors"), "Errors by code"
	case server.ProblemDisk:
		view.Page, view.PageText = v.appPath("volumes"), "Volumes"
	case server.ProblemMemory:
		view.Page, view.PageText = v.appPath("metrics"), "Metrics"
	}
	return view
}

// dynoOrder puts web first and what runs once last.
func dynoOrder(a, b server.Instance) int {
	rank := func(in server.Instance) int {
		switch {
		case in.OneOff:
			return 2
		case in.Type == "web":
			return 0
		}
		return 1
	}
	return rank(a) - rank(b)
}

// small keeps of a chart the one line that tells most.
func small(c chart) chart {
	switch {
	case c.Stack: // their sum
		sum := make([]float64, c.steps())
		for _, l := range c.Lines {
			for i, v := range l.Values {
				sum[i] += v
			}
		}
		c.Lines, c.Stack = []series{{Name: "all", Class: "l-use", Values: sum}}, false
	case c.Unit == unitSeconds:
		c.Lines, c.Title = []series{c.Lines[1]}, "Response time, p95"
		c.Lines[0].Class = "l-use"
	default:
		c.Lines = c.Lines[:1]
	}
	c.Small, c.Marks = true, nil
	return c
}

// rate is a count as so many a minute. Of a step that goes on, only the time
// that has passed counts.
func rate(n int64, at time.Time, step time.Duration, now time.Time) float64 {
	took := min(step, now.Sub(at))
	if took <= 0 {
		return math.NaN()
	}
	// A minute that has just begun is taken as it is: to stretch a single request
	// to six a minute would tell of a peak that never was.
	return float64(n) / max(took, time.Minute).Minutes()
}

func trafficChart(m server.Metrics, id, title string) chart {
	return chart{ID: id, Title: title, Since: m.Since, Step: m.Step, Marks: deployMarks(m)}
}

func deployMarks(m server.Metrics) (marks []deployMark) {
	for _, d := range m.Deploys {
		marks = append(marks, deployMark{At: d.At, Version: d.Version, Text: d.Description + " by " + d.User})
	}
	return marks
}

// requestsChart stacks requests by class; the classes there are always, and
// the others when there were any.
func requestsChart(m server.Metrics, now time.Time) chart {
	c := trafficChart(m, "requests", "Requests")
	c.Stack = true
	for _, class := range []struct {
		name, class string
		of          int
		always      bool
	}{{"2xx", "l-2xx", 2, true}, {"3xx", "l-3xx", 3, true}, {"4xx", "l-4xx", 4, true}, {"5xx", "l-5xx", 5, true},
		{"1xx", "l-other", 1, false}, {"client left", "l-other", 0, false}} {
		s, some := series{Name: class.name, Class: class.class}, class.always
		for _, p := range m.Traffic {
			s.Values = append(s.Values, rate(p.Status[class.of], p.At, m.Step, now))
			some = some || p.Status[class.of] > 0
		}
		if some {
			c.Lines = append(c.Lines, s)
		}
	}
	return c
}

func errorsChart(m server.Metrics, now time.Time) chart {
	c := trafficChart(m, "errors", "Errors")
	s := series{Name: "5xx", Class: "l-fault"}
	for _, p := range m.Traffic {
		s.Values = append(s.Values, rate(p.Errors, p.At, m.Step, now))
	}
	c.Lines = []series{s}
	return c
}

// latencyChart has gaps where there were no requests.
func latencyChart(m server.Metrics) chart {
	c := trafficChart(m, "latency", "Response time")
	c.Unit = unitSeconds
	p50, p95, p99 := series{Name: "p50", Class: "l-low"}, series{Name: "p95", Class: "l-middle"}, series{Name: "p99", Class: "l-high"}
	for _, p := range m.Traffic {
		took := func(d time.Duration) float64 {
			if p.Requests == 0 || d <= 0 {
				return math.NaN()
			}
			return d.Seconds()
		}
		p50.Values, p95.Values, p99.Values = append(p50.Values, took(p.P50)), append(p95.Values, took(p.P95)), append(p99.Values, took(p.P99))
	}
	c.Lines = []series{p50, p95, p99}
	return c
}
