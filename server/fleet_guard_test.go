package server

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The guard counts the hosts that can be lost; the control plane's own machine
// makes three of two, and the long dead do not count.
func TestGuard(t *testing.T) {
	for _, c := range []struct {
		hosts, remote, silent int
		doubtful              bool
	}{{1, 0, 0, false}, {2, 1, 1, false}, {3, 2, 1, false}, {3, 2, 2, true}, {4, 3, 1, false}, {4, 3, 2, true}, {3, 3, 2, true}, {10, 10, 5, false}, {10, 10, 6, true}} {
		if got := (Pulse{Hosts: c.hosts, Remote: c.remote, Silent: c.silent}).doubtful(); got != c.doubtful {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// People read why a silent host is not lost.
func TestNotesOfHosts(t *testing.T) {
	now := time.Now()
	rows := func(gone ...time.Duration) []HostRow {
		list := []HostRow{{Name: "own", Local: true, SeenAt: now.Add(-time.Hour)}}
		for _, age := range gone {
			list = append(list, HostRow{Name: "other", State: HostReady, SeenAt: now.Add(-age)})
		}
		return list
	}
	say := func(list []HostRow) string {
		noteHosts(list, now)
		var notes []string
		for _, h := range list {
			notes = append(notes, h.Note)
		}
		return strings.Join(notes, "|")
	}
	if got := say(rows(0, time.Second, time.Minute)); got != "|||not heard of" {
		t.Error(got)
	}
	if got := say(rows(0, time.Minute, time.Minute)); strings.Count(got, "2 of 3 hosts are silent at once") != 2 || !strings.Contains(got, "paas hosts:remove other --force") {
		t.Error(got)
	}
	dead := rows(0, time.Minute, time.Hour)
	dead[3].State, dead[3].LostAt = HostLost, now.Add(-time.Hour)
	if got := say(dead); got != "||not heard of|" {
		t.Errorf("one was lost long ago: %s", got)
	}
	if got := say([]HostRow{{Name: "new", State: HostSettling}}); !strings.Contains(got, "start it there with paas agent") {
		t.Error(got)
	}
}

// pulses is a store that answers with one pulse after the other.
type pulses struct {
	FleetStore
	next []Pulse
	lost []string
}

func (p *pulses) Pulse(context.Context, []HostBeat, time.Duration) (Pulse, error) {
	now := p.next[0]
	p.next = p.next[1:]
	return now, nil
}

func (p *pulses) LoseHosts(_ context.Context, ids []string, _ time.Duration, _ int64) ([]string, error) {
	p.lost = append(p.lost, ids...)
	return ids, nil
}

// When what was cut off comes back, one host is heard of before the next: the
// end of the alarm must not cost those that are late by a beat.
func TestNobodyIsLostByTheEndOfAnAlarm(t *testing.T) {
	synctest.Test(t, nobodyIsLostByTheEndOfAnAlarm)
}

func nobodyIsLostByTheEndOfAnAlarm(t *testing.T) {
	cut := Pulse{Hosts: 4, Remote: 3, Silent: 3, Overdue: []string{"a", "b", "c"}}
	late := Pulse{Hosts: 4, Remote: 3, Silent: 1, Overdue: []string{"c"}}
	store := &pulses{next: []Pulse{cut, late, late, late}}
	const grace = 100 * time.Millisecond
	f := NewFleet(FleetConfig{Lease: grace / 2, Flush: time.Minute, Grace: grace, Epoch: func() int64 { return 1 }}, store, nil, nil, slog.New(slog.DiscardHandler))
	f.mayJudge() // it leads from here on
	time.Sleep(grace)
	f.round(t.Context())
	if !f.alarmed || len(store.lost) > 0 {
		t.Fatalf("alarmed: %t, lost: %v", f.alarmed, store.lost)
	}
	f.round(t.Context())
	f.round(t.Context())
	if f.alarmed || len(store.lost) > 0 {
		t.Fatalf("at the end of the alarm: alarmed: %t, lost: %v", f.alarmed, store.lost)
	}
	time.Sleep(grace)
	f.round(t.Context())
	if len(store.lost) != 1 || store.lost[0] != "c" {
		t.Fatalf("who stays silent is lost then: %v", store.lost)
	}
}

// A database whose clock is set an hour on or back costs no host anything: by
// it all are silent at once, or heard of in the future, until they beat again.
func TestNobodyIsLostByAClock(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) { nobodyIsLostByAClock(t, jump) })
	}
}

func nobodyIsLostByAClock(t *testing.T, jump time.Duration) {
	const lease = time.Second
	theirs := time.Now().Add(-5 * time.Minute) // it need not be right
	store := &pulses{}
	f := NewFleet(FleetConfig{Lease: lease, Flush: lease / 5, Epoch: func() int64 { return 1 }}, store, nil, nil, slog.New(slog.DiscardHandler))
	round := func(overdue ...string) {
		time.Sleep(lease / 5)
		theirs = theirs.Add(lease / 5)
		store.next = []Pulse{{Hosts: 2, Remote: 1, Silent: len(overdue), Overdue: overdue, Now: theirs}}
		f.round(t.Context())
	}
	for range 15 {
		round()
	}
	theirs = theirs.Add(jump)
	round("a")
	round()
	if len(store.lost) > 0 {
		t.Fatalf("by a jump of %s %v is lost", jump, store.lost)
	}
	for range 15 {
		round("a")
	}
	if len(store.lost) == 0 || store.lost[0] != "a" {
		t.Fatalf("who is silent after a jump of %s is lost then: %v", jump, store.lost)
	}
}

// People read that the machine of the control plane is reached by nobody else, once
// there is somebody else who might.
func TestNoteOfUnreachedHost(t *testing.T) {
	own := HostRow{Name: "own", Local: true, State: HostReady}
	for _, c := range []struct {
		rows []HostRow
		want bool
	}{
		{[]HostRow{own}, false},
		{[]HostRow{own, {Name: "new", State: HostInvited}}, false},
		{[]HostRow{own, {Name: "other", State: HostReady}}, true},
		{[]HostRow{{Local: true, State: HostCordoned}, {Name: "other", State: HostReady}}, false},
		{[]HostRow{{Local: true, State: HostCordoned, Others: 1}, {Name: "other", State: HostReady}}, true},
	} {
		noteUnreached(c.rows)
		if got := strings.Contains(c.rows[0].Note, "paas standalone --addr ADDRESS"); got != c.want {
			t.Errorf("%+v: %q", c.rows, c.rows[0].Note)
		}
	}
}
