-- Batches of many namespaces in one commit, each row written inside its own namespace's scope. Only functions named
-- _scoped may change scopes inside a transaction, and they begin and end outside of any.
--
-- Batches come ordered by namespace. ends: the last write of each batch. owns: whether it writes to databases of the
-- namespace's own, which are counted. outcomes, a batch: 0 done, above 0 the place of the write whose condition did not
-- hold, -1 no room for more records, -2 no room for more bytes; such a batch wrote nothing, and the others are not
-- touched by it. versions, a write; used, a batch: what is in use of the limit that it met.
--
-- Conditions are looked at before anything of a batch is written. Where a write's condition is broken after that, by a
-- writer that was at it at the same time, MC001 with its place is raised, which undoes everything.
-- A single write to a database of the namespace's own, which the count's lock keeps all other writers from, inserts or
-- updates by what it has found.
create or replace function records_write_scoped(nss uuid[], ats timestamptz[], owns bool[], ends int4[],
    ds text[], ts text[], ks text[], vs bytea[], es timestamptz[], xs bigint[], most_keys bigint, most_bytes bigint,
    out versions bigint[], out outcomes bigint[], out used bigint[])
language plpgsql volatile as $$
declare
    -- Versions follow the clock, so that a key that is deleted and made again grows too.
    tick bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
    core text := chr(1) || 'core';
    ok text;
    ns uuid;
    at timestamptz;
    b int4;
    i int4;
    opening int4;
    closing int4 := 0;
    counted bool := false;
    changed bool := false;
    has_keys bigint;
    has_bytes bigint;
    more_keys bigint;
    more_bytes bigint;
    names bigint;
    outcome bigint;
    in_use bigint;
    had bigint;
    size bigint;
    ending timestamptz;
    made bigint;
