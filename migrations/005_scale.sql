-- A change of an instance's state touches no index any more, as long as it is
-- not on its way out: at 100,000 instances most of the work of a report was
-- writing index entries that said the same as before.
alter table instances add leaving boolean generated always as (replace or state in ('draining', 'stopping')) stored;
drop index instances_slot;
create unique index instances_slot on instances (app_id, release_id, type, ordinal) where not leaving;
-- What hosts have promised is kept in memory by the leader; the few hosts that a
-- plan places on are summed up from instances_host.
drop index instances_reserved;
-- Room in each page for the states an instance goes through.
alter table instances set (fillfactor = 60);
