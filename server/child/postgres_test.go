package child

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "paas-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func startPostgres(t *testing.T, cfg PostgresConfig) (*Postgres, func()) {
	t.Helper()
	p, err := NewPostgres(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := runChild(t, p.Child)
	if err := p.WaitReady(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	return p, stop
}

func query(t *testing.T, dsn, sql string) string {
	t.Helper()
	ctx := within(t, 60*time.Second)
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var out string
	if err := conn.QueryRow(ctx, sql).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPostgresKeepsDataOverRestartAndKill(t *testing.T) {
	cfg := PostgresConfig{DataDir: filepath.Join(openDir(t), "postgres")}
	p, stop := startPostgres(t, cfg)
	exec1(t, p.DSN(), "CREATE TABLE t (n int)")
	exec1(t, p.DSN(), "INSERT INTO t VALUES (42)")
	for name, want := range map[string]string{
		"server_encoding": "UTF8", "fsync": "on", "synchronous_commit": "on", "listen_addresses": "", "max_connections": "50",
	} {
		if got := query(t, p.DSN(), "SELECT current_setting('"+name+"')"); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := query(t, p.DSN(), "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user"); got != "false" {
		t.Errorf("the platform's role is superuser: %s", got)
	}
	stop()

	p, _ = startPostgres(t, cfg)
	if got := query(t, p.DSN(), "SELECT n::text FROM t"); got != "42" {
		t.Fatalf("after a restart n = %s", got)
	}
	first := p.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL recovers", func() bool { return p.Up() && p.PID() != first })
	if got := query(t, p.DSN(), "SELECT n::text FROM t"); got != "42" {
		t.Fatalf("after a kill n = %s", got)
	}
}

func exec1(t *testing.T, dsn, sql string) {
	t.Helper()
	ctx := within(t, 60*time.Second)
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresLongDataDirAndForeignPidFile(t *testing.T) {
	dir := filepath.Join(openDir(t), strings.Repeat("long-", 20))
	cfg := PostgresConfig{DataDir: filepath.Join(dir, "postgres")}
	p, stop := startPostgres(t, cfg)
	if !strings.Contains(p.DSN(), "%2Frun%2Fpaas%2Fpostgres-") {
		t.Errorf("DSN = %s", p.DSN())
	}
	t.Cleanup(func() { _ = os.RemoveAll(shortRunDir("postgres", cfg.DataDir)) })
	stop()

	// A lock file with the pid of a living stranger, as after a power cut.
	lock := fmt.Sprintf("%d\n%s\n1\n5432\n/x\n\n  1 1\nready\n", os.Getpid(), cfg.DataDir)
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "postmaster.pid"), []byte(lock), 0o600); err != nil {
		t.Fatal(err)
	}
	startPostgres(t, cfg)
}

func TestPostgresOfAKilledParentMakesWay(t *testing.T) {
	cfg := PostgresConfig{DataDir: filepath.Join(openDir(t), "postgres")}
	old := killedParent(t, "postgres-parent", cfg.DataDir)
	p, _ := startPostgres(t, cfg)
	if got := query(t, p.DSN(), "SELECT 'up'"); got != "up" || alive(old) {
		t.Fatalf("query = %q, old alive = %v", got, alive(old))
	}
}

func TestPostgresRefusals(t *testing.T) {
	dir := openDir(t)
	write := func(name, file, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		cfg  PostgresConfig
		want string
	}{
		"relative":      {PostgresConfig{DataDir: "x"}, "absolute"},
		"other version": {PostgresConfig{DataDir: write("old", "PG_VERSION", "9\n")}, "made by PostgreSQL 9"},
		"foreign files": {PostgresConfig{DataDir: write("foreign", "notes.txt", "x")}, "not empty"},
		"no programs":   {PostgresConfig{DataDir: filepath.Join(dir, "a"), BinDirs: []string{dir}}, "apt-get install postgresql"},
		"long socket":   {PostgresConfig{DataDir: filepath.Join(dir, "b"), SocketDir: "/" + strings.Repeat("s", 100)}, "107 bytes"},
		"closed parent": {PostgresConfig{DataDir: filepath.Join(closed, "c")}, "chmod o+x " + closed},
		"unknown user":  {PostgresConfig{DataDir: filepath.Join(dir, "d"), User: "nobody-of-that-name"}, "useradd"},
		"root":          {PostgresConfig{DataDir: filepath.Join(dir, "e"), User: "root"}, "unprivileged"},
	} {
		_, err := NewPostgres(t.Context(), tc.cfg, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: err = %v, want %q", what, err, tc.want)
		}
	}
}

func TestPostgresSocketTakenIsClear(t *testing.T) {
	dir := openDir(t)
	first := PostgresConfig{DataDir: filepath.Join(dir, "one"), SocketDir: filepath.Join(dir, "s")}
	startPostgres(t, first)
	p, err := NewPostgres(t.Context(), PostgresConfig{DataDir: filepath.Join(dir, "two"), SocketDir: first.SocketDir},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runChild(t, p.Child)
	err = p.WaitReady(within(t, time.Minute))
	if err == nil || !strings.Contains(err.Error(), "another PostgreSQL works on this data directory or socket") {
		t.Fatalf("err = %v", err)
	}
	if conn, err := net.Dial("unix", filepath.Join(first.SocketDir, ".s.PGSQL."+pgPort)); err != nil {
		t.Errorf("the first server's socket was harmed: %v", err)
	} else if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
