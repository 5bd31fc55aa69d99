-- Which machine, since its start, and which data directory a server runs on: of
-- two with one id, because a directory was copied, the second does not start.
alter table servers add seat text not null default '';
