-- Repositories. Every server has copies of what it needs on its own disk; this
-- is where a push is when it was acknowledged.
create table repositories (
  app_id  uuid primary key references apps on delete cascade,
  version bigint not null default 1, -- grows with each change
  head    text not null default 'refs/heads/main',
  refs    jsonb not null default '{}', -- commit by name
  shallow text[] not null default '{}'
);
create table repo_packs (
  app_id uuid not null references repositories on delete cascade,
  name   text not null, -- pack-<checksum>
  size   bigint not null,
  primary key (app_id, name)
);
create table repo_chunks (
  app_id uuid not null,
  pack   text not null,
  n      integer not null,
  data   bytea not null,
  primary key (app_id, pack, n),
  foreign key (app_id, pack) references repo_packs (app_id, name) on delete cascade
);
alter table repo_chunks alter data set storage external; -- packs are compressed already

-- The server that took a deploy in: the first to be asked to build it. The
-- pusher is there.
alter table deploys add home text not null default '';
