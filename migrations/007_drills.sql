-- Rehearsals of the loss of a host. While drill_until is to come the control
-- plane is deaf to the host: from there on everything goes as if it had died.
-- The end is in the row, so that a drill ends whatever becomes of who began it.
alter table hosts add drill_until timestamptz not null default '-infinity';
create table drills (
  id         uuid primary key default gen_random_uuid(),
  host_id    uuid not null references hosts on delete cascade,
  actor      text not null,
  started_at timestamptz not null default now(),
  until      timestamptz not null,
  ended_at   timestamptz,
  report     jsonb not null -- what it touches, and what was measured so far
);
create index drills_host on drills (host_id, started_at);
