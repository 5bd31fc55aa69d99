package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/router"
	"paas/scheduler/agent"
)

func TestFrames(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 34, 56, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		q     MetricsQuery
		step  time.Duration
		steps int
	}{
		"an hour by itself":      {MetricsQuery{}, time.Minute, 61},
		"an hour in few points":  {MetricsQuery{Points: 5}, 20 * time.Minute, 4},
		"a day":                  {MetricsQuery{Since: ago(24 * time.Hour)}, 20 * time.Minute, 73},
		"a day by the minute":    {MetricsQuery{Since: ago(24 * time.Hour), Points: 1500}, time.Minute, 1441},
		"a week":                 {MetricsQuery{Since: ago(7 * 24 * time.Hour)}, 2 * time.Hour, 85},
		"30 days":                {MetricsQuery{Since: ago(30 * 24 * time.Hour)}, 12 * time.Hour, 61},
		"30 days in one point":   {MetricsQuery{Since: ago(30 * 24 * time.Hour), Points: 1}, 0, 1},
		"long ago, finely":       {MetricsQuery{Since: ago(72 * time.Hour), Until: ago(71 * time.Hour), Points: 1000}, 10 * time.Minute, 7},
		"more than is kept":      {MetricsQuery{Since: ago(400 * 24 * time.Hour), Points: 31}, 24 * time.Hour, 31},
		"what is yet to come":    {MetricsQuery{Since: ago(time.Minute), Until: now.Add(time.Hour)}, time.Minute, 2},
		"times of another place": {MetricsQuery{Since: ago(time.Hour).In(time.FixedZone("", 5400))}, time.Minute, 61},
	} {
		m, err := c.q.frame(now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := int(m.Until.Sub(m.Since) / m.Step)
		if c.step != 0 && m.Step != c.step || n != c.steps || m.Since.Location() != time.UTC {
			t.Errorf("%s: %d steps of %s from %s", name, n, m.Step, m.Since)
		}
		if c.q.Points > 0 && n > c.q.Points {
			t.Errorf("%s: %d points, asked for %d", name, n, c.q.Points)
		}
	}
	for name, q := range map[string]MetricsQuery{
		"backwards": {Since: ago(time.Hour), Until: ago(2 * time.Hour)}, "all too old": {Since: ago(80 * 24 * time.Hour), Until: ago(70 * 24 * time.Hour)},
		"no points": {Points: -1}, "too many": {Points: 100000},
	} {
		if m, err := q.frame(now); !IsID(err, ErrInvalid) {
			t.Errorf("%s: %+v %v", name, m, err)
		}
	}
}

// awayStore is a database that does not answer until it is back.
type awayStore struct {
	mu      sync.Mutex
	back    bool
	figures Figures

	spans   int // of ten minutes that are there to be rolled up
	rolled  time.Time
	dropped []time.Time
}

func (s *awayStore) WriteFigures(_ context.Context, f Figures) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.back {
		return errors.New("no database")
	}
	s.figures.Traffic = append(s.figures.Traffic, f.Traffic...)
	s.figures.Usage = append(s.figures.Usage, f.Usage...)
	return nil
}

func (s *awayStore) RollUp(_ context.Context, before time.Time, _ func(Figures) (Figures, error)) (bool, error) {
	s.spans--
	s.rolled = before
	return s.spans >= 0, nil
}

func (s *awayStore) DropFigures(_ context.Context, before time.Time) error {
	s.dropped = append(s.dropped, before)
	return nil
}

func (s *awayStore) AppIDs(context.Context) ([]string, error) { return []string{"a"}, nil }

