-- Appends one chunk of n entries; its first offset is dense. Time within a topic never runs backwards.
create or replace function log_append(ns uuid, t text, n bigint, now_at timestamptz, bytes bytea)
returns bigint
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    next_one bigint;
    stamp timestamptz;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    insert into log_heads as h (namespace_id, topic, next_offset, last_at) values (ns, t, n, now_at)
    on conflict (namespace_id, topic) do update
       set next_offset = h.next_offset + excluded.next_offset, last_at = greatest(h.last_at, excluded.last_at)
    returning h.next_offset, h.last_at into next_one, stamp;
    insert into log_chunks (namespace_id, topic, last_offset, first_offset, at, body)
    values (ns, t, next_one - 1, next_one - n, stamp, bytes);
    return next_one - n;
end $$;

create or replace function log_read(ns uuid, t text, from_offset bigint)
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
    return query select c.first_offset, c.at, c.body from log_chunks c
     where c.namespace_id = ns and c.topic = t and c.last_offset >= from_offset
     order by c.last_offset limit 64;
end $$;

create or replace function log_extent(ns uuid, t text, out start_offset bigint, out next_offset bigint)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    select h.next_offset into next_offset from log_heads h where h.namespace_id = ns and h.topic = t;
    select c.first_offset into start_offset from log_chunks c
     where c.namespace_id = ns and c.topic = t order by c.last_offset limit 1;
end $$;

create or replace function log_offset_at(ns uuid, t text, moment timestamptz)
returns bigint
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    found_one bigint;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    select c.first_offset into found_one from log_chunks c
     where c.namespace_id = ns and c.topic = t and c.at >= moment
     order by c.last_offset limit 1;
    if found_one is null then
        select h.next_offset into found_one from log_heads h where h.namespace_id = ns and h.topic = t;
    end if;
    return found_one;
end $$;

create or replace function log_trim(ns uuid, t text, before_offset bigint)
returns void
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    delete from log_chunks c where c.namespace_id = ns and c.topic = t and c.last_offset < before_offset;
end $$;
