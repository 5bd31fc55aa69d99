package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"paas/router"
	"paas/scheduler/agent"
	"paas/server"
)

// metered is the use cases with a meter that the test feeds.
func (h *house) metered() (*server.Service, *server.Meter) {
	h.t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	m := server.NewMeter(quiet)
	svc, err := server.NewService(h.ctx, server.ServiceConfig{Sizes: server.DefaultSizes(), Meter: m}, h.Store, nil, nil, server.NewBell(), nil, noLogs{}, nil, quiet)
	h.must(err)
	return svc, m
}

func request(app string, release, status int, took time.Duration, at time.Time) router.Observation {
	return router.Observation{AppID: app, Release: release, Status: status, Service: took, Bytes: 10, At: at}
}

// total adds up the points.
func total(m server.Metrics) (requests, errs int64, release map[int]int64, status [6]int64) {
	release = map[int]int64{}
	for _, p := range m.Traffic {
		requests += p.Requests
		errs += p.Errors
		for v, n := range p.Release {
			release[v] += n
		}
		for c, n := range p.Status {
			status[c] += n
		}
	}
	return requests, errs, release, status
}

// What is asked for is the same before, while and after it is stored, and two
// processes that counted the same minute add up.
func TestMetricsAddUp(t *testing.T) {
	h := newHouse(t)
	svc, m := h.metered()
	other := server.NewMeter(slog.New(slog.DiscardHandler))
	op, now := svc.Operator(), time.Now()
	for i := range 10 {
		m.Observe(request(h.app.ID, 3, 200, time.Duration(i)*10*time.Millisecond, now.Add(-3*time.Minute)))
	}
	m.Observe(request(h.app.ID, 3, 500, time.Second, now.Add(-3*time.Minute)))
	m.Observe(request(h.app.ID, 0, 503, -1, now.Add(-2*time.Minute)))
	m.Observe(request(h.app.ID, 4, 0, time.Second, now))
	m.Observe(request(uuid.NewString(), 1, 200, time.Second, now)) // of an app that was destroyed
	check := func(when string, want int64) {
		t.Helper()
		got, err := svc.Metrics(h.as(op), op, h.app.Name, server.MetricsQuery{})
		h.must(err)
		requests, errs, release, status := total(got)
		if requests != want || errs != 2 || release[3] != 11 || release[0] != 1 || status[5] != 2 || status[0] != 1 {
			t.Errorf("%s: %d requests, %d errors, releases %v, classes %v", when, requests, errs, release, status)
		}
		sparks, err := svc.Sparks(h.as(op), op)
		h.must(err)
		var n, e int64
		for i := range sparks[h.app.ID].Requests {
			n, e = n+sparks[h.app.ID].Requests[i], e+sparks[h.app.ID].Errors[i]
		}
		if n != want || e != 2 {
			t.Errorf("%s: sparks of %d requests, %d errors", when, n, e)
		}
	}
	check("in memory", 13)
	h.must(m.Flush(h.ctx, h.Store))
	check("stored", 13)
	h.must(m.Flush(h.ctx, h.Store))
	check("stored twice", 13)
	other.Observe(request(h.app.ID, 4, 200, time.Second, now.Add(-3*time.Minute)))
	h.must(other.Flush(h.ctx, h.Store))
	check("with another process", 14)
}

// A write that broke off, though it took place, and is said again counts once.
func TestFiguresSaidAgain(t *testing.T) {
	h := newHouse(t)
	svc, m := h.metered()
	m.Observe(request(h.app.ID, 3, 200, time.Second, time.Now().Add(-2*time.Minute)))
	broken := brokenStore{h.Store, true}
	if err := m.Flush(h.ctx, &broken); err == nil {
		t.Fatal("the store was to fail")
	}
	want := func(when string) {
		t.Helper()
		got, err := svc.Metrics(h.as(svc.Operator()), svc.Operator(), h.app.Name, server.MetricsQuery{})
		h.must(err)
		if n, _, _, _ := total(got); n != 1 {
			t.Errorf("%s: %d requests", when, n)
		}
	}
	want("stored, but believed not to be")
	h.must(m.Flush(h.ctx, &broken))
	want("stored again")
}

// brokenStore writes, and says once that it did not.
type brokenStore struct {
	server.MeterStore
	fails bool
}

func (b *brokenStore) WriteFigures(ctx context.Context, f server.Figures) error {
	err := b.MeterStore.WriteFigures(ctx, f)
	if b.fails {
		b.fails = false
		return errors.Join(errors.New("the connection broke"), err)
	}
	return err
}

