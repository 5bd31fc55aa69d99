-- Hosts that joined, and what an operator says of them. A host is lost when it
-- has not been heard of for the lease's time, by the database's clock; its
-- instances are then replaced elsewhere, and what it still runs is stopped when
-- it is back, because no assignment names it any more.
-- A host that has joined and was never heard of has seen_at -infinity.
alter table hosts
  add state        text not null default 'ready' check (state in ('ready', 'lost')),
  add local        boolean not null default false, -- the control plane's own machine
  add cordoned     boolean not null default false, -- takes nothing new
  add draining     boolean not null default false, -- and what it has moves away, start-first
  add drain_until  timestamptz not null default 'infinity', -- then what is left is stopped
  add labels       jsonb not null default '{}',
  add addr         text not null default '', -- private address its instances are published on; '' for the local host
  add agent        text not null default '', -- version of its agent
  add engine       text not null default '', -- version of its Docker Engine
  add kept_cpu     bigint not null default 0 check (kept_cpu >= 0), -- milli-CPU that instances do not get
  add kept_memory  bigint not null default 0 check (kept_memory >= 0), -- bytes
  add key_hash     bytea, -- SHA-256 of the public key of its agent; null for the local host
  add lost_at      timestamptz,
  add steady_at    timestamptz not null default '-infinity', -- takes nothing new before: it came back from being lost
  add losses       integer not null default 0; -- in a row, each soon after the one before
update hosts set local = true; -- there were no others
create unique index hosts_key on hosts (key_hash);
-- seen_at is written twice a second: room in each page keeps that off the indexes.
alter table hosts set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- One command joins one host, once.
create table host_tokens (
  id         uuid primary key default gen_random_uuid(),
  hash       bytea not null unique check (length(hash) = 32),
  host       text not null, -- name it will have
  labels     jsonb not null default '{}',
  actor      text not null,
  expires_at timestamptz not null,
  used_at    timestamptz,
  created_at timestamptz not null default now()
);

create index host_tokens_host on host_tokens (host);

-- Who may do what only one may. epoch grows with every change of owner: what a
-- former owner still sends is told by it.
create table leases (
  name  text primary key,
  owner text not null,
  epoch bigint not null check (epoch > 0),
  until timestamptz not null
);

-- Where an app's instances may be.
alter table apps add placement jsonb not null default '{}';

-- What each host has promised is summed up for every plan, from this alone.
create index instances_reserved on instances (host_id) include (milli_cpu, memory) where state <> 'crashed';
