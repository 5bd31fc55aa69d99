package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what an Agent has to know. Only Host is required.
type Config struct {
	Host string // this host's name in the control plane

	// MaxStarts is how many instances start at once, 4 when zero. More do not
	// start sooner: the engine makes containers with the CPUs the apps need.
	MaxStarts int
	// Survey is the time between two looks at all containers, 5 s when zero.
	// It only catches what events missed.
	Survey time.Duration
	// Settle is how long an instance without a port runs before it is up, 1 s
	// when zero: long enough for a program that dies of its configuration.
	Settle time.Duration
	// Boot is the deadline of an assignment that has none, 60 s when zero.
	Boot time.Duration
	// StartBound is how long platform errors at the start are repeated before
	// the instance counts as crashed, 2 min when zero. An engine that does
	// not answer is waited for without bound.
	StartBound time.Duration
	// OrphanGrace is the time between SIGTERM and SIGKILL for containers that
	// no assignment names, 30 s when zero.
	OrphanGrace time.Duration
	// LogRate (bytes/s, 1 MB when zero) and LogBurst (bytes, 2 MB when zero)
	// bound what one instance may print; more is dropped and counted.
	LogRate  int
	LogBurst int
	// AttachWait is the time an attached one-off waits for its client, the
	// contract's AttachWait when zero.
	AttachWait time.Duration
	// MaxSessions is how many sessions are served at once, 1,000 when zero.
	MaxSessions int
	// Sample is the time between two measurements of what instances use, 15 s
	// when zero.
	Sample time.Duration
	// Heartbeat is the time between two signs of life, 500 ms when zero.
	Heartbeat time.Duration
	// FirstLook is how long an instance runs before it is looked what it has
	// written outside volumes, 1 min when zero.
	FirstLook time.Duration
}

// Agent makes its host look like the assignments it is given.
type Agent struct {
	cfg     Config
	control Control
	rt      Runtime
	log     *slog.Logger

	starts   chan struct{} // one slot per start in progress
	guests   chan struct{} // one slot per session being served
	fetches  chan struct{} // one slot per image being fetched ahead
	deleting chan struct{} // one slot per volume being deleted
	roster   *roster
	reporter *reporter
	shipper  *shipper
	http     *http.Client
	stock    stock
	born     time.Time
	answer   atomic.Int64 // when the engine last answered, nanoseconds since born; 0: not yet

	// Below: owned by Run's loop alone.
	instances map[string]*instance
	finished  chan *instance
	work      sync.WaitGroup
	prune     bool // a network may have lost its last instance
}

// New makes an Agent. It does nothing before Run.
func New(cfg Config, control Control, rt Runtime, log *slog.Logger) (*Agent, error) {
	if cfg.Host == "" {
		return nil, errors.New("agent: the name of the host is required")
	}
	setDefault(&cfg.MaxStarts, 4)
	setDefault(&cfg.Survey, 5*time.Second)
	setDefault(&cfg.Settle, time.Second)
	setDefault(&cfg.Boot, time.Minute)
	setDefault(&cfg.StartBound, 2*time.Minute)
	setDefault(&cfg.OrphanGrace, 30*time.Second)
	setDefault(&cfg.LogRate, 1<<20)
	setDefault(&cfg.LogBurst, 2<<20)
	setDefault(&cfg.AttachWait, AttachWait)
	setDefault(&cfg.MaxSessions, 1000)
	setDefault(&cfg.Sample, 15*time.Second)
	setDefault(&cfg.Heartbeat, 500*time.Millisecond)
	setDefault(&cfg.FirstLook, time.Minute)
	log = log.With("host", cfg.Host)
	return &Agent{
		cfg: cfg, control: control, rt: rt, log: log,
		starts:    make(chan struct{}, cfg.MaxStarts),
		guests:    make(chan struct{}, cfg.MaxSessions),
		fetches:   make(chan struct{}, maxAhead),
		deleting:  make(chan struct{}, maxDeleting),
		roster:    newRoster(),
		reporter:  newReporter(cfg.Host, control, log),
		shipper:   newShipper(control),
		http:      probeClient(),
		instances: map[string]*instance{},
		finished:  make(chan *instance),
		prune:     true,
		born:      time.Now(),
	}, nil
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// Run works until ctx ends. The containers go on without it; the next Run
// takes them over as they are.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer a.work.Wait()
	defer cancel()
	a.spawn(func() { a.reporter.run(ctx) })
	a.spawn(func() { a.shipper.run(ctx) })
	a.spawn(func() { a.receive(ctx) })
	a.spawn(func() { a.measure(ctx) })
	a.spawn(func() { a.beats(ctx) })
	a.spawn(func() { a.takeStock(ctx) })
	a.spawn(func() { a.weigh(ctx) })
	a.spawn(func() { a.lookAtLayers(ctx) })

	l := &loop{Agent: a, sets: a.control.Watch(ctx, a.cfg.Host), surveys: make(chan survey, 1), recent: map[string]bool{}, gone: map[string]bool{},
		coming: map[string]context.CancelFunc{}}
	l.survey(ctx)
	tick := time.NewTicker(a.cfg.Survey)
	defer tick.Stop()
	for ctx.Err() == nil {
		l.step(ctx, tick.C)
	}
	return ctx.Err()
}

// spawn runs f as a goroutine that Run waits for.
func (a *Agent) spawn(f func()) {
	a.work.Go(f)
}
