// Command scheduler measures how fast instances are placed at a size that no
// test machine has: the real planner, reconcile loop, store and Postgres, and
// agents that are simulated. An agent watches its host's assignments and
// reports states through the same Control as a real one does in the process of
// the control plane; what it does not do is run anything.
//
// An instance counts as placed when it was planned, committed, assigned, and
// its agent's words that it starts and that it is up are stored.
//
// It prints a table and writes bench/results/scheduler.json.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"

	"paas/bench/report"
)

type bench struct {
	hosts, apps, each int
	window, losses    int
	rest              time.Duration
	out, profile      string
}

func main() {
	var b bench
	flag.IntVar(&b.hosts, "hosts", 5000, "hosts")
	flag.IntVar(&b.apps, "apps", 2500, "apps")
	flag.IntVar(&b.each, "each", 40, "instances of each app")
	flag.IntVar(&b.window, "window", 250, "apps that are being scaled up at a time")
	flag.IntVar(&b.losses, "losses", 5, "hosts that are lost, one after the other")
	flag.DurationVar(&b.rest, "rest", 30*time.Second, "how long passes over nothing to do are watched")
	flag.StringVar(&b.out, "out", "bench/results/scheduler.json", "where the result goes")
	flag.StringVar(&b.profile, "profile", "", "write a CPU profile of the placing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-scheduler:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.hosts < 1 || b.apps < 1 || b.each < 1 {
		return errors.New("-hosts, -apps and -each are at least 1; nothing was started")
	}
	r := result{Machine: report.Machine(), At: time.Now().UTC().Truncate(time.Second), Hosts: b.hosts, Apps: b.apps, Instances: b.apps * b.each}
	fmt.Printf("-----> A Postgres with %d hosts and %d apps\n", b.hosts, b.apps)
	pl, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pl.close()) }()
	r.Versions = pl.versions(ctx)
	if err := pl.start(ctx); err != nil {
		return err
	}
	fmt.Printf("-----> Placing %d instances\n", r.Instances)
	if err := b.profiled(func() error { return b.place(ctx, pl, &r) }); err != nil {
		return err
	}
	fmt.Printf("-----> At rest for %s\n", b.rest)
	if err := b.idle(ctx, pl, &r); err != nil {
		return err
	}
	fmt.Printf("-----> %d hosts are lost, one after the other\n", b.losses)
	if err := b.lose(ctx, pl, &r); err != nil {
		return err
	}
	if r.Overbooked, err = pl.overbooked(ctx); err != nil {
		return err
	}
	r.ServerRSS, r.DatabaseMB = pl.memory()
	r.print(os.Stdout)
	return report.Write(b.out, r)
}

func (b *bench) profiled(fn func() error) error {
	if b.profile == "" {
		return fn()
	}
	f, err := os.Create(b.profile)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return fn()
}