// All that is a day old is rolled up, not at every minute; apps that are gone
// are forgotten.
func TestMeterTends(t *testing.T) {
	m := NewMeter(slog.New(slog.DiscardHandler))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	m.now = func() time.Time { return now }
	s := &awayStore{back: true, spans: 3}
	for _, id := range []string{"a", "gone"} {
		m.Observe(router.Observation{AppID: id, Release: 1, Status: 200, At: now.Add(-time.Minute)})
	}
	for range 9 { // minutes
		if err := errors.Join(m.flush(t.Context(), s, now), m.tend(t.Context(), s)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	if s.spans >= 0 || len(s.dropped) != 1 || !s.rolled.Equal(now.Add(-9*time.Minute-MetricsFine)) || !s.dropped[0].Equal(now.Add(-9*time.Minute-MetricsKept)) {
		t.Errorf("%d spans are left, rolled up before %s, dropped before %v", s.spans, s.rolled, s.dropped)
	}
	if totals := m.tally.Totals(); len(totals) != 1 || totals["a"].Status[2] != 1 {
		t.Errorf("totals of %d apps", len(totals))
	}
}

// While the database is away figures wait for it, an hour at the most; nobody
// who counts waits.
func TestFiguresWaitForTheDatabase(t *testing.T) {
	var log strings.Builder
	m := NewMeter(slog.New(slog.NewTextHandler(&log, nil)))
	begin := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	now := begin
	m.now = func() time.Time { return now }
	s := &awayStore{}
	for i := range 90 {
		now = begin.Add(time.Duration(i) * time.Minute)
		m.Observe(router.Observation{AppID: "a", Release: 1, Status: 200, At: now})
		m.Usage("host", now, []agent.Usage{{AppID: "a", Name: "web.1", Memory: 1}})
		if err := m.flush(t.Context(), s, now); err == nil && i > 0 {
			t.Fatal("the database was to be away")
		}
	}
	f, unless := m.unflushed("a")
	if len(f.Traffic) != 61 || len(f.Usage) != 61 || !unless.From.Equal(begin.Add(29*time.Minute)) {
		t.Errorf("%d and %d minutes wait, from %s", len(f.Traffic), len(f.Usage), unless.From)
	}
	if n := strings.Count(log.String(), "figures of apps are lost"); n != 1 {
		t.Errorf("said %d times", n)
	}
	s.back = true
	if err := m.Flush(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if len(s.figures.Traffic) != 61 || len(s.figures.Usage) != 61 {
		t.Errorf("%d and %d minutes came", len(s.figures.Traffic), len(s.figures.Usage))
	}
	if f, _ := m.unflushed(""); len(f.Traffic)+len(f.Usage) != 0 {
		t.Errorf("left: %+v", f)
	}
}

// Rows of many apps are stored in several transactions; what came through of
// them is not stored again.
func TestFiguresAreStoredInChunks(t *testing.T) {
	m := NewMeter(slog.New(slog.DiscardHandler))
	s := &awayStore{back: true}
	at := time.Now().Add(-time.Minute)
	const apps = meterChunk*2 + 7
	var list []agent.Usage
	for i := range apps {
		id := "app" + strings.Repeat("x", i%7) + time.Duration(i).String()
		m.Observe(router.Observation{AppID: id, Status: 200, At: at})
		list = append(list, agent.Usage{AppID: id, Name: "web.1", Memory: 1})
	}
	m.Usage("host", at, list)
	if err := m.Flush(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if len(s.figures.Traffic) != apps || len(s.figures.Usage) != apps {
		t.Errorf("%d and %d rows of %d", len(s.figures.Traffic), len(s.figures.Usage), apps)
	}
}

// An app with process types without number is measured in part.
func TestTypesAreBounded(t *testing.T) {
	m := NewMeter(slog.New(slog.DiscardHandler))
	var list []agent.Usage
	for i := range 100 {
		list = append(list, agent.Usage{AppID: "a", Name: "t" + time.Duration(i).String() + ".1", Memory: 1})
	}
	m.Usage("host", time.Now(), list)
	if f, _ := m.unflushed("a"); len(f.Usage) != meterTypes {
		t.Errorf("%d types", len(f.Usage))
	}
	m.forgetTypes(map[string]bool{})
	if now := m.nowByType(); len(now) != 0 {
		t.Errorf("kept %v", now)
	}
}

// What was measured too long ago is not how it is now; CPU time never shrinks.
func TestUsageNow(t *testing.T) {
	m := NewMeter(slog.New(slog.DiscardHandler))
	now := time.Now()
	m.now = func() time.Time { return now }
	m.Usage("one", now, []agent.Usage{{AppID: "a", Name: "web.1", CPU: time.Second, Memory: 10}})
	m.Usage("two", now, []agent.Usage{{AppID: "a", Name: "web.2", CPU: time.Second, Memory: 20}})
	if web := m.nowByType()["a"]["web"]; web.Memory != 30 || web.cpu != 2*time.Second {
		t.Errorf("now %+v", web)
	}
	now = now.Add(time.Minute)
	m.Usage("two", now, nil) // its instances are gone
	m.Usage("one", now, []agent.Usage{{AppID: "a", Name: "web.1", Memory: 11}})
	if web := m.nowByType()["a"]["web"]; web.Memory != 11 || web.cpu != 2*time.Second {
		t.Errorf("when one host has none any more: %+v", web)
	}
	now = now.Add(time.Hour)
	if web := m.nowByType()["a"]["web"]; web.Memory != 0 || web.cpu != 2*time.Second {
		t.Errorf("an hour later %+v", web)
	}
}
