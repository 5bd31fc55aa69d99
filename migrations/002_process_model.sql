-- Tokens say what they may be used for.
alter table tokens
  add kind text not null default 'login' check (kind in ('login', 'api', 'ssh')),
  add scopes text[] not null default '{}' check (scopes <@ array['global', 'read', 'write', 'identity']),
  add last_used_at timestamptz,
  add updated_at timestamptz not null default now(); -- when its secret was last replaced

-- An account that was removed keeps its row for what it did; its e-mail may be
-- used anew.
alter table accounts add removed_at timestamptz;
drop index accounts_email;
create unique index accounts_email on accounts (lower(email)) where removed_at is null;

-- Nothing is given to an account that is being removed: the lock waits for the
-- removal and then sees it. The argument is the column that names the account.
create function account_is_there() returns trigger language plpgsql as $$
begin
  perform from accounts where id = (to_jsonb(new) ->> tg_argv[0])::uuid and removed_at is null for share;
  if not found then
    raise foreign_key_violation using message = 'the account was removed', constraint = 'account_is_there';
  end if;
  return new;
end $$;
create trigger keys_account_there before insert or update of account_id on keys
  for each row execute function account_is_there('account_id');
create trigger tokens_account_there before insert or update of account_id on tokens
  for each row execute function account_is_there('account_id');
create trigger apps_owner_there before insert or update of owner_id on apps
  for each row execute function account_is_there('owner_id');

-- Who may do what with whose app. The owner and admins may do everything.
create table collaborators (
  id          uuid not null unique default gen_random_uuid(),
  app_id      uuid not null references apps on delete cascade,
  account_id  uuid not null references accounts on delete cascade,
  permissions text[] not null check (permissions <@ array['view', 'deploy', 'operate', 'manage'] and 'view' = any (permissions)),
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  primary key (app_id, account_id)
);
create index collaborators_account on collaborators (account_id);
create trigger collaborators_account_there before insert or update of account_id on collaborators
  for each row execute function account_is_there('account_id');

-- An account that is to be; the code is shown once and kept as its SHA-256.
create table invitations (
  id          uuid primary key default gen_random_uuid(),
  hash        bytea not null unique check (length(hash) = 32),
  email       text not null,
  app_id      uuid references apps on delete cascade,
  permissions text[] not null default '{}',
  invited_by  uuid not null references accounts on delete cascade,
  expires_at  timestamptz not null,
  accepted_at timestamptz,
  created_at  timestamptz not null default now()
);
create index invitations_app on invitations (app_id);

-- Who did what from where: rows are only ever added. It outlives apps and
-- accounts, so it holds their names and refers to none.
create table audit (
  id         bigint generated always as identity primary key,
  at         timestamptz not null default now(),
  actor      text not null,
  account_id uuid not null,
  token_id   uuid,
  via        text not null,
  remote     text not null default '',
  app_id     uuid,
  app        text not null default '',
  kind       text not null,
  text       text not null
);
create index audit_app on audit (app_id, id desc);

-- The hash of each row over the one before it, written at commit: a row taken
-- out or altered shows (audit:verify).
create table audit_chain (
  seq      bigint generated always as identity primary key,
  audit_id bigint not null unique references audit,
  hash     bytea not null
);
create function audit_row_hash(prev bytea, a audit) returns bytea language sql immutable as $$
  select sha256(prev || convert_to(jsonb_build_array(a.id, extract(epoch from a.at), a.actor, a.account_id, a.token_id,
    a.via, a.remote, a.app_id, a.app, a.kind, a.text)::text, 'UTF8'))
$$;
create function audit_link() returns trigger language plpgsql as $$
declare prev bytea;
begin
  -- At the very end of a transaction, so nobody waits for other locks behind it.
  perform pg_advisory_xact_lock(hashtext('paas.audit'));
  select hash into prev from audit_chain order by seq desc limit 1;
  insert into audit_chain (audit_id, hash) values (new.id, audit_row_hash(coalesce(prev, ''), new));
  return null;
end $$;
create constraint trigger audit_chained after insert on audit
  deferrable initially deferred for each row execute function audit_link();
create function only_added() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % are only ever added', tg_table_name;
end $$;
create trigger audit_only_added before update or delete or truncate on audit
  for each statement execute function only_added();
create trigger audit_chain_only_added before update or delete or truncate on audit_chain
  for each statement execute function only_added();

alter table apps
  add maintenance   boolean not null default false,
  add locked        boolean not null default false,
  add settings      jsonb not null default '{}',
  add last_run      integer not null default 1000,  -- one-offs are run.1001, …
  add post_deployed boolean not null default false; -- app.json's postdeploy has had its turn

create table domains (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps on delete cascade,
  hostname   text not null unique,
  created_at timestamptz not null default now()
);
create index domains_app on domains (app_id);

-- What the commit's Procfile and app.json say.
alter table builds add manifest jsonb not null default '{}';
alter table releases
  add crons jsonb not null default '[]',
  add files bytea; -- sealed: path → content
