package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/builder"
)

// phaseStore holds one deploy's release and its one run.
type phaseStore struct {
	Store
	bell *Bell

	mu       sync.Mutex
	app      App
	release  Release
	manifest builder.Manifest
	run      *Run
	created  int
	stopped  string
	rolled   bool
	kept     bytes.Buffer
	keptAt   time.Time
}

func newPhase(t *testing.T) (*Pipeline, *phaseStore, *memoryLog) {
	t.Helper()
	bell := NewBell()
	s := &phaseStore{bell: bell, app: App{ID: "app", Name: "shop", Current: "r2"},
		release: Release{ID: "r3", AppID: "app", Version: 3, Processes: map[string]Process{"web": {}, "release": {Command: []string{"migrate"}, Line: "migrate"}}}}
	logs := &memoryLog{change: make(chan struct{})}
	p := &Pipeline{cfg: PipelineConfig{Owner: "one", BootTimeout: time.Second}, store: s, bell: bell, logs: logs, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	return p, s, logs
}

var phaseDeploy = Deploy{ID: "d", AppID: "app", App: "shop", State: DeployReleasing, ReleaseID: "r3", Version: 3, User: "ann@example.com"}

func (s *phaseStore) App(context.Context, string) (App, error) { return s.app, nil }
func (s *phaseStore) Release(context.Context, string, string) (Release, error) {
	return s.release, nil
}
func (s *phaseStore) Build(context.Context, string, string) (Build, error) {
	return Build{Manifest: s.manifest}, nil
}

func (s *phaseStore) CreateRun(_ context.Context, n NewRun) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return Run{}, ErrStale
	}
	s.created++
	s.run = &Run{ID: n.ID, AppID: n.AppID, Type: n.Type, Ordinal: 1001, Command: n.Command, Argv: n.Argv, Size: n.Size, TimeLimit: n.TimeLimit, State: RunPending}
	return *s.run, nil
}

func (s *phaseStore) Run(context.Context, string, string) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.run, nil
}

func (s *phaseStore) Runs(ctx context.Context, _ string, _ RunFilter) ([]Run, error) {
	r, err := s.Run(ctx, "", "")
	return []Run{r}, err
}

func (s *phaseStore) StopRun(_ context.Context, _, _, _, reason string) error {
	s.stopped = reason
	return nil
}

func (s *phaseStore) Roll(_ context.Context, d Deploy, _ string, _ time.Duration) (Deploy, error) {
	s.rolled = true
	d.State = DeployRolling
	return d, nil
}

func (s *phaseStore) PostDeployed(context.Context, string) error {
	s.app.PostDeployed = true
	return nil
}

func (s *phaseStore) AppendRunOutput(_ context.Context, _ string, at time.Time, lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept.Write(lines)
	s.keptAt = at
	return nil
}

func (s *phaseStore) RunOutput(context.Context, string) ([]byte, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.kept.Bytes()), s.keptAt, nil
}

// become moves the run on once it is there.
func (s *phaseStore) become(t *testing.T, change func(*Run)) {
	t.Helper()
	wake, stop := s.bell.Listen("run")
	defer stop()
	for deadline := time.Now().Add(patientTest); ; {
		s.mu.Lock()
		there := s.run != nil
		if there {
			change(s.run)
		}
		s.mu.Unlock()
		if there {
			s.bell.Ring(AppTopic("app"))
			return
		}
		select {
		case <-wake:
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Error("no run was made")
			return
		}
	}
}

// memoryLog is an app's log in memory.
type memoryLog struct {
	Logs
	mu     sync.Mutex
	lines  []LogLine
	change chan struct{}
}

func (l *memoryLog) Append(lines ...LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, lines...)
	close(l.change)
	l.change = make(chan struct{})
}

