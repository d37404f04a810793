-- Counts what is there already. The owner is held by row-level security too, so it is let through for this file; a
-- server refuses a database in which it is not forced again.
alter table if exists records no force row level security;
alter table if exists records_usage no force row level security;
insert into records_usage (namespace_id, keys, bytes)
select namespace_id, count(*),
       sum(octet_length(database) + octet_length(tbl) + octet_length(key) + octet_length(value))
  from records where database <> chr(1) || 'core' group by namespace_id
on conflict (namespace_id) do update set keys = excluded.keys, bytes = excluded.bytes;
alter table if exists records_usage force row level security;
alter table if exists records force row level security
