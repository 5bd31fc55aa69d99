package server

import (
	"context"
	"time"
)

// How long figures are kept, and how finely.
const (
	// MetricsFine is how long they are kept by the minute.
	MetricsFine = 26 * time.Hour
	// MetricsKept is how long they are kept at all, by ten minutes.
	MetricsKept   = 30 * 24 * time.Hour
	metricsCoarse = 10 * time.Minute
)

// TrafficRow is what one process saw of one release of an app in one span of
// time: a minute, or ten of all processes together.
type TrafficRow struct {
	AppID   string
	At      time.Time // begin of the span
	Span    time.Duration
	Release int      // version; 0: no instance took the requests
	Source  int64    // the process that counted; 0: all of them
	Status  [6]int64 // as TrafficPoint's
	Bytes   int64
	Latency []byte // a router.Histogram
}

// UsageRow is what the instances of one process type on one host used in one
// span of time. Instances, MilliCPU, Memory and MemoryLimit are sums over
// Rounds measurements: of each the sum over instances.
type UsageRow struct {
	AppID string
	At    time.Time // begin of the span
	Span  time.Duration
	Type  string
	Host  string // empty: all hosts; then Rounds is minutes, and each measurement the mean of one
	UsageSum
}

// UsageSum is a sum of measurements.
type UsageSum struct {
	Rounds                                   int
	Instances, MilliCPU, Memory, MemoryLimit float64
}

// Figures are rows of both kinds.
type Figures struct {
	Traffic []TrafficRow
	Usage   []UsageRow
}

// FiguresQuery chooses the rows of one app that begin in [Since, Until).
type FiguresQuery struct {
	AppID        string
	Since, Until time.Time
	Unless       Unflushed
}

// Unflushed says which rows the caller has itself, and so wants to be left
// out: those that Source counted from From on. A zero From is none.
type Unflushed struct {
	Source int64
	From   time.Time
}

// MetricsStore keeps figures and shows them.
type MetricsStore interface {
	MeterStore
	ReadFigures(ctx context.Context, q FiguresQuery) (Figures, error)
	// Sparks gives requests and errors by minute since a full minute, of the
	// apps that an account may see ("" is all), by app id; those without
	// requests are there, too.
	Sparks(ctx context.Context, accountID string, since time.Time, unless Unflushed) (map[string]Spark, error)
	// LiveReleases lists the releases that went live in [since, until), oldest first.
	LiveReleases(ctx context.Context, appID string, since, until time.Time) ([]DeployMark, error)
	// Census counts what there is, by name of the app.
	Census(ctx context.Context) ([]AppCensus, error)
}

// MeterStore is what the Meter writes to.
type MeterStore interface {
	// WriteFigures stores rows of minutes. Traffic replaces what the same source
	// has said of the same minute, so it may be said again; usage is added.
	// Rows of apps that are gone are left out.
	WriteFigures(ctx context.Context, f Figures) error
	// RollUp turns the oldest ten minutes that ended by before, and still are
	// there by the minute, into what fold makes of them, in one transaction;
	// false when there are none.
	RollUp(ctx context.Context, before time.Time, fold func(Figures) (Figures, error)) (more bool, err error)
	// DropFigures removes rows that begin before a time.
	DropFigures(ctx context.Context, before time.Time) error
	AppIDs(ctx context.Context) ([]string, error)
}

// AppCensus is how many things an app has, by state.
type AppCensus struct {
	ID, Name  string
	Instances map[string]int
	Deploys   map[string]int
}
