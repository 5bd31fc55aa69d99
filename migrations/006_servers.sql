-- The servers on this database. Each says every second that it is there.
create table servers (
  id         text primary key,
  name       text not null,
  -- Where agents, routers and other servers reach it; empty: nobody does.
  addr       text not null default '',
  started_at timestamptz not null default now(),
  seen_at    timestamptz not null default now()
) with (fillfactor = 50);
