// Package postgres is the store: every change of state is one transaction
// that checks what it found, writes its event and tells listeners.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"paas/migrations"
	"paas/server"
)

// Config says where the database is.
type Config struct {
	DSN   string        // libpq keywords or URL
	Sizes []server.Size // presets that formations name
	Lease time.Duration // of a deploy's worker; renewed three times as often
	// Server is the id of the server whose store it is.
	Server string
}

// Store implements server.Store.
type Store struct {
	pool  *pgxpool.Pool
	repos *pgxpool.Pool // for repositories
	// repoWrites has a place for each that may be written at once.
	repoWrites chan struct{}
	dsn        string
	server     string
	lease      time.Duration
	sizes      []server.Size

	reports  *combiner[reported, []server.Transition]
	assigned *combiner[string, []server.Placed]
	news     *combiner[newsOf, server.AssignedNews]
	heldMu   sync.Mutex
	held     map[string]held // by release
}

var _ server.Store = (*Store)(nil)

// Open connects and migrates; it waits for a database that is starting until
// ctx ends.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	pc, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("database address: %w", err)
	}
	pc.MaxConns = 12
	pc.MinConns = 2
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	pc.ConnConfig.RuntimeParams["application_name"] = "paas"
	pc.ConnConfig.RuntimeParams["statement_timeout"] = "30000"
	pc.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60000"
	// A plan that was kept from when a table was small reads all of it when it
	// is large, until statistics are next taken.
	pc.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	// What is asked for is a few rows of many, and is in memory or on a disk that
	// seeks for nothing: reading a whole table instead is what gets slow with it.
	pc.ConnConfig.RuntimeParams["random_page_cost"] = "1.1"
	pc.AfterConnect = takeUUIDs
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	pc = pc.Copy()
	pc.MaxConns, pc.MinConns = 4, 0
	repos, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("database: %w", err)
	}
	s := &Store{pool: pool, repos: repos, dsn: cfg.DSN, lease: cfg.Lease, server: cfg.Server, sizes: cfg.Sizes, repoWrites: make(chan struct{}, 2), held: map[string]held{}}
	s.reports = newCombiner(s.report, func(r reported) int { return len(r.list) }, reportRound)
	s.assigned = newCombiner(s.assignedTo, nil, assignedRound)
	s.news = newCombiner(s.assignedNews, nil, assignedRound)
	if err := s.migrate(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) migrate(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.dsn)
		if err == nil {
			err = migrations.Up(ctx, conn)
			conn.Close(context.WithoutCancel(ctx))
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("database is not reachable: %w", err)
		}
	}
}

// Close ends all connections, and waits for who uses them.
func (s *Store) Close() {
	s.reports.close()
	s.assigned.close()
	s.news.close()
	s.repos.Close()
	s.pool.Close()
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// patience is how long a call waits for a database that is away before it
// says so: a restart takes less.
const patience = 10 * time.Second

// inTx runs fn in one transaction; an error rolls it back. It waits for the
// database to begin, and never runs fn twice: whether a broken commit took
// place is not known here.
func (s *Store) inTx(ctx context.Context, fn func(pgx.Tx) error) error {
	return inTx(ctx, s.pool, fn)
}

func inTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	var tx pgx.Tx
	err := server.Patiently(ctx, patience, func() (err error) {
		tx, err = pool.Begin(ctx)
		return known(err)
	})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after a commit there is nothing to roll back
	if err := fn(tx); err != nil {
		return known(err)
	}
	return known(tx.Commit(ctx))
}

