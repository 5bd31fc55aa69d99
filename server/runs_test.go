package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// runStore is an app with one release, its instances and its runs.
type runStore struct {
	Store
	bell *Bell

	mu        sync.Mutex
	app       App
	release   Release
	key       []byte // of the app, wrapped
	config    map[string]string
	accounts  map[string]Account
	may       map[string][]Permission // by account
	instances []Instance
	runs      []Run
	made      []NewRun
	stopped   []string
	visits    []string
	held      chan string
}

var (
	ann = Actor{Account: Account{ID: "ann", Email: "ann@example.com"}}
	bob = Actor{Account: Account{ID: "bob", Email: "bob@example.com"}}
)

func newRunService(t *testing.T) (*Service, *runStore) {
	t.Helper()
	bell := NewBell()
	s := &runStore{bell: bell, app: App{ID: "app", Name: "shop", OwnerID: "ann", Current: "r2"}, held: make(chan string, 100),
		release: Release{ID: "r2", AppID: "app", Version: 2, Image: Image{Digest: "sha256:x", Cmd: []string{"serve"}},
			Processes: map[string]Process{"web": {}, "worker": {Command: []string{"work", "hard"}, Line: "work hard"}}},
		accounts: map[string]Account{"ann": ann.Account, "bob": bob.Account}, may: map[string][]Permission{}}
	k, err := NewKeyring(make([]byte, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	if s.key, err = k.NewDataKey("app"); err != nil {
		t.Fatal(err)
	}
	return &Service{cfg: ServiceConfig{Sizes: DefaultSizes()}, store: s, keyring: k, bell: bell, sessions: NewSessions(),
		logs: &memoryLog{change: make(chan struct{})}, log: slog.New(slog.NewTextHandler(io.Discard, nil))}, s
}

func (s *runStore) App(context.Context, string) (App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.app, nil
}
func (s *runStore) Release(context.Context, string, string) (Release, error) { return s.release, nil }
func (s *runStore) DataKey(context.Context, string) ([]byte, error)          { return s.key, nil }

func (s *runStore) ReleaseConfig(context.Context, string) ([]byte, error) {
	k, err := NewKeyring(make([]byte, MasterKeySize))
	if err != nil {
		return nil, err
	}
	return k.SealConfig(s.key, "app", "r2", s.config)
}

func (s *runStore) Account(_ context.Context, id string) (Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.accounts[id]; ok {
		return a, nil
	}
	return Account{}, Errorf(ErrNotFound, "no account")
}

func (s *runStore) Permissions(_ context.Context, _, account string) ([]Permission, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.may[account], nil
}

func (s *runStore) Instances(context.Context, string) ([]Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.instances), nil
}

func (s *runStore) CreateRun(_ context.Context, n NewRun) (Run, error) {
	s.made = append(s.made, n)
	return Run{ID: n.ID, AppID: n.AppID, Type: n.Type, Ordinal: 1001, Command: n.Command, UserID: n.UserID, Attach: n.Attach, State: RunPending}, nil
}

func (s *runStore) Run(_ context.Context, _, ident string) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if r.ID == ident || r.Name() == ident {
			return r, nil
		}
	}
	return Run{}, Errorf(ErrNotFound, "no run")
}

func (s *runStore) StopRun(_ context.Context, _, id, _, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = append(s.stopped, id+": "+reason)
	return nil
}

func (s *runStore) StopInstance(_ context.Context, _, id, _ string) error {
	s.stopped = append(s.stopped, id)
	return nil
}

func (s *runStore) HoldRun(_ context.Context, id string, _ time.Duration) error {
	select {
	case s.held <- id:
	default:
	}
	return nil
}

func (s *runStore) SessionOpened(_ context.Context, _, _, what string, _ time.Duration) error {
	s.visits = append(s.visits, what)
	return nil
}

func (s *runStore) set(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	s.bell.Ring(AppTopic("app"))
}