begin
    if current_setting('app.namespace_id', true) <> '' then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    versions := '{}';
    outcomes := '{}';
    used := '{}';
    for b in 1 .. array_length(nss, 1) loop
        opening := closing + 1;
        closing := ends[b];
        at := ats[b];
        outcome := 0;
        in_use := 0;
        more_keys := 0;
        more_bytes := 0;
        if ns is distinct from nss[b] then
            if changed then
                update records_usage u set keys = has_keys, bytes = has_bytes where u.namespace_id = ns;
            end if;
            counted := false;
            changed := false;
            ns := nss[b];
            ok := set_config('app.namespace_id', ns::text, true);
        end if;
        if owns[b] and not counted then
            select u.keys, u.bytes into has_keys, has_bytes from records_usage u where u.namespace_id = ns for update;
            if not found then
                insert into records_usage (namespace_id, keys, bytes) values (ns, 0, 0)
                on conflict (namespace_id) do nothing;
                select u.keys, u.bytes into has_keys, has_bytes from records_usage u
                 where u.namespace_id = ns for update;
            end if;
            counted := true;
        end if;
        if owns[b] or opening < closing then
            for i in opening .. closing loop
                select r.version, octet_length(r.value), r.expires_at into had, size, ending from records r
                 where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i];
                if xs[i] is not null and xs[i] <> (case when had is null or ending <= at then 0 else had end) then
                    outcome := i - opening + 1;
                    exit;
                end if;
                if ds[i] <> core then
                    names := octet_length(ds[i]) + octet_length(ts[i]) + octet_length(ks[i]);
                    if had is not null then
                        more_keys := more_keys - 1;
                        more_bytes := more_bytes - names - size;
                    end if;
                    if vs[i] is not null then
                        more_keys := more_keys + 1;
                        more_bytes := more_bytes + names + octet_length(vs[i]);
                    end if;
                end if;
            end loop;
            if outcome = 0 and more_keys > 0 and has_keys + more_keys > most_keys then
                outcome := -1;
                in_use := has_keys;
            elsif outcome = 0 and more_bytes > 0 and has_bytes + more_bytes > most_bytes then
                outcome := -2;
                in_use := has_bytes;
            end if;
        end if;
        for i in opening .. closing loop
            made := null;
            if outcome <> 0 then
                null;
            elsif vs[i] is null then
                if xs[i] is null then
                    delete from records r
                     where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i];
                    made := 0;
                elsif xs[i] = 0 then
                    if not exists (select 1 from records r
                        where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                          and (r.expires_at is null or r.expires_at > at)) then
                        -- What has expired and is still there goes, as it was counted.
                        delete from records r
                         where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                           and r.expires_at <= at;
                        made := 0;
                    end if;
                else
                    delete from records r
                     where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                       and r.version = xs[i] and (r.expires_at is null or r.expires_at > at)
                    returning 0 into made;
                end if;
            elsif owns[b] and opening = closing and had is null then
                insert into records (namespace_id, database, tbl, key, value, version, expires_at)
                values (ns, ds[i], ts[i], ks[i], vs[i], tick, es[i]);
                made := tick;
            elsif owns[b] and opening = closing then
                update records r set value = vs[i], version = greatest(r.version + 1, tick), expires_at = es[i]
                 where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                returning r.version into made;
            elsif xs[i] is null or xs[i] = 0 then
                insert into records as r (namespace_id, database, tbl, key, value, version, expires_at)
                values (ns, ds[i], ts[i], ks[i], vs[i], tick, es[i])
                on conflict (namespace_id, database, tbl, key) do update
                   set value = excluded.value, version = greatest(r.version + 1, excluded.version),
                       expires_at = excluded.expires_at
                 where xs[i] is null or r.expires_at <= at
                returning r.version into made;
            else
                update records r
                   set value = vs[i], version = greatest(r.version + 1, tick), expires_at = es[i]
                 where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                   and r.version = xs[i] and (r.expires_at is null or r.expires_at > at)
                returning r.version into made;
            end if;
            if outcome = 0 and made is null then
                if owns[b] or opening < closing then
                    raise exception '%', i - opening + 1 using errcode = 'MC001';
                end if;
                outcome := 1;
            end if;
            versions := versions || made;
        end loop;
        if outcome = 0 and (more_keys <> 0 or more_bytes <> 0) then
            changed := true;
            has_keys := has_keys + more_keys;
            has_bytes := has_bytes + more_bytes;
        end if;
        outcomes := outcomes || outcome;
        used := used || in_use;
    end loop;
    if changed then
        update records_usage u set keys = has_keys, bytes = has_bytes where u.namespace_id = ns;
    end if;
    ok := set_config('app.namespace_id', '', true);
end $$;

-- What a namespace keeps in its own databases.
create or replace function records_usage_of(ns uuid, out keys bigint, out bytes bigint)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    select u.keys, u.bytes into keys, bytes from records_usage u where u.namespace_id = ns;
end $$;

-- Removes records of a namespace, core's too, some thousands a call; how many it removed. The last call finds none, and
-- removes the count.
create or replace function records_erase(ns uuid)
returns bigint
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    gone bigint;
    gone_keys bigint;
    gone_bytes bigint;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    select u.keys into gone_keys from records_usage u where u.namespace_id = ns for update;
    with removed as (
        delete from records r
         where r.namespace_id = ns and (r.database, r.tbl, r.key) in (
               select o.database, o.tbl, o.key from records o where o.namespace_id = ns limit 4000)
        returning r.database, r.tbl, r.key, octet_length(r.value) as size
    )
    select count(*), count(*) filter (where v.database <> chr(1) || 'core'),
           coalesce(sum(octet_length(v.database) + octet_length(v.tbl) + octet_length(v.key) + v.size)
                    filter (where v.database <> chr(1) || 'core'), 0)
      into gone, gone_keys, gone_bytes from removed v;
    if gone = 0 then
        delete from records_usage u where u.namespace_id = ns;
    else
        update records_usage u set keys = u.keys - gone_keys, bytes = u.bytes - gone_bytes where u.namespace_id = ns;
    end if;
    return gone;
end $$;

drop function if exists records_write(uuid, timestamptz, text[], text[], text[], bytea[], timestamptz[], bigint[])
