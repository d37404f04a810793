-- One chunk each for many topics of many namespaces, in one commit, each inside its own namespace's scope: see
-- records_write_scoped. Chunks come ordered by namespace and topic, so that two writers never wait in a circle.
-- Returns each chunk's first offset. Time within a topic never runs backwards.
create or replace function log_append_scoped(nss uuid[], ts text[], counts bigint[], ats timestamptz[], bodies bytea[])
returns bigint[]
language plpgsql volatile as $$
declare
    ok text;
    ns uuid;
    i int4;
    next_one bigint;
    stamp timestamptz;
    firsts bigint[] := '{}';
begin
    if current_setting('app.namespace_id', true) <> '' then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    for i in 1 .. array_length(nss, 1) loop
        if ns is distinct from nss[i] then
            ns := nss[i];
            ok := set_config('app.namespace_id', ns::text, true);
        end if;
        insert into log_heads as h (namespace_id, topic, next_offset, last_at) values (ns, ts[i], counts[i], ats[i])
        on conflict (namespace_id, topic) do update
           set next_offset = h.next_offset + excluded.next_offset, last_at = greatest(h.last_at, excluded.last_at)
        returning h.next_offset, h.last_at into next_one, stamp;
        insert into log_chunks (namespace_id, topic, last_offset, first_offset, at, body)
        values (ns, ts[i], next_one - 1, next_one - counts[i], stamp, bodies[i]);
        firsts := firsts || (next_one - counts[i]);
    end loop;
    ok := set_config('app.namespace_id', '', true);
    return firsts;
end $$;

-- Removes a namespace's chunks, some hundreds a call; how many it removed. The last call finds none, and removes the
-- heads.
create or replace function log_erase(ns uuid)
returns bigint
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    gone bigint;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    with removed as (
        delete from log_chunks c
         where c.namespace_id = ns and (c.topic, c.last_offset) in (
               select o.topic, o.last_offset from log_chunks o where o.namespace_id = ns limit 500)
        returning 1
    )
    select count(*) into gone from removed;
    if gone = 0 then
        delete from log_heads h where h.namespace_id = ns;
    end if;
    return gone;
end $$;

drop function if exists log_append(uuid, text, bigint, timestamptz, bytea)
