package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// Listen passes on notices until ctx ends. After each (re)connection it says
// NoticeAll: what was told while nobody listened is lost.
func (s *Store) Listen(ctx context.Context, fn func(topic string)) error {
	for ctx.Err() == nil {
		s.listen(ctx, fn)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *Store) listen(ctx context.Context, fn func(string)) {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return // the next caller of the store says so
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `listen paas`); err != nil {
		return
	}
	fn(server.NoticeAll)
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return
		}
		for topic := range strings.SplitSeq(n.Payload, " ") {
			fn(topic)
		}
	}
}
