-- Routers that are processes of their own. Which table each serves from is known
-- by whoever leads, and here only when it was last heard of.
create table routers (
  id        uuid primary key default gen_random_uuid(),
  name      text not null constraint routers_name unique,
  key_hash  bytea not null constraint routers_key unique check (length(key_hash) = 32), -- SHA-256 of its public key
  addr      text not null default '', -- where it takes requests, as it says itself
  version   text not null default '', -- of its program
  seen_at   timestamptz, -- null: it has joined and was not heard of yet
  joined_at timestamptz not null default now()
);

-- One command joins one router, once.
create table router_tokens (
  id         uuid primary key default gen_random_uuid(),
  hash       bytea not null unique check (length(hash) = 32),
  router     text not null, -- name it will have
  actor      text not null,
  expires_at timestamptz not null,
  used_at    timestamptz,
  created_at timestamptz not null default now()
);

create index router_tokens_router on router_tokens (router);
