package postgres

import (
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// eventRows are events that the platform itself writes, many at once: what
// people do goes through event, which writes it to the audit log too.
type eventRows struct{ apps, actors, kinds, texts []string }

func (e *eventRows) add(app, actor, kind, text string) {
	e.apps, e.actors = append(e.apps, app), append(e.actors, actor)
	e.kinds, e.texts = append(e.kinds, kind), append(e.texts, text)
}

func (e *eventRows) queue(b *pgx.Batch) {
	if len(e.apps) > 0 {
		b.Queue(`insert into events (app_id, actor, kind, text) select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])`,
			e.apps, e.actors, e.kinds, e.texts)
	}
}

// queueTouch is touch for many apps, and tells of topics beside.
func queueTouch(b *pgx.Batch, apps, topics []string) {
	b.Queue(`update apps set revision = revision + 1 where id = any($1::uuid[])`, apps)
	for _, id := range apps {
		topics = append(topics, server.AppTopic(id))
	}
	queueNotify(b, topics)
}

// queueNotify tells of each topic once, in this order.
func queueNotify(b *pgx.Batch, topics []string) {
	if len(topics) > 0 {
		b.Queue(`select pg_notify('paas', t) from unnest($1::text[]) with ordinality u (t, n) order by n`, payloads(topics))
	}
}

// mostPayload is what one notice of Postgres carries, in bytes.
const mostPayload = 7999

// payloads puts many topics into few notices, apart by spaces: all of a commit
// pass one queue, under one lock, and each wakes its listeners.
func payloads(topics []string) (list []string) {
	from, size := 0, 0
	for i, t := range topics {
		if i > from && size+1+len(t) > mostPayload {
			list = append(list, strings.Join(topics[from:i], " "))
			from, size = i, -1
		}
		size += 1 + len(t)
	}
	return append(list, strings.Join(topics[from:], " "))
}

// keys are in order, so that rows are always taken in the same one.
func keys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
