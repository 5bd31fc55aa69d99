package server

import (
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"paas/router"
)

// What a router says is cut to what the store takes: half a character would keep
// from it what all others say.
func TestRouterTextIsCutBetweenCharacters(t *testing.T) {
	for _, in := range []string{strings.Repeat("a", routerText-1) + "é", strings.Repeat("é", routerText), "a\xffb\x00\x1b[2J", ""} {
		if got := shortText(in); len(got) > routerText || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x1b") {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// A router that tells of more than there can be fills neither the memory nor the
// database, and no minute has more than one row of it.
func TestRouterCountsAreBounded(t *testing.T) {
	m := NewMeter(slog.New(slog.DiscardHandler))
	ended := time.Now().UTC().Truncate(time.Minute).Add(-5 * time.Minute)
	m.Observe(router.Observation{AppID: "a", Status: 200, At: ended})
	m.collect(ended.Add(time.Minute)) // what is of that minute comes late from now on
	list := make([]router.Count, meterRows+10)
	for i := range list {
		list[i] = router.Count{AppID: "a", At: ended.Add(time.Duration(i)), Release: i}
	}
	m.Add(list)
	if n := len(m.late); n != meterRows {
		t.Errorf("%d rows wait", n)
	}
	for _, r := range m.late {
		if !r.At.Equal(ended) {
			t.Fatalf("a row of %s", r.At)
		}
	}
}
