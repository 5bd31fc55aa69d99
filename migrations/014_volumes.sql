-- Disks that dynos keep their data on. The data of one without a driver is on
-- host_id alone; "host" keeps that host's name when it was removed. A row that
-- was destroyed stays until no host has the data any more: it, and nothing
-- else, is what makes a host delete data.
create table volumes (
  id           uuid primary key default gen_random_uuid(),
  app_id       uuid references apps on delete set null,
  name         text not null check (name ~ '^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$'),
  driver       text not null default '',
  host_id      uuid references hosts on delete set null,
  host         text not null default '',
  size         bigint not null default 0 check (size >= 0), -- bytes asked for; 0: nothing was said
  used         bigint not null default 0 check (used >= 0), -- bytes, as its host said last
  used_at      timestamptz,
  made         boolean not null default false, -- its host has it: were it gone, it would not be made anew
  destroyed_at timestamptz,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  check (app_id is not null or destroyed_at is not null),
  check (driver = '' or host_id is null)
);
create unique index volumes_name on volumes (app_id, name) where destroyed_at is null;
create index volumes_host on volumes (host_id);
create index volumes_destroyed on volumes (destroyed_at) where destroyed_at is not null;

-- Which volume is where in the file system of which process type.
alter table releases add mounts jsonb not null default '[]';
create or replace function releases_are_immutable() returns trigger language plpgsql as $$
begin
  if (new.id, new.app_id, new.version, new.description, new.user_id, new.build_id, new.commit,
      new.image, new.processes, new.config, new.crons, new.files, new.mounts, new.created_at)
     is distinct from
     (old.id, old.app_id, old.version, old.description, old.user_id, old.build_id, old.commit,
      old.image, old.processes, old.config, old.crons, old.files, old.mounts, old.created_at) then
    raise exception 'release v% is immutable', old.version;
  end if;
  if old.status <> 'pending' and new.status <> old.status then
    raise exception 'release v% already %', old.version, old.status;
  end if;
  return new;
end $$;

-- What an agent says of its machine's disk; stocked_at is null while it has
-- said nothing (an earlier version never does).
alter table hosts
  add disk_free  bigint not null default 0 check (disk_free >= 0),  -- bytes
  add disk_total bigint not null default 0 check (disk_total >= 0), -- bytes; 0: not known
  add stocked_at timestamptz;
