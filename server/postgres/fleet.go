package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"paas/server"
)

// JoinHost spends a token: whoever comes first with it is the host. The same
// token with the same key is the same agent, which has not got its answer.
func (s *Store) JoinHost(ctx context.Context, tokenHash []byte, j server.Join) (id, name string, err error) {
	refused := &server.Error{ID: server.ErrUnauthorized, Message: "The token is not known, has expired or was used. The machine has not joined.",
		Next: "Ask an admin for a new one: paas hosts:add NAME"}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var token, actor string
		var labels map[string]string
		var used bool
		err := tx.QueryRow(ctx, `select id::text, host, labels, actor, used_at is not null from host_tokens
			where hash = $1 and (used_at is not null or expires_at > now()) for update`, tokenHash).Scan(&token, &name, &labels, &actor, &used)
		if errors.Is(err, pgx.ErrNoRows) {
			return refused
		}
		if err != nil {
			return err
		}
		if used {
			err = tx.QueryRow(ctx, `select id::text from hosts where name = $1 and key_hash = $2`, name, j.Key).Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				return refused
			}
			return err
		}
		if _, err := tx.Exec(ctx, `update host_tokens set used_at = now() where id = $1`, token); err != nil {
			return err
		}
		if j.Former {
			id, err = s.succeed(ctx, tx, name, labels, j)
		} else {
			id, err = insertHost(ctx, tx, name, labels, j)
		}
		if err != nil {
			return err
		}
		return event(ctx, tx, "", "", actor, "host.joined", name)
	})
	return id, name, err
}

func insertHost(ctx context.Context, tx pgx.Tx, name string, labels map[string]string, j server.Join) (id string, err error) {
	err = tx.QueryRow(ctx, `insert into hosts (name, arch, milli_cpu, memory, labels, addr, agent, engine, key_hash, boot, findings, seen_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '-infinity') returning id::text`,
		name, j.Arch, j.MilliCPU, j.Memory, orEmpty(labels), j.Addr, j.Agent, j.Engine, j.Key, j.Boot, notNil(j.Findings)).Scan(&id)
	switch violates(err) {
	case "hosts_name_key":
		return "", &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("There is a host %s already. The machine has not joined.", name),
			Next: "If it is the machine of the former paas standalone, give its data directory: --standalone /var/lib/paas"}
	case "hosts_key":
		return "", server.Errorf(server.ErrConflict, "The machine has joined under another name already. Nothing was changed.")
	}
	return id, err
}

// succeed makes a machine the host that it was of a control plane by itself. Its
// volumes are there still; its dynos, which nobody else reaches where they are,
// start anew.
func (s *Store) succeed(ctx context.Context, tx pgx.Tx, name string, labels map[string]string, j server.Join) (id string, err error) {
	h, err := holdHost(ctx, tx, name)
	if err != nil && !server.IsID(err, server.ErrNotFound) {
		return "", err
	}
	err = tx.QueryRow(ctx, `update hosts set arch = $2, milli_cpu = $3, memory = $4, labels = labels || $5::jsonb, addr = $6, agent = $7, engine = $8, key_hash = $9,
			boot = $10, findings = $11, kept_cpu = least(kept_cpu, $3::bigint - 1), kept_memory = least(kept_memory, $4::bigint - 1)
		where id = $1 and not local and key_hash is null returning id::text`,
		uuidOf(h.ID), j.Arch, j.MilliCPU, j.Memory, orEmpty(labels), j.Addr, j.Agent, j.Engine, j.Key, j.Boot, notNil(j.Findings)).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", &server.Error{ID: server.ErrConflict, Message: fmt.Sprintf("%s is not the host that a paas standalone was, or that still runs. The machine has not joined.", name),
			Next: "See the name it had: paas hosts"}
	case violates(err) == "hosts_key":
		return "", server.Errorf(server.ErrConflict, "The machine has joined under another name already. Nothing was changed.")
	case err != nil:
		return "", err
	}
	if err := s.clearHost(ctx, tx, h); err != nil {
		return "", err
	}
	return id, notify(ctx, tx, server.HostTopic(id), server.NoticeAll)
}

// notNil is a list that JSON shows as one.
func notNil(list []server.Finding) []server.Finding {
	if list == nil {
		return []server.Finding{}
	}
	return list
}