func TestStartRun(t *testing.T) {
	s, store := newRunService(t)
	for command, want := range map[string]string{
		"rake db:migrate":   "rake db:migrate|[rake db:migrate]",
		"worker":            "work hard|[work hard]",
		"web":               "serve|[]",
		"  echo 'a b' ":     "echo 'a b'|[echo a b]",
		"echo $HOME | wc":   "echo $HOME | wc|[/bin/sh -c echo $HOME | wc]",
		"worker --and-more": "worker --and-more|[worker --and-more]",
	} {
		store.made = nil
		r, err := s.StartRun(t.Context(), ann, "shop", RunRequest{Command: command, Size: "standard-2x", Env: map[string]string{"A": "secret"}})
		if err != nil {
			t.Errorf("%q: %v", command, err)
			continue
		}
		n := store.made[0]
		if got := fmt.Sprintf("%s|%v", n.Command, n.Argv); got != want || n.Size != "Standard-2X" || n.ReleaseID != "r2" || n.UserID != "ann" {
			t.Errorf("%q makes %s (%+v), want %s", command, got, n, want)
		}
		if strings.Contains(string(n.Env), "secret") || len(n.Env) == 0 {
			t.Errorf("env is not sealed: %q", n.Env)
		}
		if r.Name() != "run.1001" {
			t.Errorf("run %+v", r)
		}
	}
}

