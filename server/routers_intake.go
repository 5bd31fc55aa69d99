package server

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"paas/router"
)

// How much of what a router says is believed.
const (
	routerText  = 100      // bytes of what it says of itself
	routerLine  = 12 << 10 // bytes of a line; its own are shorter
	linesBehind = time.Hour
	linesAhead  = time.Minute
)

// shortText is what a router says of itself, as people can read it.
func shortText(s string) string {
	return plain(s, routerText)
}

// plain is a text of at most so many bytes, which the store takes and people can
// read: cut first, since a cut may leave half a character.
func plain(s string, most int) string {
	return strings.Map(printable, strings.ToValidUTF8(s[:min(len(s), most)], ""))
}

func sameAck(a, b RouterBeat) bool {
	return a.Stream == b.Stream && a.Ack.Version == b.Ack.Version && maps.Equal(a.Ack.Busy, b.Ack.Busy)
}

// keepLines appends a router's lines to the logs of apps that have routes, and
// says how many there are not.
func (r *Routers) keepLines(b RouterBatch) {
	now := time.Now()
	lines := make([]LogLine, 0, len(b.Lines)+len(b.Dropped))
	add := func(app string, at time.Time, text string) {
		if !r.traffic.routes(app) {
			return
		}
		if at.Before(now.Add(-linesBehind)) || at.After(now.Add(linesAhead)) {
			at = now // a clock that is wrong
		}
		lines = append(lines, LogLine{AppID: app, At: at, Source: "paas", Dyno: "router", Text: plain(text, routerLine)})
	}
	for _, l := range b.Lines {
		add(l.AppID, l.At, l.Text)
	}
	for app, n := range b.Dropped {
		add(app, now, fmt.Sprintf("Error L10 (output buffer overflow): %d lines of a router were dropped, it had no room for them.", n))
	}
	r.logs.Append(lines...)
}

// ownCounts are a router's figures of apps that have routes.
func (r *Routers) ownCounts(list []router.Count) []router.Count {
	out := make([]router.Count, 0, len(list))
	for _, c := range list {
		if r.traffic.routes(c.AppID) {
			out = append(out, c)
		}
	}
	return out
}
