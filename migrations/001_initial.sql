-- People and how they prove themselves.
create table accounts (
  id         uuid primary key default gen_random_uuid(),
  email      text not null check (length(email) between 3 and 254),
  name       text not null default '',
  admin      boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index accounts_email on accounts (lower(email));

create table keys (
  id          uuid primary key default gen_random_uuid(),
  account_id  uuid not null references accounts on delete cascade,
  fingerprint text not null unique,
  public_key  text not null,
  comment     text not null default '',
  created_at  timestamptz not null default now()
);
create index keys_account on keys (account_id);

-- Only the SHA-256 of a token's secret is kept: it is random, so a slow hash adds nothing.
create table tokens (
  id          uuid primary key default gen_random_uuid(),
  account_id  uuid not null references accounts on delete cascade,
  hash        bytea not null unique check (length(hash) = 32),
  description text not null default '',
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now()
);
create index tokens_account on tokens (account_id);

-- Network slots are given out in turn.
create sequence app_slots minvalue 0 start 0;

-- revision grows with every change of what runs: a plan is committed only
-- against the revision it was made from.
create table apps (
  id              uuid primary key default gen_random_uuid(),
  name            text not null unique check (name ~ '^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$'),
  owner_id        uuid not null references accounts,
  slot            integer not null unique check (slot >= 0),
  data_key        bytea not null,
  current_release uuid,
  last_version    integer not null default 0,
  revision        bigint not null default 0,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  released_at     timestamptz
);
create index apps_owner on apps (owner_id);

create table builds (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps on delete cascade,
  user_id    uuid not null references accounts,
  commit     text not null,
  status     text not null default 'pending' check (status in ('pending', 'succeeded', 'failed')),
  image      jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (status <> 'succeeded' or image is not null)
);
create index builds_app on builds (app_id, created_at desc);

create table releases (
  id          uuid primary key default gen_random_uuid(),
  app_id      uuid not null references apps on delete cascade,
  version     integer not null check (version > 0),
  status      text not null default 'pending' check (status in ('pending', 'succeeded', 'failed')),
  description text not null,
  reason      text not null default '',
  user_id     uuid not null references accounts,
  build_id    uuid references builds,
  commit      text not null default '',
  image       jsonb,
  processes   jsonb not null default '{}',
  config      bytea not null,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  unique (app_id, version)
);
alter table apps add foreign key (current_release) references releases deferrable initially deferred;

-- A release is immutable: only its outcome is written, once.
create function releases_are_immutable() returns trigger language plpgsql as $$
begin
  if (new.id, new.app_id, new.version, new.description, new.user_id, new.build_id, new.commit,
      new.image, new.processes, new.config, new.created_at)
     is distinct from
     (old.id, old.app_id, old.version, old.description, old.user_id, old.build_id, old.commit,
      old.image, old.processes, old.config, old.created_at) then
    raise exception 'release v% is immutable', old.version;
  end if;
  if old.status <> 'pending' and new.status <> old.status then
    raise exception 'release v% already %', old.version, old.status;
  end if;
  return new;
end $$;
create trigger releases_immutable before update on releases
  for each row execute function releases_are_immutable();

create table formations (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps on delete cascade,
  type       text not null,
  quantity   integer not null check (quantity between 0 and 1000),
  size       text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (app_id, type)
);

-- The states and what may follow what mirror server/deploy.go.
create table deploys (
  id          uuid primary key default gen_random_uuid(),
  app_id      uuid not null references apps on delete cascade,
  seq         bigint generated always as identity,
  kind        text not null check (kind in ('push', 'config', 'rollback')),
  state       text not null default 'queued' check (state in
                ('queued', 'building', 'releasing', 'rolling', 'live', 'failed', 'cancelled', 'superseded')),
  stage       text not null default '',
  reason      text not null default '',
  user_id     uuid not null references accounts,
  description text not null default '',
  build_id    uuid references builds,
  release_id  uuid references releases,
  source_id   uuid references releases,
  patch       bytea,
  ref         text not null default '',
  old_commit  text not null default '',
  commit      text not null default '',
  ref_moved   boolean not null default false,
  attempts    integer not null default 0,
  owner       text not null default '',
  lease_until timestamptz not null default '-infinity',
  deadline_at timestamptz not null default 'infinity',
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  check (state not in ('rolling', 'live') or release_id is not null),
  check (kind <> 'push' or (ref <> '' and commit <> '')),
  check (state <> 'failed' or (stage <> '' and reason <> ''))
);
-- One build and one rollout an app at a time, whatever the code believes.
create unique index deploys_one_build on deploys (app_id) where state = 'building';
create unique index deploys_one_rollout on deploys (app_id) where state in ('releasing', 'rolling');
create unique index deploys_one_queued_push on deploys (app_id) where state = 'queued' and kind = 'push';
create index deploys_open on deploys (seq)
  where state in ('queued', 'building', 'releasing', 'rolling') or (state = 'live' and kind = 'push' and not ref_moved);
create index deploys_app on deploys (app_id, seq desc);

create function deploys_follow_the_table() returns trigger language plpgsql as $$
begin
  if new.state = old.state or (old.state, new.state) in (
    ('queued', 'building'), ('queued', 'releasing'), ('queued', 'failed'), ('queued', 'cancelled'), ('queued', 'superseded'),
    ('building', 'releasing'), ('building', 'failed'), ('building', 'cancelled'),
    ('releasing', 'rolling'), ('releasing', 'live'), ('releasing', 'failed'), ('releasing', 'cancelled'),
    ('rolling', 'live'), ('rolling', 'failed'), ('rolling', 'cancelled')) then
    return new;
  end if;
  raise exception 'deploy % cannot go from % to %', old.id, old.state, new.state;
end $$;
create trigger deploys_states before update on deploys
  for each row execute function deploys_follow_the_table();

create table deploy_output (
  deploy_id uuid not null references deploys on delete cascade,
  seq       bigint generated always as identity,
  chunk     bytea not null,
  primary key (deploy_id, seq)
);

create table hosts (
  id         uuid primary key default gen_random_uuid(),
  name       text not null unique,
  arch       text not null,
  milli_cpu  bigint not null check (milli_cpu > 0),
  memory     bigint not null check (memory > 0),
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now()
);

create table instances (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps on delete cascade,
  release_id uuid not null references releases,
  type       text not null,
  ordinal    integer not null check (ordinal > 0),
  size       text not null,
  memory     bigint not null,
  milli_cpu  bigint not null,
  host_id    uuid references hosts,
  state      text not null check (state in ('pending', 'assigned', 'starting', 'up', 'draining', 'stopping', 'crashed')),
  replace    boolean not null default false,
  addr       text not null default '',
  reason     text not null default '',
  exit_code  integer not null default 0,
  crashes    integer not null default 0,
  not_before timestamptz not null default '-infinity',
  up_at      timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (state = 'pending' or host_id is not null),
  check (state <> 'up' or up_at is not null)
);
-- No two instances of one release claim one name, unless one of them is going.
create unique index instances_slot on instances (app_id, release_id, type, ordinal)
  where not replace and state in ('pending', 'assigned', 'starting', 'up', 'crashed');
create index instances_app on instances (app_id);
create index instances_host on instances (host_id);

create table events (
  id        bigint generated always as identity primary key,
  app_id    uuid references apps on delete cascade,
  deploy_id uuid,
  actor     text not null,
  kind      text not null,
  text      text not null,
  at        timestamptz not null default now()
);
create index events_app on events (app_id, id desc);

-- What the installation knows of itself, one value a name.
create table settings (
  name  text primary key,
  value bytea not null
);
