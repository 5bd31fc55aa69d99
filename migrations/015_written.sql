-- What instances of a type have written outside volumes while a release ran:
-- it is gone with each of them.
create table written (
  release_id uuid not null references releases on delete cascade,
  type       text not null,
  paths      jsonb not null, -- [{path, bytes, mixed}], largest first
  bytes      bigint not null, -- of all
  seen_at    timestamptz not null default now(),
  primary key (release_id, type)
);
