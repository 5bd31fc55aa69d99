package child

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The private cluster: one role without special rights that owns one database
// of the same name. The superuser is "postgres" and is for the operator.
const (
	pgRole      = "paas"
	pgSuperuser = "postgres"
	pgPort      = "5432" // only part of the socket's name; nothing listens on TCP
)

// PostgresConfig says where the private PostgreSQL lives.
type PostgresConfig struct {
	DataDir string // absolute; made by initdb when missing
	// SocketDir holds the unix socket and is made when missing. Empty means
	// "postgres-socket" beside DataDir or, when that is too long for a socket's
	// name, a directory below /run/paas.
	SocketDir string
	// User runs the server, as PostgreSQL refuses root. Empty means "postgres",
	// or "nobody" where that does not exist. Ignored when the caller is not root.
	User string
	// BinDirs are searched for the server's programs. Empty means the places of
	// the distributions, newest version first.
	BinDirs []string
}

// Postgres is a supervised private PostgreSQL.
type Postgres struct {
	*Child
	dsn string
}

// DSN connects as the platform's role to its database, over the unix socket.
// It works for processes of the user that made it only.
func (p *Postgres) DSN() string { return p.dsn }

// postgres holds what the steps of setting up share.
type postgres struct {
	cfg  PostgresConfig
	bin  string // directory of the programs
	user account
	log  *slog.Logger
}

// NewPostgres finds the programs, makes the data directory on first use and
// returns the child that runs the server. It starts nothing that outlives it.
func NewPostgres(ctx context.Context, cfg PostgresConfig, log *slog.Logger) (*Postgres, error) {
	p, err := preparePostgres(ctx, cfg, log)
	if err != nil {
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	c, err := New(Spec{
		Name:       "postgres",
		Path:       filepath.Join(p.bin, "postgres"),
		Args:       p.args(),
		Env:        []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "TZ=UTC"},
		Dir:        p.cfg.DataDir,
		Credential: p.user.credential(),
		Prepare:    p.prepare,
		Ready:      p.ready,
		Explain:    explainPostgres,
		StopSignal: syscall.SIGINT, // "fast": ends sessions, then shuts down in order
	}, log)
	if err != nil {
		return nil, err
	}
	return &Postgres{Child: c, dsn: p.dsn()}, nil
}