// What people type may hold a secret of the app, and the list of runs, the log
// and the events are seen by some who may not read its config.
func TestStartRunMasksItsCommand(t *testing.T) {
	s, store := newRunService(t)
	store.config = map[string]string{"API_TOKEN": "s3cr3tValue9xQ7"}
	run, err := s.StartRun(t.Context(), ann, "shop", RunRequest{Command: "curl -u s3cr3tValue9xQ7:0therS3cret77", Env: map[string]string{"MINE": "0therS3cret77"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "curl -u [masked API_TOKEN]:[masked MINE]"
	if n := store.made[0]; n.Command != want || strings.Join(n.Argv, " ") != "curl -u s3cr3tValue9xQ7:0therS3cret77" || run.Command != want {
		t.Errorf("%q %q shown as %q", n.Command, n.Argv, run.Command)
	}
	for _, l := range s.logs.(*memoryLog).lines {
		if strings.Contains(l.Text, "s3cr3tValue9xQ7") {
			t.Errorf("in the log: %s", l.Text)
		}
	}
}

func TestStartRunRefuses(t *testing.T) {
	s, store := newRunService(t)
	for want, r := range map[string]RunRequest{
		"There is no command":                            {Command: " \t"},
		"There is no size \"Huge\"":                      {Command: "x", Size: "Huge"},
		"longer than 32768":                              {Command: strings.Repeat("x", maxCommand+1)},
		"NUL byte or":                                    {Command: "x\x00y"},
		"is not UTF-8":                                   {Command: "x\xff"},
		"The time limit must":                            {Command: "x", TimeLimit: -1},
		"between 0 (none) and":                           {Command: "x", TimeLimit: 365 * 24 * time.Hour},
		"A terminal needs":                               {Command: "x", TTY: true},
		"\"PORT\" is reserved":                           {Command: "x", Env: map[string]string{"PORT": "1"}},
		"may hold only letters":                          {Command: "x", Env: map[string]string{"A-B": "1"}},
		"process type (clock). The app has: web, worker": {Command: "clock", OfType: true},
		"The variables hold":                             {Command: "x", Env: map[string]string{"A": strings.Repeat("x", MaxConfigBytes)}},
	} {
		if _, err := s.StartRun(t.Context(), ann, "shop", r); !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	store.release.Image = Image{}
	if _, err := s.StartRun(t.Context(), ann, "shop", RunRequest{Command: "x"}); !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), "git push paas main") {
		t.Errorf("without code: %v", err)
	}
	if _, err := s.StartRun(t.Context(), bob, "shop", RunRequest{Command: "x"}); !IsID(err, ErrNotFound) {
		t.Errorf("a stranger: %v", err)
	}
	store.may["bob"] = []Permission{PermView, PermOperate}
	if _, err := s.StartRun(t.Context(), bob, "shop", RunRequest{Command: "x"}); !IsID(err, ErrForbidden) {
		t.Errorf("without deploy: %v", err)
	}
	if len(store.made) != 0 {
		t.Errorf("made %+v", store.made)
	}
}

func TestStopDyno(t *testing.T) {
	s, store := newRunService(t)
	store.instances = []Instance{{ID: "1", Type: "web", Ordinal: 1}, {ID: "2", Type: "web", Ordinal: 2}, {ID: "3", Type: "run", Ordinal: 1001, OneOff: true}}
	store.runs = []Run{{ID: "9", Type: "run", Ordinal: 1000, State: RunFailed}}
	for ident, want := range map[string]string{"web.2": "[2]", "web": "[1 2]", "1": "[1]", "run.1001": "[3: stopped by ann@example.com]"} {
		store.stopped = nil
		if err := s.StopDyno(t.Context(), ann, "shop", ident); err != nil || fmt.Sprint(store.stopped) != want {
			t.Errorf("%s: stopped %v, %v; want %s", ident, store.stopped, err, want)
		}
	}
	store.stopped = nil
	if err := s.StopDyno(t.Context(), ann, "shop", "run.1000"); !IsID(err, ErrConflict) {
		t.Errorf("one that has ended: %v", err)
	}
	for _, ident := range []string{"worker.1", "", "web.x", "run.7"} {
		if err := s.StopDyno(t.Context(), ann, "shop", ident); !IsID(err, ErrNotFound) {
			t.Errorf("%q: %v", ident, err)
		}
	}
	store.may["bob"] = []Permission{PermView, PermDeploy}
	if err := s.StopDyno(t.Context(), bob, "shop", "web.1"); !IsID(err, ErrForbidden) {
		t.Errorf("the formation with deploy: %v", err)
	}
	if err := s.StopDyno(t.Context(), bob, "shop", "run.1001"); err != nil || len(store.stopped) != 1 {
		t.Errorf("a one-off with deploy: %v", err)
	}
}

func TestWhileAllowedEnds(t *testing.T) {
	cases := map[string]struct {
		change func(*runStore)
		id     ErrID
	}{
		"the collaborator is removed":   {func(s *runStore) { delete(s.may, "bob") }, ErrNotFound},
		"the permission is taken":       {func(s *runStore) { s.may["bob"] = []Permission{PermView} }, ErrForbidden},
		"the account is gone":           {func(s *runStore) { delete(s.accounts, "bob") }, ErrUnauthorized},
		"the app is locked":             {func(s *runStore) { s.app.Locked = true }, ErrForbidden},
		"the app belongs to another":    {func(s *runStore) { delete(s.may, "bob"); s.app.OwnerID = "carl" }, ErrNotFound},
		"the app is another's from now": {func(s *runStore) { s.may = nil }, ErrNotFound},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, store := newRunService(t)
			store.may["bob"] = []Permission{PermView, PermDeploy}
			ctx, done := s.WhileAllowed(t.Context(), bob, "shop", PermDeploy)
			defer done()
			store.set(func() {})
			if ctx.Err() != nil {
				t.Fatal(context.Cause(ctx))
			}
			store.set(func() { c.change(store) })
			receive(t, ctx.Done(), "the end")
			err := allowedError(ctx, ctx.Err())
			if !IsID(err, c.id) {
				t.Errorf("cause %v, want %s", err, c.id)
			}
			if c.id == ErrNotFound && !strings.Contains(err.Error(), "What you had open was ended") {
				t.Errorf("somebody at work is told %q", err)
			}
		})
	}
	s, _ := newRunService(t)
	ctx, done := s.WhileAllowed(t.Context(), bob, "shop", PermView)
	defer done()
	if !IsID(context.Cause(ctx), ErrNotFound) {
		t.Errorf("a stranger: %v", context.Cause(ctx))
	}
}

