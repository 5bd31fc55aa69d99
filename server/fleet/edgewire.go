package fleet

import (
	"math"
	"slices"
	"time"

	"paas/router"
	"paas/server"
)

const (
	maxTable  = 64 << 20 // bytes of one table: some 250,000 routes
	maxCounts = 5000     // in one batch
)

// edgeInfo is what a router knows of the platform besides its tables.
type edgeInfo struct {
	Domain       string `json:"domain"`
	PlatformHost string `json:"platform_host"`
}

// tableFrame is one frame of GET /v1/router/tables. The first one names the
// stream, the next one that is not empty holds the whole table, all others what
// has changed since.
type tableFrame struct {
	Stream string        `json:"stream,omitempty"`
	Edge   *edgeInfo     `json:"edge,omitempty"`
	Whole  *router.Table `json:"whole,omitempty"`
	Change *tableChange  `json:"change,omitempty"`
}

// tableChange makes of the table of version Base the one of Version.
type tableChange struct {
	Base    int64          `json:"base"`
	Version int64          `json:"version"`
	Set     []router.Route `json:"set,omitempty"` // in the place of those of the same host
	Gone    []string       `json:"gone,omitempty"`
}

// beatMessage is POST /v1/router/beat.
type beatMessage struct {
	Stream  string         `json:"stream,omitempty"`
	Version int64          `json:"version"`
	Busy    map[string]int `json:"busy,omitempty"`
	Addr    string         `json:"addr"`
	Program string         `json:"program"` // its version
	Leaving bool           `json:"leaving,omitempty"`
	Servers string         `json:"servers,omitempty"` // sum of the list of servers that it has
	// Examined says that Findings are told.
	Examined bool                `json:"examined,omitempty"`
	Findings few[server.Finding] `json:"findings,omitempty"`
}

// edgeLine is a router's line about one request.
type edgeLine struct {
	App  string    `json:"a"`
	At   time.Time `json:"t"`
	Text string    `json:"x"`
}

// edgeCount is a router.Count.
type edgeCount struct {
	App     string    `json:"a"`
	At      time.Time `json:"t"`
	Release int       `json:"r,omitempty"`
	Status  [6]int64  `json:"s"`
	Bytes   int64     `json:"b,omitempty"`
	Latency []byte    `json:"l,omitempty"`
}

// batchMessage is POST /v1/router/batch.
type batchMessage struct {
	Life    string         `json:"life"`
	Number  int64          `json:"number"`
	Lines   few[edgeLine]  `json:"lines,omitempty"`
	Dropped map[string]int `json:"dropped,omitempty"`
	Counts  few[edgeCount] `json:"counts,omitempty"`
}

func wrapCount(c *router.Count) edgeCount {
	latency, _ := c.Latency.AppendBinary(nil) // it never fails
	return edgeCount{App: c.AppID, At: c.At, Release: c.Release, Status: c.Status, Bytes: c.Bytes, Latency: latency}
}

// batch is the message as the control plane takes it; figures that are none are
// left out.
func (m batchMessage) batch() server.RouterBatch {
	b := server.RouterBatch{Life: m.Life, Number: m.Number, Dropped: m.Dropped}
	for _, l := range m.Lines {
		b.Lines = append(b.Lines, server.RouterLine{AppID: l.App, At: l.At, Text: l.Text})
	}
	for _, c := range m.Counts {
		count := router.Count{AppID: c.App, At: c.At.UTC(), Release: c.Release, Status: c.Status, Bytes: c.Bytes}
		if count.Latency.AddBinary(c.Latency) == nil && c.sane() {
			b.Counts = append(b.Counts, count)
		}
	}
	return b
}

// sane: the store takes them all at once, and one that it cannot hold would keep
// those of all apps from it.
func (c edgeCount) sane() bool {
	const most = 1 << 50 // requests, or bytes, in a minute
	for _, n := range append(c.Status[:], c.Bytes) {
		if n < 0 || n > most {
			return false
		}
	}
	return c.Release >= 0 && c.Release <= math.MaxInt32
}

// byHost are a table's routes; of two with the same host the first counts, as
// for routers.
func byHost(t router.Table) map[string]router.Route {
	routes := make(map[string]router.Route, len(t.Routes))
	for _, r := range t.Routes {
		if _, twice := routes[r.Host]; !twice {
			routes[r.Host] = r
		}
	}
	return routes
}

// changeOf is how one table becomes another.
func changeOf(base int64, have map[string]router.Route, version int64, want map[string]router.Route) *tableChange {
	c := &tableChange{Base: base, Version: version}
	for host, r := range want {
		if old, ok := have[host]; !ok || !sameRoute(old, r) {
			c.Set = append(c.Set, r)
		}
	}
	for host := range have {
		if _, ok := want[host]; !ok {
			c.Gone = append(c.Gone, host)
		}
	}
	return c
}

func sameRoute(a, b router.Route) bool {
	return a.Host == b.Host && a.App == b.App && a.AppID == b.AppID && a.Empty == b.Empty &&
		a.MaintenancePage == b.MaintenancePage && a.ErrorPage == b.ErrorPage && slices.Equal(a.Targets, b.Targets)
}