func orEmpty(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}

// AnnounceHost notes what an agent says of its machine. Nothing is reserved
// beyond what is there.
func (s *Store) AnnounceHost(ctx context.Context, id string, j server.Join) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		had, err := one(ctx, tx, pgx.RowTo[string], "host", `select addr from hosts where id = $1 for update`, uuidOf(id))
		if err != nil {
			return err
		}
		if had != j.Addr && j.Addr != j.From.String() {
			return server.Errorf(server.ErrInvalid, "The address %s is neither %s, with which the host joined, nor %s, from which it comes. Nothing was changed; to give it another, join it anew.", j.Addr, had, j.From)
		}
		if _, err := tx.Exec(ctx, `update hosts set boot = $2, findings = case when $4 then findings else $3 end
			where id = $1 and (boot, findings) is distinct from ($2, case when $4 then findings else $3::jsonb end)`, uuidOf(id), j.Boot, notNil(j.Findings), j.Unexamined); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `update hosts set arch = $2, milli_cpu = $3, memory = $4, addr = $5, agent = $6, engine = $7,
				kept_cpu = least(kept_cpu, $3 - 1), kept_memory = least(kept_memory, $4 - 1)
			where id = $1 and (arch, milli_cpu, memory, addr, agent, engine) is distinct from ($2, $3, $4, $5, $6, $7)`,
			uuidOf(id), j.Arch, j.MilliCPU, j.Memory, j.Addr, j.Agent, j.Engine)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return notify(ctx, tx, server.NoticeAll)
	})
}

// HostByKey finds a host by its agent's key.
func (s *Store) HostByKey(ctx context.Context, keyHash []byte) (string, error) {
	return one(ctx, s.pool, pgx.RowTo[string], "host", `select id::text from hosts where key_hash = $1`, keyHash)
}

// HostExists gives ErrNotFound for a host that was removed.
func (s *Store) HostExists(ctx context.Context, id string) error {
	_, err := one(ctx, s.pool, pgx.RowTo[string], "host", `select id::text from hosts where id = $1`, uuidOf(id))
	return err
}

// RenewHostKey replaces the key; said again, it changes nothing.
func (s *Store) RenewHostKey(ctx context.Context, id string, from, to []byte) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update hosts set key_hash = $3 where id = $1 and key_hash in ($2, $3)`, uuidOf(id), from, to)
		if violates(err) == "hosts_key" {
			return server.Errorf(server.ErrConflict, "The key is another host's. Nothing was changed.")
		}
		if err == nil && tag.RowsAffected() == 0 {
			return notFound("host")
		}
		return err
	})
}

// Pulse writes beats and takes the census of who is heard of. It is short, and
// waits for no database that is away: the next one comes soon.
func (s *Store) Pulse(ctx context.Context, beats []server.HostBeat, lease time.Duration) (p server.Pulse, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if len(beats) > 0 {
			if err := writeBeats(ctx, tx, beats); err != nil {
				return fmt.Errorf("write beats: %w", err)
			}
		}
		if p.Back, err = welcome(ctx, tx, lease); err != nil {
			return fmt.Errorf("take hosts back: %w", err)
		}
		return census(ctx, tx, lease, &p)
	})
	if err != nil {
		return p, known(err)
	}
	p.Drained, err = s.endDrains(ctx)
	return p, err
}

// writeBeats is one statement however many hosts there are. A host whose engine
// does not answer takes nothing new for now, unless it is the only one: what
// waits for it may as well wait there. A time to come is of a clock that was set
// back, by so much: it would keep a host from being lost until then, and one that
// settles from taking anything.
func writeBeats(ctx context.Context, tx pgx.Tx, beats []server.HostBeat) error {
	slices.SortFunc(beats, func(a, b server.HostBeat) int { return strings.Compare(a.Host, b.Host) })
	ids, ages, engines := make([]string, len(beats)), make([]int64, len(beats)), make([]bool, len(beats))
	for i, b := range beats {
		ids[i], ages[i], engines[i] = uuidOf(b.Host), b.Age.Microseconds(), b.Engine
	}
	var fresh bool
	err := tx.QueryRow(ctx, `select exists (select 1 from hosts where id = any($1::uuid[])
			and (seen_at = '-infinity' or seen_at > now() and steady_at > now()))`, ids).Scan(&fresh)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update hosts h set seen_at = greatest(case when h.seen_at > now() then '-infinity' else h.seen_at end, now() - b.age * interval '1 microsecond'),
			steady_at = greatest(h.steady_at - case when h.seen_at > now() then h.seen_at - now() else interval '0' end,
				case when b.engine or not exists (select 1 from hosts where not local) then '-infinity' else now() + interval '2 s' end)
		from unnest($1::uuid[], $2::bigint[], $3::bool[]) as b (id, age, engine) where h.id = b.id and h.drill_until <= now()`, ids, ages, engines)
	if err != nil || !fresh {
		return err
	}
	return notify(ctx, tx, server.NoticeAll) // what waits for a host may be placed now
}