func (l *memoryLog) Read(ctx context.Context, q LogQuery, line func(LogLine) error) error {
	for n := 0; ; {
		l.mu.Lock()
		more, change := l.lines[n:], l.change
		n = len(l.lines)
		l.mu.Unlock()
		for _, one := range more {
			if one.Dyno == q.Dyno && (q.Source == "" || one.Source == q.Source) {
				if err := line(one); err != nil {
					return err
				}
			}
		}
		if !q.Tail {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prints is what the run's process prints: two lines a moment.
func (s *phaseStore) prints(l *memoryLog, from time.Time, texts ...string) {
	for i, text := range texts {
		l.Append(LogLine{AppID: "app", At: from.Add(time.Duration(i/2) * time.Second), Source: "app", Dyno: "release.1001", Text: text, Instance: s.run.ID})
	}
}

func TestReleaseCommandRunsBeforeTheRollout(t *testing.T) {
	p, s, logs := newPhase(t)
	s.manifest.Formation = map[string]builder.FormationSpec{"release": {Size: "Standard-2X"}}
	s.app.Settings.ReleaseTimeout = 90
	var out lockedOutput
	var play sync.WaitGroup
	play.Go(func() {
		s.become(t, func(r *Run) { r.Reason = "no host takes it" })
		for !strings.Contains(out.String(), "no host takes it") {
			time.Sleep(time.Millisecond)
		}
		s.become(t, func(r *Run) { r.State, r.Reason = RunRunning, "" })
		s.prints(logs, time.Unix(1000, 0), "one", "two", "three")
		for !strings.Contains(out.String(), "three") { // it comes while the command runs
			time.Sleep(time.Millisecond)
		}
		s.prints(logs, time.Unix(2000, 0), "four", "five")
		s.become(t, func(r *Run) { r.State = RunSucceeded })
	})
	d, err := p.runRelease(t.Context(), phaseDeploy, &out)
	play.Wait()
	if err != nil || d.State != DeployRolling || !s.rolled {
		t.Fatalf("deploy %+v, %v", d, err)
	}
	want := "-----> Running release command...\n       release.1001 waits: no host takes it\n       one\n       two\n       three\n       four\n       five\n"
	if out.String() != want {
		t.Errorf("said:\n%s\nwant:\n%s", out.String(), want)
	}
	if kept := s.kept.String(); kept != "one\ntwo\nthree\nfour\nfive\n" {
		t.Errorf("kept %q", kept)
	}
	if s.run.TimeLimit != 90*time.Second || s.run.Size != "Standard-2X" || s.run.Command != "migrate" {
		t.Errorf("run %+v", s.run)
	}
}

// lockedOutput is a pusher's terminal that a test looks at meanwhile.
type lockedOutput struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *lockedOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *lockedOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// What a command prints too fast is missing from its output, which says so.
func TestReleaseOutputTellsOfDroppedLines(t *testing.T) {
	p, s, logs := newPhase(t)
	s.run = &Run{ID: "r", AppID: "app", Type: ReleaseType, Ordinal: 1001, State: RunRunning}
	s.prints(logs, time.Unix(1000, 0), "one")
	line := LogLine{AppID: "app", At: time.Unix(1001, 0), Source: "paas", Dyno: "release.1001", Text: "7 lines dropped: release.1001 prints faster than 1 MB/s", Instance: "r"}
	state := LogLine{AppID: "app", At: time.Unix(1001, 0), Source: "paas", Dyno: "release.1001", Text: "State changed from up to complete"}
	logs.Append(line, state)
	s.prints(logs, time.Unix(1002, 0), "nine")
	var out lockedOutput
	var play sync.WaitGroup
	play.Go(func() { s.become(t, func(r *Run) { r.State = RunSucceeded }) })
	_, err := p.runRelease(t.Context(), phaseDeploy, &out)
	play.Wait()
	if want := "one\n7 lines dropped: release.1001 prints faster than 1 MB/s\nnine\n"; err != nil || s.kept.String() != want {
		t.Fatalf("kept %q, %v", s.kept.String(), err)
	}
}

func TestReleaseCommandThatDoesNotSucceed(t *testing.T) {
	for want, end := range map[string]Run{
		"Release command failed with exit code 3.":              {State: RunFailed, ExitCode: 3, Reason: "process exited with status 3"},
		"Release command failed: lost: its instance is gone.":   {State: RunFailed, Reason: "lost: its instance is gone"},
		"Release command was stopped: it ran longer than 1h0m.": {State: RunStopped, ExitCode: 137, Reason: "it ran longer than 1h0m"},
	} {
		p, s, _ := newPhase(t)
		var play sync.WaitGroup
		play.Go(func() {
			s.become(t, func(r *Run) { r.State, r.ExitCode, r.Reason = end.State, end.ExitCode, end.Reason })
		})
		_, err := p.runRelease(t.Context(), phaseDeploy, io.Discard)
		play.Wait()
		if !IsID(err, ErrInvalid) || !strings.HasPrefix(err.Error(), want+"\n") || !strings.Contains(err.Error(), "paas releases:output v3 -a shop") {
			t.Errorf("error %v, want %s", err, want)
		}
		if s.rolled {
			t.Error("it rolled out all the same")
		}
	}
}

// After a crash of the server the command is not run again: its end is waited
// for, and no line is kept twice.
func TestReleaseCommandGoesOnAfterACrash(t *testing.T) {
	p, s, logs := newPhase(t)
	s.run = &Run{ID: "r", AppID: "app", Type: ReleaseType, Ordinal: 1001, State: RunRunning}
	s.prints(logs, time.Unix(1000, 0), "one", "two", "three")
	s.kept.WriteString("one\ntwo\n")
	s.keptAt = time.Unix(1000, 0)
	var out lockedOutput
	var play sync.WaitGroup
	play.Go(func() { s.become(t, func(r *Run) { r.State = RunSucceeded }) })
	_, err := p.runRelease(t.Context(), phaseDeploy, &out)
	play.Wait()
	if err != nil || s.created != 0 {
		t.Fatalf("%d runs made, %v", s.created, err)
	}
	if kept := s.kept.String(); kept != "one\ntwo\nthree\n" {
		t.Errorf("kept %q", kept)
	}
	if want := "-----> The server was interrupted; the release command goes on\n       three\n"; out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
}

// A server that stops lets the command go on.
func TestShutdownLeavesTheReleaseCommand(t *testing.T) {
	p, s, _ := newPhase(t)
	ctx, stop := context.WithCancel(t.Context())
	var play sync.WaitGroup
	play.Go(func() { s.become(t, func(*Run) {}); stop() })
	_, err := p.runRelease(ctx, phaseDeploy, io.Discard)
	play.Wait()
	if !errors.Is(err, context.Canceled) || s.stopped != "" || s.rolled {
		t.Errorf("error %v, stopped %q, rolled %v", err, s.stopped, s.rolled)
	}
}

func TestPostdeployRunsOnce(t *testing.T) {
	p, s, _ := newPhase(t)
	d := phaseDeploy
	d.State, d.Kind = DeployLive, KindPush
	if err := p.postdeploy(t.Context(), d, io.Discard); err != nil || s.created != 0 || !s.app.PostDeployed {
		t.Fatalf("without a command: %d runs, %v", s.created, err)
	}
	s.manifest.Postdeploy = "seed --all"
	if err := p.postdeploy(t.Context(), d, io.Discard); err != nil || s.created != 0 {
		t.Fatalf("of an app that had its turn: %d runs, %v", s.created, err)
	}
	s.app.PostDeployed = false
	var out lockedOutput
	var play sync.WaitGroup
	play.Go(func() { s.become(t, func(r *Run) { r.State, r.ExitCode = RunFailed, 4 }) })
	err := p.postdeploy(t.Context(), d, &out)
	play.Wait()
	if err != nil || !s.app.PostDeployed || fmt.Sprint(s.run.Argv) != "[seed --all]" {
		t.Fatalf("%v, run %+v", err, s.run)
	}
	for _, want := range []string{"-----> Running postdeploy command...", " !     Postdeploy command failed with exit code 4.", "paas run -a shop -- seed --all"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
}
