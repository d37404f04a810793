-- From lo on, up to hi but without it: whether an end belongs to the range is said by the key itself, since a key with
-- chr(1) behind it is the next one there can be. A page may end early: before the record that would make its keys and
-- values exceed `most` bytes; the first one always comes. Sizes are read without the values, which lie elsewhere when
-- they are big.
create or replace function records_scan_up(ns uuid, d text, t text, lo text, hi text, n bigint, at timestamptz,
    most bigint)
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
    if hi is null and most is null then
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo
            and (r.expires_at is null or r.expires_at > at)
         order by r.key limit n;
    elsif most is null then
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and r.key < hi
            and (r.expires_at is null or r.expires_at > at)
         order by r.key limit n;
    elsif hi is null then
        return query select p.key, p.value, p.version, p.expires_at from (
            select q.*, sum(octet_length(q.key) + octet_length(q.value)) over up as so_far,
                   row_number() over up as place
              from (select r.key, r.value, r.version, r.expires_at from records r
                     where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo
                        and (r.expires_at is null or r.expires_at > at)
                     order by r.key limit n) q
            window up as (order by q.key rows unbounded preceding)) p
         where p.so_far <= most or p.place = 1 order by p.key;
    else
        return query select p.key, p.value, p.version, p.expires_at from (
            select q.*, sum(octet_length(q.key) + octet_length(q.value)) over up as so_far,
                   row_number() over up as place
              from (select r.key, r.value, r.version, r.expires_at from records r
                     where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and r.key < hi
                        and (r.expires_at is null or r.expires_at > at)
                     order by r.key limit n) q
            window up as (order by q.key rows unbounded preceding)) p
         where p.so_far <= most or p.place = 1 order by p.key;
    end if;
end $$;

create or replace function records_scan_down(ns uuid, d text, t text, lo text, hi text, n bigint, at timestamptz,
    most bigint)
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
    if hi is null and most is null then
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo
            and (r.expires_at is null or r.expires_at > at)
         order by r.key desc limit n;
    elsif most is null then
        return query select r.key, r.value, r.version, r.expires_at from records r
         where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and r.key < hi
            and (r.expires_at is null or r.expires_at > at)
         order by r.key desc limit n;
    elsif hi is null then
        return query select p.key, p.value, p.version, p.expires_at from (
            select q.*, sum(octet_length(q.key) + octet_length(q.value)) over down as so_far,
                   row_number() over down as place
              from (select r.key, r.value, r.version, r.expires_at from records r
                     where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo
                        and (r.expires_at is null or r.expires_at > at)
                     order by r.key desc limit n) q
            window down as (order by q.key desc rows unbounded preceding)) p
         where p.so_far <= most or p.place = 1 order by p.key desc;
    else
        return query select p.key, p.value, p.version, p.expires_at from (
            select q.*, sum(octet_length(q.key) + octet_length(q.value)) over down as so_far,
                   row_number() over down as place
              from (select r.key, r.value, r.version, r.expires_at from records r
                     where r.namespace_id = ns and r.database = d and r.tbl = t and r.key >= lo and r.key < hi
                        and (r.expires_at is null or r.expires_at > at)
                     order by r.key desc limit n) q
            window down as (order by q.key desc rows unbounded preceding)) p
         where p.so_far <= most or p.place = 1 order by p.key desc;
    end if;
end $$;

drop function if exists records_scan_up(uuid, text, text, text, bool, text, bool, bigint, timestamptz);

drop function if exists records_scan_down(uuid, text, text, text, bool, text, bool, bigint, timestamptz)
