-- The chunks from an offset on, as many as it takes to hold max_bytes, at least one, at most 64. Chunks behind the last
-- one are not looked at.
create or replace function log_read(ns uuid, t text, from_offset bigint, max_bytes bigint)
returns table (first_offset bigint, at timestamptz, body bytea)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    has bigint := 0;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    for first_offset, at, body in
        select c.first_offset, c.at, c.body from log_chunks c
         where c.namespace_id = ns and c.topic = t and c.last_offset >= from_offset
         order by c.last_offset limit 64
    loop
        return next;
        has := has + octet_length(body);
        exit when has >= max_bytes;
    end loop;
end $$;

drop function if exists log_read(uuid, text, bigint)