// welcome takes hosts back that are heard of again. Each loss that comes soon
// after the one before keeps a host empty for twice as long.
func welcome(ctx context.Context, tx pgx.Tx, lease time.Duration) ([]string, error) {
	return hostsOf(ctx, tx, `update hosts set state = 'ready',
			steady_at = greatest(steady_at, now() + least(interval '10 s' * power(2, least(losses, 10) - 1), interval '5 min'))
		where state = 'lost' and seen_at > now() - $1::interval returning id::text, name`, lease)
}

// hostsOf runs a statement that gives hosts by id and name, tells of them and of the
// apps that are on them, and gives the names.
func hostsOf(ctx context.Context, tx pgx.Tx, sql string, args ...any) (names []string, err error) {
	type host struct{ ID, Name string }
	list, err := many(ctx, tx, pgx.RowToStructByPos[host], sql, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ids := make([]string, len(list))
	for i, h := range list {
		ids[i], names = h.ID, append(names, h.Name)
	}
	return names, tellOf(ctx, tx, ids)
}

// tellOf wakes hosts and the apps that have something on them. The hosts come
// first: who hears of one knows which apps it concerns.
func tellOf(ctx context.Context, tx pgx.Tx, hosts []string) error {
	apps, err := many(ctx, tx, pgx.RowTo[string], `select distinct app_id::text from instances where host_id = any($1::uuid[])`, hosts)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	topics := make([]string, 0, len(hosts)+len(apps))
	for _, h := range hosts {
		topics = append(topics, server.HostTopic(h))
	}
	for _, id := range apps {
		topics = append(topics, server.AppTopic(id))
	}
	b := &pgx.Batch{}
	queueNotify(b, topics)
	return tx.SendBatch(ctx, b).Close()
}

// census counts a host as silent already at half of the lease: of machines that
// vanish together none is declared lost before it shows how many they are.
func census(ctx context.Context, tx pgx.Tx, lease time.Duration, p *server.Pulse) error {
	var next int64
	err := tx.QueryRow(ctx, `with c as (select id, local, state, now() - seen_at as age, drill_until > now() as drilled from hosts
			where seen_at > '-infinity' and not (state = 'lost' and lost_at < now() - $2::interval))
		select now(), count(*), count(*) filter (where not local), count(*) filter (where not local and age > $1::interval / 2),
			coalesce(array_agg(id::text) filter (where not local and age > $1::interval and state = 'ready'), '{}'),
			coalesce(array_agg(id::text) filter (where drilled), '{}'),
			coalesce(extract(epoch from min($1::interval - age) filter (where not local and age <= $1::interval and state = 'ready')) * 1000000, 0)::bigint
		from c`, lease, server.LossMemory).Scan(&p.Now, &p.Hosts, &p.Remote, &p.Silent, &p.Overdue, &p.Drilled, &next)
	p.Next = time.Duration(next) * time.Microsecond
	return err
}

// LoseHosts declares hosts lost. The leader's lease is held until it is done.
func (s *Store) LoseHosts(ctx context.Context, ids []string, lease time.Duration, epoch int64) (names []string, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := leads(ctx, tx, epoch); err != nil {
			return err
		}
		names, err = hostsOf(ctx, tx, `update hosts set state = 'lost', lost_at = now(),
				losses = case when now() < steady_at + $3::interval then losses + 1 else 1 end
			where id = any($1::uuid[]) and state = 'ready' and not local and seen_at < now() - $2::interval returning id::text, name`, ids, lease, server.LossMemory)
		return err
	})
	return names, known(err)
}
