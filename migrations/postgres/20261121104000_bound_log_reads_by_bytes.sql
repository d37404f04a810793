-- The chunks from an offset on: as many as it takes to hold max_bytes, at least one, at most 64.
create or replace function log_read(ns uuid, t text, from_offset bigint, max_bytes bigint)
returns table (first_offset bigint, at timestamptz, body bytea)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    return query
        select c.first_offset, c.at, c.body from (
            select k.first_offset, k.at, k.body, k.last_offset,
                   sum(octet_length(k.body)) over (order by k.last_offset rows unbounded preceding)
                       - octet_length(k.body) as before
              from log_chunks k
             where k.namespace_id = ns and k.topic = t and k.last_offset >= from_offset
             order by k.last_offset limit 64
        ) c where c.before < max_bytes order by c.last_offset;
end $$;