// known makes an error of the connection one for people.
func known(err error) error {
	var pg *pgconn.PgError
	var told *server.Error
	const next = "On the server: paas doctor"
	switch {
	case err == nil, errors.As(err, &told), errors.Is(err, pgx.ErrNoRows), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &pg):
		switch pg.Code {
		case pgerrcode.AdminShutdown, pgerrcode.CrashShutdown, pgerrcode.CannotConnectNow, pgerrcode.TooManyConnections, pgerrcode.DiskFull:
			return &server.Error{ID: server.ErrUnavailable, Transient: true, Next: next, Message: "The database (Postgres) takes no work now (" + pg.Message + "); nothing was changed."}
		}
		return err
	case pgconn.SafeToRetry(err), errors.As(err, new(*pgconn.ConnectError)):
		return &server.Error{ID: server.ErrUnavailable, Transient: true, Next: next, Message: "The database (Postgres) is not reachable; nothing was changed."}
	case errors.As(err, new(net.Error)), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		// Sent, and no answer: it may have been done.
		return &server.Error{ID: server.ErrUnavailable, Transient: true, Next: next, Message: "The connection to the database (Postgres) broke; see whether the change was made before you repeat it."}
	}
	return err
}

// violates says which constraint an error broke, "" when none.
func violates(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code[:2] == "23" {
		return pg.ConstraintName
	}
	return ""
}

// notify tells listeners when the transaction commits.
func notify(ctx context.Context, tx pgx.Tx, topics ...string) error {
	for _, t := range topics {
		if _, err := tx.Exec(ctx, `select pg_notify('paas', $1)`, t); err != nil {
			return fmt.Errorf("notify: %w", err)
		}
	}
	return nil
}

// touch makes plans made before this transaction stale and wakes the loop.
func touch(ctx context.Context, tx pgx.Tx, appID string) error {
	if _, err := tx.Exec(ctx, `update apps set revision = revision + 1 where id = $1`, appID); err != nil {
		return err
	}
	return notify(ctx, tx, server.AppTopic(appID))
}

func event(ctx context.Context, tx pgx.Tx, appID, deployID, actor, kind, text string) error {
	_, err := tx.Exec(ctx, `insert into events (app_id, deploy_id, actor, kind, text)
		values (nullif($1, '')::uuid, nullif($2, '')::uuid, $3, $4, $5)`, appID, deployID, actor, kind, text)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return audit(ctx, tx, appID, kind, text)
}

// audit writes down what a person did. The platform's own work, which has no
// identity in its context, is in the events alone.
func audit(ctx context.Context, tx pgx.Tx, appID, kind, text string) error {
	a, ok := server.ActorOf(ctx)
	if !ok {
		return nil
	}
	_, err := tx.Exec(ctx, `insert into audit (actor, account_id, token_id, via, remote, app_id, app, kind, text)
		values ($1, $2, nullif($3, '')::uuid, $4, $5, nullif($6, '')::uuid, coalesce((select name from apps where id = nullif($6, '')::uuid), ''), $7, $8)`,
		a.Email, a.ID, cmp.Or(a.Token, a.Session), a.Via, a.From, appID, kind, text)
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

func notFound(what string) error {
	return server.Errorf(server.ErrNotFound, "Couldn't find that %s.", what)
}

// one gives the single row of a query, or not found.
func one[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], what, sql string, args ...any) (T, error) {
	list, err := many(ctx, q, scan, sql, args...)
	switch {
	case err == nil && len(list) == 0:
		return *new(T), notFound(what)
	case err == nil && len(list) > 1:
		return *new(T), fmt.Errorf("%d rows for one %s", len(list), what)
	case err != nil:
		return *new(T), err
	}
	return list[0], nil
}

// many gives the rows of a query. Outside a transaction, where it only reads,
// it waits for a database that is away.
func many[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) (list []T, err error) {
	wait := patience
	if _, inside := q.(pgx.Tx); inside {
		wait = 0
	}
	err = server.Patiently(ctx, wait, func() error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return known(err)
		}
		list, err = pgx.CollectRows(rows, scan)
		return known(err)
	})
	return list, err
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// uuidOf is the argument for a uuid column: anything else matches no row.
func uuidOf(s string) string {
	if len(s) != 36 {
		return "00000000-0000-0000-0000-000000000000"
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return "00000000-0000-0000-0000-000000000000"
		}
	}
	return s
}

// limit is how many rows a page may give.
func limit(p server.Page) int {
	if p.Max <= 0 || p.Max > 1000 {
		return 1000
	}
	return p.Max
}
