-- What paas doctor finds on a host and is not in order, told when its agent begins.
alter table hosts
  add findings jsonb not null default '[]',
  add boot     text not null default ''; -- changes with each start of the machine