create or replace function releases_are_immutable() returns trigger language plpgsql as $$
begin
  if (new.id, new.app_id, new.version, new.description, new.user_id, new.build_id, new.commit,
      new.image, new.processes, new.config, new.crons, new.files, new.created_at)
     is distinct from
     (old.id, old.app_id, old.version, old.description, old.user_id, old.build_id, old.commit,
      old.image, old.processes, old.config, old.crons, old.files, old.created_at) then
    raise exception 'release v% is immutable', old.version;
  end if;
  if old.status <> 'pending' and new.status <> old.status then
    raise exception 'release v% already %', old.version, old.status;
  end if;
  return new;
end $$;
alter table deploys drop constraint deploys_kind_check,
  add check (kind in ('push', 'config', 'rollback', 'retry'));

-- Changes of config that wait for the next release (config:set --no-restart).
-- A release takes them with it: they are gone once it serves, and wait again
-- when it fails.
create table staged_config (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps on delete cascade,
  seq        bigint generated always as identity,
  patch      bytea not null, -- sealed
  actor      text not null,
  deploy_id  uuid references deploys on delete cascade, -- whose release took it
  updated_at timestamptz not null default now()
);
create index staged_config_app on staged_config (app_id, seq);
create index staged_config_deploy on staged_config (deploy_id);

-- Releases go with their app and never alone.
create function releases_are_kept() returns trigger language plpgsql as $$
begin
  if exists (select from apps where id = old.app_id and current_release is not null) then
    raise exception 'release v% belongs to an app that exists', old.version;
  end if;
  return old;
end $$;
create trigger releases_kept before delete on releases
  for each row execute function releases_are_kept();

-- Commands of app.json that run by the clock. One that left the app stays for
-- its history.
create table crons (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps on delete cascade,
  command    text not null,
  schedule   text not null,
  timezone   text not null default 'UTC',
  policy     text not null default 'allow' check (policy in ('allow', 'forbid', 'replace')),
  active     boolean not null default true,
  suspended  boolean not null default false,
  next_at    timestamptz not null,
  created_at timestamptz not null default now(),
  unique (app_id, command, schedule, timezone)
);
create index crons_due on crons (next_at) where active and not suspended;

-- One-off instances and how they ended. While one lives it has an instance of
-- the same id; the run stays as history.
create table runs (
  id         uuid primary key,
  app_id     uuid not null references apps on delete cascade,
  release_id uuid not null references releases,
  type       text not null check (type in ('run', 'release', 'postdeploy', 'scheduler')),
  ordinal    integer not null,
  command    text not null,
  argv       jsonb not null,
  env        bytea, -- sealed: additions to the config
  size       text not null,
  attach     boolean not null default false,
  tty        boolean not null default false,
  user_id    uuid references accounts,
  cron_id    uuid references crons on delete cascade,
  tick       timestamptz,
  state      text not null default 'pending' check (state in ('pending', 'running', 'succeeded', 'failed', 'stopped')),
  exit_code  integer,
  reason     text not null default '',
  time_limit interval,
  held_until timestamptz, -- attached: its client was there until then
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at   timestamptz,
  unique (app_id, ordinal),
  check (attach = (held_until is not null)),
  check ((state in ('succeeded', 'failed', 'stopped')) = (ended_at is not null))
);
create unique index runs_one_release on runs (release_id) where type = 'release';
create unique index runs_one_postdeploy on runs (app_id) where type = 'postdeploy';
create unique index runs_one_tick on runs (cron_id, tick) where tick is not null;
create index runs_app on runs (app_id, created_at desc);
create index runs_cron on runs (cron_id, created_at desc) where cron_id is not null;
create index runs_open on runs (app_id) where state in ('pending', 'running');

alter table instances add one_off boolean not null default false;

-- An instance that vanishes takes nobody's waiting for its run with it.
create function runs_end_with_their_instance() returns trigger language plpgsql as $$
begin
  update runs set state = 'failed', reason = 'lost: its instance is gone', ended_at = now()
    where id = old.id and state in ('pending', 'running');
  return null;
end $$;
create trigger instances_end_runs after delete on instances
  for each row when (old.one_off) execute function runs_end_with_their_instance();

-- What the platform's own one-offs printed, in order, beyond the app's log.
create table run_output (
  run_id uuid not null references runs on delete cascade,
  seq    integer not null,
  at     bigint not null, -- of the last line, to the nanosecond: where to go on
  chunk  bytea not null,
  primary key (run_id, seq)
);

-- An app that was deployed before there was a postdeploy gets none.
update apps set post_deployed = true where released_at is not null;

-- Where an app's log lines are sent to.
create table drains (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps on delete cascade,
  url        bytea not null, -- sealed: it may hold a password
  token      text not null unique,
  created_at timestamptz not null default now()
);
create index drains_app on drains (app_id);
