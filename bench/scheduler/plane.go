package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"paas/router"
	"paas/server"
	"paas/server/child"
	"paas/server/postgres"
)

// hostLease is how long a host may be silent, as in the product.
const hostLease = 2500 * time.Millisecond

// plane is a control plane as the product wires it, without its doors.
type plane struct {
	dir     string
	pg      *child.Postgres
	dsn     string
	store   *postgres.Store
	keyring *server.Keyring
	bell    *server.Bell
	traffic *server.Traffic
	leader  *server.Leader
	loop    *server.Reconciler
	agents  *agents
	hosts   []string
	passes  passes
	base    context.Context // of the loops and agents
	end     context.CancelFunc
	work    sync.WaitGroup
	stopped chan struct{} // Postgres has ended
	stop    context.CancelFunc
}

// passes are the looks at all apps.
type passes struct {
	mu   sync.Mutex
	list []time.Duration
}

func (p *passes) add(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, took)
}

func (p *passes) take() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.list
	p.list = nil
	return l
}

func (b *bench) open(ctx context.Context) (pl *plane, err error) {
	pl = &plane{bell: server.NewBell(), stopped: make(chan struct{})}
	pl.base, pl.end = context.WithCancel(context.WithoutCancel(ctx))
	if pl.dir, err = os.MkdirTemp("", "paas-bench-"); err != nil {
		return pl, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, pl.close())
		}
	}()
	if err := os.Chmod(pl.dir, 0o711); err != nil { // Postgres runs as another user
		return pl, err
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	if pl.pg, err = child.NewPostgres(ctx, child.PostgresConfig{DataDir: filepath.Join(pl.dir, "pg")}, quiet); err != nil {
		return pl, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	pl.stop = stop
	go func() { defer close(pl.stopped); _ = pl.pg.Run(running) }()
	if err := pl.pg.WaitReady(ctx); err != nil {
		return pl, err
	}
	pl.dsn = pl.pg.DSN()
	pl.store, err = postgres.Open(ctx, postgres.Config{DSN: pl.dsn, Sizes: server.DefaultSizes(), Lease: time.Minute})
	if err != nil {
		return pl, err
	}
	if pl.keyring, err = server.NewKeyring(make([]byte, server.MasterKeySize)); err != nil {
		return pl, err
	}
	pl.hosts, err = fill(ctx, pl, b)
	return pl, err
}

func (pl *plane) close() error {
	pl.end()
	pl.work.Wait()
	if pl.store != nil {
		pl.store.Close()
	}
	if pl.stop != nil {
		pl.stop()
		<-pl.stopped
	}
	return os.RemoveAll(pl.dir)
}

// start runs the loops as the product does, and the agents.
func (pl *plane) start(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	pl.traffic = server.NewTraffic(pl.bell)
	pl.leader = server.NewLeader(server.LeaderConfig{Owner: "bench"}, pl.store, log)
	ahead := server.NewAhead(pl.bell)
	control := server.NewControl(server.ControlConfig{Image: func(app, digest string) string { return "127.0.0.1:5500/" + app + "@" + digest },
		Subnets: netip.MustParsePrefix("10.0.0.0/8"), SubnetBits: 24, BootTimeout: time.Minute, Grace: 30 * time.Second,
		Host: func(app string) string { return app + ".localhost" }, Epoch: pl.leader.Epoch, Placed: pl.traffic.Place, Ahead: ahead}, pl.store, pl.keyring, pl.bell, server.NewSessions(), noLogs{}, log)
	pl.agents = newAgents(control)
	pl.loop = server.NewReconciler(server.ReconcilerConfig{DrainLimit: 35 * time.Second, Tick: 5 * time.Second, Epoch: pl.leader.Epoch,
		Hosts: func(app string) []string { return []string{app + ".localhost"} }, Passed: pl.passes.add, Ahead: ahead},
		pl.store, pl.keyring, pl.traffic, pl.bell, log)
	pl.work.Go(func() { _ = pl.store.Listen(pl.base, pl.bell.Ring) })
	pl.work.Go(func() { _ = pl.leader.Run(pl.base, pl.loop.Run) })
	pl.work.Go(pl.beat)
	pl.work.Go(pl.route)
	for _, h := range pl.hosts {
		pl.work.Go(func() { pl.agents.run(pl.base, h) })
	}
	for len(pl.passes.take()) == 0 { // everything was looked at once
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// route is a router, which acknowledges each table.
func (pl *plane) route() {
	for table := range pl.traffic.Watch(pl.base, "bench") {
		pl.traffic.Ack(router.Ack{Router: "bench", Version: table.Version})
	}
}

// beat writes what the fleet writes: every living host's beat, twice a second.
func (pl *plane) beat() {
	for pl.base.Err() == nil {
		_, _ = pl.store.Pulse(pl.base, pl.agents.beats(pl.hosts), hostLease)
		select {
		case <-time.After(500 * time.Millisecond):
		case <-pl.base.Done():
		}
	}
}

// memory is what this process, agents and all, took at most, and what all of
// Postgres takes, each shared page counted once.
func (pl *plane) memory() (rss, database float64) {
	for _, dir := range pl.processes() {
		database += statusMB(dir+"/smaps_rollup", "Pss:")
	}
	return statusMB("/proc/self/status", "VmHWM:"), database
}

// processes are the directories in /proc of Postgres and its children, which
// all work in the directory of their data.
func (pl *plane) processes() (dirs []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if cwd, err := os.Readlink(dir + "/cwd"); err == nil && strings.HasPrefix(cwd, pl.dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func statusMB(path, name string) float64 {
	text, _ := os.ReadFile(path)
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			var kb float64
			_, _ = fmt.Sscanf(rest, "%f", &kb)
			return kb / 1024
		}
	}
	return 0
}

// noLogs takes apps' lines and forgets them: the log store has its own bench.
type noLogs struct{}

func (noLogs) Append(...server.LogLine) {}
func (noLogs) Read(context.Context, server.LogQuery, func(server.LogLine) error) error {
	return nil
}
func (noLogs) Cursor(string) time.Time { return time.Time{} }
func (noLogs) Drop(string)             {}
