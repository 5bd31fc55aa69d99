-- Signing in to the dashboard. Secrets are random, so their SHA-256 is kept.

-- A link signs its account in, once. A used one stays until it has expired, so
-- that a second use can be told what happened.
create table sign_in_links (
  id         uuid primary key default gen_random_uuid(),
  account_id uuid not null references accounts on delete cascade,
  hash       bytea not null unique check (length(hash) = 32),
  expires_at timestamptz not null,
  used_at    timestamptz,
  created_at timestamptz not null default now()
);
create index sign_in_links_account on sign_in_links (account_id);
create trigger sign_in_links_account_there before insert or update of account_id on sign_in_links
  for each row execute function account_is_there('account_id');

-- A browser that is signed in, until expires_at at the latest.
create table web_sessions (
  id         uuid primary key default gen_random_uuid(),
  account_id uuid not null references accounts on delete cascade,
  hash       bytea not null unique check (length(hash) = 32),
  how        text not null check (how in ('link', 'passkey', 'oidc')),
  remote     text not null default '',
  agent      text not null default '',
  expires_at timestamptz not null,
  seen_at    timestamptz not null default now(), -- to the minute
  created_at timestamptz not null default now()
);
create index web_sessions_account on web_sessions (account_id);
create trigger web_sessions_account_there before insert or update of account_id on web_sessions
  for each row execute function account_is_there('account_id');

-- A public key by which an account signs in (WebAuthn). record is what the
-- library that checks it keeps of it.
create table passkeys (
  id         uuid primary key default gen_random_uuid(),
  account_id uuid not null references accounts on delete cascade,
  credential bytea not null unique check (length(credential) between 1 and 1023),
  record     jsonb not null,
  sign_count bigint not null default 0 check (sign_count >= 0),
  name       text not null,
  used_at    timestamptz,
  created_at timestamptz not null default now()
);
create index passkeys_account on passkeys (account_id);
create trigger passkeys_account_there before insert or update of account_id on passkeys
  for each row execute function account_is_there('account_id');

-- Who an account is at a provider of identities (OpenID Connect). Linked at the
-- first sign-in; after that the e-mail there may change.
create table identities (
  issuer     text not null,
  subject    text not null,
  account_id uuid not null references accounts on delete cascade,
  created_at timestamptz not null default now(),
  primary key (issuer, subject)
);
create index identities_account on identities (account_id);
create trigger identities_account_there before insert or update of account_id on identities
  for each row execute function account_is_there('account_id');

-- What a sign-in that has begun waits to be answered with: taken once.
create table sign_in_challenges (
  hash       bytea primary key check (length(hash) = 32),
  kind       text not null check (kind in ('passkey', 'passkey-add', 'oidc')),
  data       bytea not null check (length(data) <= 16384),
  expires_at timestamptz not null
);
create index sign_in_challenges_expiry on sign_in_challenges (expires_at);


-- What apps did: requests as the routers saw them, in spans of a minute and,
-- when those are a day old, of ten. A row says of one span what one process
-- counted (source; 0 is all of them, in spans of ten).
create table traffic (
  at      timestamptz not null, -- begin of the span
  source  bigint not null,
  bytes   bigint not null,      -- of the answers' bodies
  app_id  uuid not null references apps on delete cascade,
  release integer not null,     -- version; 0: no instance took the requests
  aborted integer not null,     -- the client left
  s1xx    integer not null,
  s2xx    integer not null,
  s3xx    integer not null,
  s4xx    integer not null,
  s5xx    integer not null,
  span    smallint not null check (span in (1, 10)), -- minutes
  latency bytea not null,       -- router.Histogram
  primary key (app_id, at, release, source)
);
create index traffic_fine on traffic (at) where span = 1;

-- What their instances used: sums over the measurements of a span, of a span
-- of ten minutes over the means of its minutes (then host is the zero id).
create table usage (
  at           timestamptz not null,
  instances    double precision not null,
  milli_cpu    double precision not null,
  memory       double precision not null, -- bytes
  memory_limit double precision not null, -- bytes
  app_id       uuid not null references apps on delete cascade,
  host_id      uuid not null,
  rounds       integer not null check (rounds > 0),
  span         smallint not null check (span in (1, 10)), -- minutes
  type         text not null,
  primary key (app_id, at, type, host_id)
);
create index usage_fine on usage (at) where span = 1;


-- From where people did what an app's events tell: both rows are written in
-- one transaction and have its time.
create index audit_app_at on audit (app_id, at);


-- What a push brought, in its author's words; and the way from a build or a
-- deploy to what is known of it.
alter table deploys add subject text not null default '';
create index deploys_build on deploys (build_id);
create index events_deploy on events (deploy_id, id) where deploy_id is not null;
