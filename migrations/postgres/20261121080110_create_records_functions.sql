-- One call, one implicit transaction: set the namespace, do the work (reference/spike-store §1). Each refuses to
-- change the scope of an open transaction.

create or replace function records_get(ns uuid, ds text[], ts text[], ks text[], at timestamptz)
returns table (place int4, value bytea, version bigint, expires_at timestamptz)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    i int4;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    for i in 1 .. array_length(ks, 1) loop
        select i, r.value, r.version, r.expires_at into place, value, version, expires_at from records r
         where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
           and (r.expires_at is null or r.expires_at > at);
        if found then
            return next;
        end if;
    end loop;
end $$;

create or replace function records_get_one(ns uuid, d text, t text, k text, at timestamptz,
    out value bytea, out version bigint, out expires_at timestamptz)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    select r.value, r.version, r.expires_at into value, version, expires_at from records r
     where r.namespace_id = ns and r.database = d and r.tbl = t and r.key = k
       and (r.expires_at is null or r.expires_at > at);
end $$;

-- All of a batch or nothing. A null value deletes; expects null is anything, 0 is no live record, else its version.
-- Returns the new versions. A condition that does not hold raises MC001 with its place as message, which undoes
-- what came before it; in a batch of one there is nothing to undo, and null is returned.
create or replace function records_write(ns uuid, at timestamptz, ds text[], ts text[], ks text[], vs bytea[],
    es timestamptz[], xs bigint[])
returns bigint[]
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    i int4;
    n int4 := array_length(ks, 1);
    -- Versions follow the clock, so that a key that is deleted and made again grows too.
    tick bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
    done bigint[] := '{}';
    made bigint;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    for i in 1 .. n loop
        made := null;
        if vs[i] is null then
            if xs[i] is null then
                delete from records r
                 where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i];
                made := 0;
            elsif xs[i] = 0 then
                if not exists (select 1 from records r
                    where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                      and (r.expires_at is null or r.expires_at > at)) then
                    made := 0;
                end if;
            else
                delete from records r
                 where r.namespace_id = ns and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                   and r.version = xs[i] and (r.expires_at is null or r.expires_at > at)
                returning 0 into made;
            end if;
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
        if made is null then
            if n = 1 then
                return null;
            end if;
            raise exception '%', i using errcode = 'MC001';
        end if;
        done := done || made;
    end loop;
    return done;
end $$;

create or replace function records_scan_up(ns uuid, d text, t text, lo text, lo_in bool, hi text, hi_in bool,
    n bigint, at timestamptz)
returns table (key text, value bytea, version bigint, expires_at timestamptz)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    -- A null end would turn the range into a filter: separate statements.
    if hi is null then
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and (lo_in or r.key <> lo)
           and (r.expires_at is null or r.expires_at > at)
         order by r.key limit n;
    else
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and r.key <= hi
           and (lo_in or r.key <> lo) and (hi_in or r.key <> hi)
           and (r.expires_at is null or r.expires_at > at)
         order by r.key limit n;
    end if;
end $$;

create or replace function records_scan_down(ns uuid, d text, t text, lo text, lo_in bool, hi text, hi_in bool,
    n bigint, at timestamptz)
returns table (key text, value bytea, version bigint, expires_at timestamptz)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    if hi is null then
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and (lo_in or r.key <> lo)
           and (r.expires_at is null or r.expires_at > at)
         order by r.key desc limit n;
    else
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and r.key <= hi
           and (lo_in or r.key <> lo) and (hi_in or r.key <> hi)
           and (r.expires_at is null or r.expires_at > at)
         order by r.key desc limit n;
    end if;
end $$;

-- Jumps from table to table along the primary key, however many records each holds.
create or replace function records_tables(ns uuid)
returns table (database text, tbl text)
language plpgsql volatile as $$
declare
    was text := current_setting('app.namespace_id', true);
    ok text;
    d text := '';
    t text := '';
begin
    if was <> '' and was <> ns::text then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    ok := set_config('app.namespace_id', ns::text, true);
    loop
        select r.database, r.tbl into d, t from records r
         where r.namespace_id = ns and (r.database, r.tbl) > (d, t)
         order by r.database, r.tbl limit 1;
        exit when not found;
        database := d;
        tbl := t;
        return next;
    end loop;
end $$;
