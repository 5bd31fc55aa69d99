package server

import (
	"strings"
	"testing"
	"time"
)

// ticks lists the first n ticks behind a moment.
func ticks(t *testing.T, schedule, zone, after string, n int) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, after)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for range n {
		if at, err = NextTick(schedule, zone, at); err != nil {
			t.Fatal(err)
		}
		all = append(all, at.Format("01-02T15:04"))
	}
	return strings.Join(all, " ")
}

func TestNextTick(t *testing.T) {
	for _, c := range []struct{ schedule, zone, after, want string }{
		{"*/15 * * * *", "", "2026-11-21T07:01:30Z", "11-21T07:15 11-21T07:30 11-21T07:45"},
		{"0 3 * * *", "UTC", "2026-11-21T03:00:00Z", "11-22T03:00 11-23T03:00 11-24T03:00"},
		{"0 9 * * 1-5", "America/New_York", "2026-11-20T15:00:00Z", "11-23T14:00 11-24T14:00 11-25T14:00"},
		{"@hourly", "Asia/Kolkata", "2026-11-21T00:00:00Z", "11-21T00:30 11-21T01:30 11-21T02:30"},
		{"@daily", "Europe/Berlin", "2026-11-21T00:00:00Z", "11-21T23:00 11-22T23:00 11-23T23:00"},
		// 29 March 2026: clocks go from 02:00 to 03:00. 02:30 is not that day.
		{"30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", "03-28T01:30 03-30T00:30 03-31T00:30"},
		{"0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "03-29T01:00 03-30T01:00 03-31T01:00"},
		{"0 * * * *", "Europe/Berlin", "2026-03-28T23:59:00Z", "03-29T00:00 03-29T01:00 03-29T02:00"},
		// 25 October 2026: 03:00 goes back to 02:00. 02:30 is there twice.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "10-25T00:30 10-25T01:30 10-26T01:30"},
		{"0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", "10-25T00:00 10-25T01:00 10-25T02:00"},
		{"0 4 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "10-25T03:00 10-26T03:00 10-27T03:00"},
	} {
		if got := ticks(t, c.schedule, c.zone, c.after, 3); got != c.want {
			t.Errorf("%s in %q: %s, want %s", c.schedule, c.zone, got, c.want)
		}
	}
	if at, err := NextTick("0 0 30 2 *", "UTC", time.Now()); err != nil || !at.Equal(Never()) {
		t.Errorf("30 February: %s %v", at, err)
	}
	for _, bad := range [][2]string{{"* * * *", ""}, {"* * * * * *", ""}, {"61 * * * *", ""}, {"", ""}, {"* * * * *", "Nowhere/Land"},
		{"* * * * *", "Local"}, {"* * * * *", "UTC x"}, {"TZ=UTC * * * * *", "UTC"}, {"* * * * *", "../../etc/passwd"}} {
		if at, err := NextTick(bad[0], bad[1], time.Now()); err == nil {
			t.Errorf("%q in %q: %s", bad[0], bad[1], at)
		}
	}
}

func FuzzNextTick(f *testing.F) {
	f.Add("*/5 * * * *", "UTC")
	f.Add("@every 1h", "Europe/Berlin")
	f.Add("0 0 30 2 *", "TZ=")
	f.Add("TZ=x", "")
	f.Fuzz(func(t *testing.T, schedule, zone string) {
		after := time.Date(2026, 3, 29, 0, 59, 30, 0, time.UTC)
		at, err := NextTick(schedule, zone, after)
		if err == nil && !at.After(after) {
			t.Fatalf("%q in %q does not go on: %s", schedule, zone, at)
		}
	})
}

// What a server that comes back does with ticks that it was away for.
func TestMissedTicks(t *testing.T) {
	s := NewScheduler(SchedulerConfig{Late: 5 * time.Minute}, nil, nil, nil)
	now := time.Date(2026, 11, 21, 12, 0, 30, 0, time.UTC)
	clock := func(hour, minute int) time.Time { return time.Date(2026, 11, 21, hour, minute, 0, 0, time.UTC) }
	for _, c := range []struct {
		schedule   string
		at         time.Time // where the cron's clock stands
		tick, next time.Time
		missed     bool
	}{
		{"* * * * *", clock(12, 0), clock(12, 0), clock(12, 1), false},
		{"* * * * *", clock(11, 57), clock(12, 0), clock(12, 1), true},
		{"* * * * *", clock(3, 0), clock(12, 0), clock(12, 1), true},
		{"58 * * * *", clock(11, 58), clock(11, 58), clock(12, 58), false},
		{"50 * * * *", clock(11, 50), time.Time{}, clock(12, 50), true},
		{"0 * * * *", clock(3, 0), clock(12, 0), clock(13, 0), true},
		{"30 11 * * *", clock(11, 30), time.Time{}, clock(11, 30).AddDate(0, 0, 1), true},
	} {
		tick, next, missed, err := s.ticks(Cron{Schedule: c.schedule, Timezone: "UTC", NextAt: c.at}, now)
		if err != nil || !tick.Equal(c.tick) || !next.Equal(c.next) || missed != c.missed {
			t.Errorf("%s at %s: %s %s %v %v", c.schedule, c.at, tick, next, missed, err)
		}
	}
}
