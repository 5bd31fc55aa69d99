package e2e

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/cmd/paas/platformtest"
	"paas/router"
)

// past writes a day of figures for an app, as routers and agents would have
// counted them: a picture cannot wait for a day. Busy is the requests a second
// at noon, faulty the part of them that fails.
func past(t *testing.T, db *pgx.Conn, app string, busy, faulty float64, types map[string]int) {
	t.Helper()
	var id, host string
	var release int
	platformtest.Must(db.QueryRow(t.Context(), `select a.id, r.version, (select id::text from hosts limit 1) from apps a join releases r on r.id = a.current_release where a.name = $1`, app).Scan(&id, &release, &host))
	_, err := db.Exec(t.Context(), `delete from usage where app_id = $1`, id)
	platformtest.Must(err)
	random := rand.New(rand.NewPCG(1, uint64(len(app))))
	now := time.Now().UTC().Truncate(time.Minute)
	var traffic, usage [][]any
	for at := now.Add(-24 * time.Hour); at.Before(now); at = at.Add(time.Minute) {
		hours := at.Sub(now).Hours()
		day := 0.45 + 0.3*math.Sin(hours/24*2*math.Pi+2) + 0.12*math.Sin(hours*2.1) + 0.1*math.Sin(hours*17) + 0.2*random.Float64()
		n := int(busy * 60 * max(day, 0.02))
		errors := 0
		if random.IntN(14) == 0 {
			errors = int(float64(n) * faulty * random.Float64() * 2)
		}
		if hours > -7.2 && hours < -6.6 {
			errors += n / 9 // a bad release
		}
		traffic = append(traffic, []any{at, int64(1), int64(n * 5200), id, release, 0, 0, n - errors - n/40, 0, n / 40, errors, int16(1), latencies(random, n, day)})
		for name, count := range types {
			load := float64(count) * (30 + 180*day*random.Float64())
			memory := float64(count) * (88 + 40*day + 12*math.Mod(hours+24, 6)) * (1 << 20)
			usage = append(usage, []any{at, float64(count), load, memory, float64(count) * 512 * (1 << 20), id, host, 4, int16(1), name})
		}
	}
	copyRows(t, db, "traffic", []string{"at", "source", "bytes", "app_id", "release", "aborted", "s1xx", "s2xx", "s3xx", "s4xx", "s5xx", "span", "latency"}, traffic)
	copyRows(t, db, "usage", []string{"at", "instances", "milli_cpu", "memory", "memory_limit", "app_id", "host_id", "rounds", "span", "type"}, usage)
}

// latencies are those of n requests at a time of day that busy.
func latencies(random *rand.Rand, n int, busy float64) []byte {
	var h router.Histogram
	for range n {
		ms := math.Exp(2.6 + 0.5*busy + 0.6*random.NormFloat64())
		if random.IntN(60) == 0 {
			ms *= 6
		}
		h.Observe(time.Duration(ms * float64(time.Millisecond)))
	}
	b, err := h.AppendBinary([]byte{})
	platformtest.Must(err)
	return b
}

func copyRows(t *testing.T, db *pgx.Conn, table string, columns []string, rows [][]any) {
	t.Helper()
	if _, err := db.CopyFrom(t.Context(), pgx.Identifier{table}, columns, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
}