func preparePostgres(ctx context.Context, cfg PostgresConfig, log *slog.Logger) (*postgres, error) {
	if !filepath.IsAbs(cfg.DataDir) {
		return nil, fmt.Errorf("the data directory %q is not an absolute path", cfg.DataDir)
	}
	cfg.DataDir = filepath.Clean(cfg.DataDir)
	user, err := serverAccount(cfg.User)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.DataDir), 0o711); err != nil {
		return nil, err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(cfg.DataDir))
	if err != nil {
		return nil, err
	}
	cfg.DataDir = filepath.Join(parent, filepath.Base(cfg.DataDir))
	if err := user.canReach(parent); err != nil {
		return nil, err
	}
	major, err := dataVersion(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	bin, err := findServer(cfg.BinDirs, major)
	if err != nil {
		return nil, err
	}
	if cfg.SocketDir, err = socketDir(cfg.SocketDir, cfg.DataDir); err != nil {
		return nil, err
	}
	p := &postgres{cfg: cfg, bin: bin, user: user, log: log}
	if major == "" {
		if err := p.initialize(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// args are the settings: small, and durable, because an acknowledged release
// must not be lost.
func (p *postgres) args() []string {
	args := []string{"-D", p.cfg.DataDir}
	for _, kv := range []string{
		"listen_addresses=", "port=" + pgPort,
		"unix_socket_directories=" + strings.ReplaceAll(p.cfg.SocketDir, ",", `\,`),
		"unix_socket_permissions=0700", "cluster_name=paas",
		"shared_buffers=128MB", "max_connections=50", "huge_pages=off", "jit=off",
		"fsync=on", "synchronous_commit=on", "full_page_writes=on",
		"min_wal_size=32MB", "max_wal_size=256MB",
		"max_parallel_workers_per_gather=0", "timezone=UTC", "log_timezone=UTC",
		"logging_collector=off", "log_destination=stderr", "log_checkpoints=off", "log_line_prefix=",
	} {
		args = append(args, "-c", kv)
	}
	return args
}

func (p *postgres) dsn() string {
	q := url.Values{"host": {p.cfg.SocketDir}, "port": {pgPort}}
	return "postgres://" + pgRole + "@/" + pgRole + "?" + q.Encode()
}

// prepare makes the way free for a new postmaster: the socket's directory, the
// rules of access, and no server of an earlier start.
func (p *postgres) prepare(ctx context.Context) error {
	if err := p.makeSocketDir(); err != nil {
		return fmt.Errorf("make the socket's directory: %w", err)
	}
	if err := p.writeAccess(p.cfg.DataDir); err != nil {
		return fmt.Errorf("write the rules of access: %w", err)
	}
	return p.clearOld(ctx)
}

func (p *postgres) makeSocketDir() error {
	if err := os.MkdirAll(filepath.Dir(p.cfg.SocketDir), 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(p.cfg.SocketDir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := p.user.canReach(filepath.Dir(p.cfg.SocketDir)); err != nil {
		return err
	}
	return p.user.own(p.cfg.SocketDir, 0o700)
}

// clearOld waits for every process of an old server on this data directory.
// The platform holds the lock on its own directory, so whoever runs here is
// left over from a parent that was killed, and was told to stop then.
func (p *postgres) clearOld(ctx context.Context) error {
	running := func() []int { return processesIn(p.cfg.DataDir, "postgres") }
	none := func() bool { return len(running()) == 0 }
	if none() {
		return p.removeStalePid()
	}
	p.log.Info("waiting for the PostgreSQL of an earlier start to shut down", "pids", running())
	for _, step := range []struct {
		sig  syscall.Signal
		wait time.Duration
	}{{0, 3 * time.Second}, {syscall.SIGINT, 15 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}} {
		if pid := p.postmaster(running()); pid > 0 && step.sig != 0 {
			if err := syscall.Kill(pid, step.sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop the PostgreSQL of an earlier start (pid %d): %w", pid, err)
			}
		}
		if waitGone(ctx, step.wait, none) {
			return p.removeStalePid()
		}
	}
	return fmt.Errorf("another PostgreSQL (pids %v) works on %s and does not stop; nothing was changed; stop it by hand",
		running(), p.cfg.DataDir)
}

// postmaster is the one of pids that postmaster.pid names, else 0.
func (p *postgres) postmaster(pids []int) int {
	lines := p.pidLines()
	for _, pid := range pids {
		if len(lines) > 0 && lines[0] == strconv.Itoa(pid) {
			return pid
		}
	}
	return 0
}

// removeStalePid removes the lock file of a server that was killed. PostgreSQL
// does that itself, but not when another process has got the pid meanwhile.
// No process works in the directory any more, which is what the file guards.
func (p *postgres) removeStalePid() error {
	err := os.Remove(filepath.Join(p.cfg.DataDir, "postmaster.pid"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the stale lock file: %w", err)
	}
	return nil
}

func (p *postgres) pidLines() []string {
	raw, err := os.ReadFile(filepath.Join(p.cfg.DataDir, "postmaster.pid"))
	if err != nil {
		return nil
	}
	lines := strings.Split(string(raw), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

// ready reads the status that the postmaster keeps in line 8 of its lock file,
// as pg_ctl does.
func (p *postgres) ready(ctx context.Context, pid int) error {
	const statusLine = 7
	isReady := func() bool {
		lines := p.pidLines()
		return len(lines) > statusLine && lines[0] == strconv.Itoa(pid) && lines[statusLine] == "ready"
	}
	if waitGone(ctx, defaultReadyTimeout, isReady) {
		return nil
	}
	return fmt.Errorf("it did not finish starting (is it recovering from a crash?): %w", context.Cause(ctx))
}

// explainPostgres turns the usual reasons into advice.
func explainPostgres(lines []string) string {
	text := strings.Join(lines, "\n")
	for _, known := range []struct{ sign, advice string }{
		{"No space left on device", "the disk is full; free some space, PostgreSQL then starts by itself"},
		{"could not create lock file", "the socket's directory cannot be written by the server's user"},
		{"nother postmaster", "another PostgreSQL works on this data directory or socket"},
		{"could not bind Unix", "the socket's name is taken by another PostgreSQL"},
		{"database files are incompatible", "the data directory was made by another version of PostgreSQL"},
		{"could not map anonymous shared memory", "there is not enough memory"},
		{"could not locate a valid checkpoint record", "the data directory is damaged; restore it from a backup"},
	} {
		if strings.Contains(text, known.sign) {
			return known.advice
		}
	}
	return ""
}