// openLater opens a session in the background.
func (s *Service) openLater(ctx context.Context, actor Actor, ident string, o OpenRequest, streams agent.IO) <-chan sessionResult {
	out := make(chan sessionResult, 1)
	go func() {
		end, err := s.Open(ctx, actor, "shop", ident, o, streams)
		out <- sessionResult{end, err}
	}()
	return out
}

func TestExecAndForward(t *testing.T) {
	s, store := newRunService(t)
	store.instances = []Instance{{ID: "1", Type: "web", Ordinal: 1, HostID: "h1", State: "up"}, {ID: "2", Type: "web", Ordinal: 2, HostID: "h1", State: "crashed"}}
	taken := s.sessions.take(t.Context(), "h1")
	result := s.openLater(t.Context(), ann, "web", OpenRequest{Kind: agent.Exec, Command: "ls -l /tmp", TTY: true, Env: map[string]string{"TERM": "xterm"}}, agent.IO{})
	se := receive(t, taken, "the session")
	if se.Instance != "1" || fmt.Sprint(se.Command) != "[ls -l /tmp]" || !se.TTY || se.Env["TERM"] != "xterm" {
		t.Errorf("session %+v", se)
	}
	se.Ended(agent.SessionEnd{ExitCode: 2})
	if r := receive(t, result, "its end"); r.err != nil || r.end.ExitCode != 2 {
		t.Errorf("%+v", r)
	}
	result = s.openLater(t.Context(), ann, "web.1", OpenRequest{Kind: agent.Forward, Port: 5432}, agent.IO{})
	se = receive(t, taken, "the session")
	if se.Kind != agent.Forward || se.Port != 5432 {
		t.Errorf("session %+v", se)
	}
	se.Ended(agent.SessionEnd{})
	receive(t, result, "its end")
	if fmt.Sprint(store.visits) != "[exec web.1 forward web.1]" {
		t.Errorf("noted %v", store.visits)
	}
	for want, c := range map[string]struct {
		ident string
		o     OpenRequest
	}{
		"no process to go to":  {"web.2", OpenRequest{Kind: agent.Exec, Command: "ls"}},
		"Couldn't find":        {"web.7", OpenRequest{Kind: agent.Exec, Command: "ls"}},
		"no command":           {"web.1", OpenRequest{Kind: agent.Exec}},
		"0 is no port":         {"web.1", OpenRequest{Kind: agent.Forward}},
		"65536 is no port":     {"web.1", OpenRequest{Kind: agent.Forward, Port: 65536}},
		"no kind of session":   {"web.1", OpenRequest{Kind: "x"}},
		"is reserved":          {"web.1", OpenRequest{Kind: agent.Exec, Command: "ls", Env: map[string]string{"DYNO": "x"}}},
		"Couldn't find that d": {"run.1001", OpenRequest{Kind: agent.Attach}},
	} {
		if _, err := s.Open(t.Context(), ann, "shop", c.ident, c.o, agent.IO{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestAttachHoldsItsRunAndEndsIt(t *testing.T) {
	s, store := newRunService(t)
	store.runs = []Run{{ID: "r", AppID: "app", Type: "run", Ordinal: 1001, State: RunPending, Attach: true, TTY: true, UserID: "ann", User: ann.Email},
		{ID: "d", AppID: "app", Type: "run", Ordinal: 1002, State: RunRunning, UserID: "ann"}}
	store.may["bob"] = []Permission{PermView, PermDeploy}
	taken := s.sessions.take(t.Context(), "h1")
	ctx, leave := context.WithCancel(t.Context())
	result := s.openLater(ctx, ann, "run.1001", OpenRequest{Kind: agent.Attach}, agent.IO{})
	if id := receive(t, store.held, "the lease"); id != "r" {
		t.Errorf("held %q", id)
	}
	for want, who := range map[string]Actor{"belongs to ann@example.com": bob, "attached to another client": ann} {
		if _, err := s.Open(t.Context(), who, "shop", "run.1001", OpenRequest{Kind: agent.Attach}, agent.IO{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", who.Email, err, want)
		}
	}
	if _, err := s.Open(t.Context(), ann, "shop", "run.1002", OpenRequest{Kind: agent.Attach}, agent.IO{}); !IsID(err, ErrConflict) {
		t.Errorf("a detached run: %v", err)
	}
	select {
	case <-taken:
		t.Fatal("it was offered before it had a host")
	default:
	}
	store.set(func() { store.runs[0].HostID = "h1" })
	se := receive(t, taken, "the session")
	if se.Instance != "r" || !se.TTY || se.Kind != agent.Attach {
		t.Errorf("session %+v", se)
	}
	leave()
	receive(t, se.Gone, "Gone")
	se.Ended(agent.SessionEnd{Err: errors.New("client left")})
	if r := receive(t, result, "the end"); !errors.Is(r.err, context.Canceled) {
		t.Errorf("%+v", r)
	}
	if fmt.Sprint(store.stopped) != "[r: its client went away]" {
		t.Errorf("stopped %v", store.stopped)
	}
}

// A removed collaborator's live session ends, and is told why.
func TestSessionOfARemovedCollaboratorEnds(t *testing.T) {
	s, store := newRunService(t)
	store.may["bob"] = []Permission{PermView, PermDeploy}
	store.instances = []Instance{{ID: "1", Type: "web", Ordinal: 1, HostID: "h1", State: "up"}}
	taken := s.sessions.take(t.Context(), "h1")
	result := s.openLater(t.Context(), bob, "web.1", OpenRequest{Kind: agent.Exec, Command: "sh"}, agent.IO{})
	se := receive(t, taken, "the session")
	store.set(func() { delete(store.may, "bob") })
	receive(t, se.Gone, "Gone")
	se.Ended(agent.SessionEnd{})
	if r := receive(t, result, "the end"); !IsID(r.err, ErrNotFound) {
		t.Errorf("told %v", r.err)
	}
}

func TestAttachToARunThatEndedBefore(t *testing.T) {
	s, store := newRunService(t)
	store.runs = []Run{{ID: "r", AppID: "app", Type: "run", Ordinal: 1001, State: RunFailed, Attach: true, UserID: "ann", Reason: "no host takes it"}}
	if _, err := s.Open(t.Context(), ann, "shop", "r", OpenRequest{Kind: agent.Attach}, agent.IO{}); !IsID(err, ErrConflict) || !strings.Contains(err.Error(), "no host takes it") {
		t.Errorf("%v", err)
	}
}

func TestAwaitRun(t *testing.T) {
	s, store := newRunService(t)
	store.runs = []Run{{ID: "r", AppID: "app", Type: "run", Ordinal: 1001, State: RunRunning}}
	result := make(chan Run, 1)
	go func() { r, _ := s.AwaitRun(t.Context(), ann, "shop", "run.1001"); result <- r }()
	store.set(func() {})
	store.set(func() { store.runs[0].State, store.runs[0].ExitCode = RunFailed, 5 })
	if r := receive(t, result, "the end"); r.State != RunFailed || r.ExitCode != 5 {
		t.Errorf("%+v", r)
	}
	if _, err := s.AwaitRun(t.Context(), ann, "shop", "run.7"); !IsID(err, ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
	if _, err := s.AwaitRun(t.Context(), bob, "shop", "run.1001"); !IsID(err, ErrNotFound) {
		t.Errorf("a stranger: %v", err)
	}
}
