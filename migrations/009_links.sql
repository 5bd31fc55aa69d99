-- An app that reaches the web type of another from inside, at http://NAME.internal.
create table links (
  id         uuid primary key default gen_random_uuid(),
  app_id     uuid not null references apps (id) on delete cascade, -- who calls
  target_id  uuid not null references apps (id) on delete cascade, -- who is called
  added_by   text not null,
  created_at timestamptz not null default now(),
  constraint links_pair unique (app_id, target_id),
  check (app_id <> target_id)
);
create index links_target on links (target_id);