// Usage is the mean over time of the sum over instances and hosts.
func TestUsageOfTypes(t *testing.T) {
	h := newHouse(t)
	svc, m := h.metered()
	at := time.Now().Add(-2 * time.Minute).Truncate(time.Minute)
	use := func(name string, cpu, memory int64) agent.Usage {
		return agent.Usage{Instance: name, AppID: h.app.ID, Name: name, MilliCPU: cpu, Memory: memory, MemoryLimit: 1000}
	}
	host2 := uuid.NewString()
	m.Usage(h.host.ID, at, []agent.Usage{use("web.1", 100, 10), use("web.2", 300, 30), use("worker.1", 50, 5)})
	m.Usage(h.host.ID, at.Add(15*time.Second), []agent.Usage{use("web.1", 200, 10), use("web.2", 400, 30)})
	m.Usage(host2, at.Add(20*time.Second), []agent.Usage{use("web.3", 1000, 100)})
	for _, when := range []string{"in memory", "stored", "rolled up"} {
		got, err := svc.Metrics(h.as(svc.Operator()), svc.Operator(), h.app.Name, server.MetricsQuery{})
		h.must(err)
		var web, worker server.UsagePoint
		for i, p := range got.Usage["web"] {
			if p.Instances > 0 {
				web, worker = p, got.Usage["worker"][i]
			}
		}
		// 100+300 and 200+400 on one host, 1000 on the other.
		if web.Instances != 3 || web.MilliCPU != 1500 || web.Memory != 140 || web.MemoryLimit != 3000 || worker.Instances != 1 || worker.MilliCPU != 50 {
			t.Errorf("%s: web %+v worker %+v", when, web, worker)
		}
		switch when {
		case "in memory":
			h.must(m.Flush(h.ctx, h.Store))
		case "stored":
			h.must(rollAll(h, time.Now().Add(time.Hour)))
		}
	}
}

func rollAll(h *house, before time.Time) error {
	for {
		more, err := h.RollUp(h.ctx, before, server.FoldFigures)
		if err != nil || !more {
			return err
		}
	}
}

// Whatever was counted is there after the roll-up, once; and quantiles are as
// near the truth as a bucket is wide. Roll-ups that run at once, or break off,
// change nothing of that.
func TestRollUpKeepsAll(t *testing.T) {
	h := newHouse(t)
	svc, m := h.metered()
	second := h.newApp("second")
	now, rnd := time.Now(), rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		app := []string{h.app.ID, second.ID}[rnd.IntN(2)]
		status := []int{200, 200, 200, 302, 404, 500, 0}[rnd.IntN(7)]
		took := time.Duration(rnd.ExpFloat64() * float64(200*time.Millisecond))
		m.Observe(request(app, 1+rnd.IntN(3), status, took, now.Add(-time.Duration(rnd.IntN(20*60))*time.Minute)))
	}
	h.must(m.Flush(h.ctx, h.Store))
	ask := func(app string) server.Metrics {
		t.Helper()
		got, err := svc.Metrics(h.as(svc.Operator()), svc.Operator(), app, server.MetricsQuery{Since: now.Add(-29 * time.Hour), Points: 1500})
		h.must(err)
		return got
	}
	apps := []string{h.app.Name, second.Name}
	before := []server.Metrics{ask(apps[0]), ask(apps[1])}
	if _, err := h.RollUp(h.ctx, now.Add(time.Hour), func(server.Figures) (server.Figures, error) {
		return server.Figures{}, fmt.Errorf("killed between")
	}); err == nil {
		t.Fatal("a fold that fails was taken for good")
	}
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- rollAll(h, now.Add(time.Hour)) }()
	}
	h.must(<-done)
	h.must(<-done)
	for i, app := range apps {
		after := ask(app)
		if fmt.Sprint(after.Traffic) != fmt.Sprint(before[i].Traffic) {
			t.Errorf("%s is another after the roll-up:\n%v\n%v", app, before[i].Traffic, after.Traffic)
		}
	}
	f, err := h.ReadFigures(h.ctx, server.FiguresQuery{AppID: h.app.ID, Since: now.Add(-30 * time.Hour), Until: now.Add(time.Hour)})
	h.must(err)
	for _, r := range f.Traffic {
		if r.Span != 10*time.Minute || r.Source != 0 {
			t.Fatalf("not rolled up: %+v", r)
		}
	}
	h.must(h.DropFigures(h.ctx, now.Add(time.Hour)))
	if n, _, _, _ := total(ask(h.app.Name)); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// The marks are of releases that served.
