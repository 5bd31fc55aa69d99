-- Apps that were destroyed. What a server still keeps of an app on its own disk
-- is removed only when the app is named here: one that is merely not found may
-- be missing because the database is another one, or an older one restored.
create table destroyed_apps (
  id uuid primary key,
  at timestamptz not null default now()
);
create function note_destroyed_app() returns trigger language plpgsql as $$
begin
  insert into destroyed_apps (id) values (old.id) on conflict do nothing;
  return old;
end $$;
create trigger destroyed after delete on apps for each row execute function note_destroyed_app();
