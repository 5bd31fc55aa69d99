// Command logs measures how much of apps' logs the platform takes in and how
// soon who follows them reads it: a real log store on disk, a real API in
// front of it, and one client per app that follows over loopback HTTP, in a
// process of its own. Lines come at a fixed rate whether they are kept up with
// or not, and carry the time they were due: lateness of the generator counts.
//
// In the same run it measures a yardstick: the same lines over TCP into
// rsyslog, which writes a file per app that tail -f follows; or, without
// rsyslog, appended to the files directly.
//
// It prints a table and writes bench/results/logs.json.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"paas/bench/report"
)

type bench struct {
	apps, rate int
	length     time.Duration
	out        string
	rsyslogd   string
	rsyslogLib string
	profile    string
	only       string
}

func main() {
	var b bench
	follow := flag.String("follow", "", "internal: be the clients of that API")
	flag.IntVar(&b.apps, "apps", 10, "apps that write and are followed")
	flag.IntVar(&b.rate, "rate", 100_000, "lines per second, of all apps together")
	flag.DurationVar(&b.length, "length", 20*time.Second, "how long")
	flag.StringVar(&b.out, "out", "bench/results/logs.json", "where the result goes")
	flag.StringVar(&b.rsyslogd, "rsyslogd", "", "rsyslogd to compare with (default: from PATH; none: files)")
	flag.StringVar(&b.rsyslogLib, "rsyslog-root", "", "directory that Debian's rsyslog packages were unpacked to")
	flag.StringVar(&b.profile, "profile", "", "write a CPU profile of the platform at the rate")
	flag.StringVar(&b.only, "only", "", "paas or peer: measure one only and write no result")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var err error
	if *follow != "" {
		err = followAll(ctx, *follow, b.apps, os.Stdout)
	} else {
		err = b.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-logs:", err)
		os.Exit(1)
	}
}

// run measures at the rate asked for, looks how far it goes, and measures the
// yardstick at the same rate.
func (b *bench) run(ctx context.Context) error {
	r := result{Machine: report.Machine(), Versions: versions(), At: time.Now().UTC().Truncate(time.Second),
		Apps: b.apps, Rate: b.rate, Seconds: b.length.Seconds(), LineBytes: lineBytes}
	if b.only != "peer" {
		if err := b.measurePaas(ctx, &r); err != nil {
			return err
		}
	}
	if b.only != "paas" {
		fmt.Println("-----> Yardstick")
		var err error
		if r.Yardstick, err = b.peer(ctx, b.rate, b.length); err != nil {
			return fmt.Errorf("yardstick: %w", err)
		}
		r.print(os.Stdout, r.Yardstick)
	}
	r.foot(os.Stdout)
	if b.only != "" {
		return nil
	}
	return report.Write(b.out, r)
}

func (b *bench) measurePaas(ctx context.Context, r *result) (err error) {
	fmt.Printf("-----> paas, %d apps, %d lines/s in sum, %s\n", b.apps, b.rate, b.length)
	if r.Paas, err = b.paas(ctx, b.rate, b.length, b.profile); err != nil {
		return err
	}
	r.head(os.Stdout)
	r.print(os.Stdout, r.Paas)
	const step = 5 * time.Second
	for rate := b.rate + b.rate/2; b.only == "" && rate <= 20*b.rate; rate += b.rate / 2 {
		m, err := b.paas(ctx, rate, step, "")
		if err != nil {
			return err
		}
		r.print(os.Stdout, m)
		if !m.kept() {
			break
		}
		r.Most = m
	}
	return nil
}

// child starts this program as the clients of a source and gives what they
// measured once fill has written everything.
func (b *bench) child(ctx context.Context, source string, fill func() error) (measured, error) {
	var m measured
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	cmd := exec.CommandContext(ctx, self, "-follow", source, "-apps", fmt.Sprint(b.apps))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return m, err
	}
	if err := cmd.Start(); err != nil {
		return m, err
	}
	dec := json.NewDecoder(pipe)
	ready := ""
	if err := dec.Decode(&ready); err != nil {
		return m, errors.Join(fmt.Errorf("clients did not come up: %w", err), cmd.Wait())
	}
	err = fill()
	if err == nil {
		err = dec.Decode(&m)
	}
	if err != nil {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	_, _ = io.Copy(io.Discard, pipe)
	err = errors.Join(err, cmd.Wait())
	m.ClientCPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return m, err
}

func versions() map[string]string {
	v := map[string]string{}
	for name, args := range map[string][]string{"go": {"go", "version"}, "tail": {"tail", "--version"}} {
		if out, err := exec.Command(args[0], args[1:]...).Output(); err == nil {
			v[name], _, _ = strings.Cut(string(out), "\n")
		}
	}
	return v
}