func TestDeployMarks(t *testing.T) {
	h := newHouse(t)
	svc, _ := h.metered()
	h.live(h.roll("one", "aaaaaaaa"), "one")
	h.roll("one", "bbbbbbbb") // rolls on
	got, err := svc.Metrics(h.as(svc.Operator()), svc.Operator(), h.app.Name, server.MetricsQuery{})
	h.must(err)
	if len(got.Deploys) != 1 || got.Deploys[0].Version != 2 || got.Deploys[0].User != h.user.Email || got.Deploys[0].Description != "Deploy aaaaaaaa" {
		t.Errorf("marks %+v", got.Deploys)
	}
}

// Sparks are of the apps one sees, the quiet ones among them.
func TestSparksOfOnesApps(t *testing.T) {
	h := newHouse(t)
	svc, m := h.metered()
	ann, app := h.owner("ann2@example.com", "hers")
	m.Observe(request(h.app.ID, 1, 200, 0, time.Now()))
	sparks, err := svc.Sparks(h.as(ann), ann)
	h.must(err)
	if _, quiet := sparks[app.ID]; len(sparks) != 1 || !quiet {
		t.Errorf("sparks %v", sparks)
	}
}

// 500 busy apps: their sparks are one quick answer, and what they leave behind
// is within the budget that docs/operating.md states.
func TestFiguresOf500Apps(t *testing.T) {
	h := newHouse(t)
	svc, _ := h.metered()
	h.sql(`insert into apps (id, name, owner_id, slot, data_key) select gen_random_uuid(), 'app-' || i, (select id from accounts limit 1), 1000 + i, ''
		from generate_series(1, 499) i`)
	ids, err := h.AppIDs(h.ctx)
	h.must(err)
	rnd := rand.New(rand.NewPCG(3, 4))
	now := time.Now().Truncate(time.Minute)
	for minute := range 60 {
		var f server.Figures
		at := now.Add(-time.Duration(minute) * time.Minute)
		for _, id := range ids {
			var l router.Histogram
			for range 100 {
				l.Observe(time.Duration((1 + rnd.ExpFloat64()) * float64(20*time.Millisecond)))
			}
			b, err := l.AppendBinary(nil)
			h.must(err)
			f.Traffic = append(f.Traffic, server.TrafficRow{AppID: id, At: at, Span: time.Minute, Release: 12, Source: 1 << 60, Status: [6]int64{2: 100}, Bytes: 1e6, Latency: b})
			for _, typ := range []string{"web", "worker"} {
				f.Usage = append(f.Usage, server.UsageRow{AppID: id, At: at, Span: time.Minute, Type: typ, Host: h.host.ID,
					UsageSum: server.UsageSum{Rounds: 4, Instances: 8, MilliCPU: 1234.5, Memory: 1e8, MemoryLimit: 1e9}})
			}
		}
		h.must(h.WriteFigures(h.ctx, f))
	}
	began := time.Now()
	sparks, err := svc.Sparks(h.as(svc.Operator()), svc.Operator())
	took := time.Since(began)
	h.must(err)
	// The last minute may be one that began after the figures were written.
	if s := sparks[ids[7]]; len(sparks) != 500 || s.Requests[30] != 100 || s.Requests[58] != 100 {
		t.Errorf("%d sparks, one of them %v", len(sparks), s)
	}
	if took > 5*time.Second { // a query an app would be far above it
		t.Errorf("sparks of 500 apps took %s", took)
	}
	size := func(table string) float64 {
		rows, err := pgxConnect(h).Query(h.ctx, `select pg_total_relation_size($1::regclass)::float8`, table)
		h.must(err)
		n, err := pgx.CollectOneRow(rows, pgx.RowTo[float64])
		h.must(err)
		return n / 30000
	}
	traffic, usage := size("traffic"), size("usage")/2
	// 26 hours by the minute and 29 days by ten of them, of a release and two types.
	rows := 26*60 + 29*24*6.0
	total := rows * (traffic + 2*usage)
	t.Logf("sparks took %s; a row of traffic takes %.0f bytes, of usage %.0f: %.2f MB an app, %.0f KB a day of it", took, traffic, usage, total/1e6, total/30/1e3)
	if total > 4e6 {
		t.Errorf("an app takes %.0f bytes", total)
	}
}

func pgxConnect(h *house) *pgx.Conn {
	h.t.Helper()
	conn, err := pgx.Connect(h.ctx, h.dsn)
	h.must(err)
	h.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
