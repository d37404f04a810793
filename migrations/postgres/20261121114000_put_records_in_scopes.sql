-- Unconditional puts of many namespaces, set by set: each row is written inside its own namespace's scope, which the
-- statement that writes it opens row by row, so that the policies see it as its own tenant's; a row in another's scope
-- is refused. Only this function, records_write_scoped and log_append_scoped may change scopes inside a transaction, and
-- they begin and end outside of any.
--
-- Rows come ordered by namespace, each key once, none of core's. versions: each row's. refused: namespaces for which
-- there is no room, as it seems when all that they put is taken together; nothing of theirs was written.
--
-- What is there is read before the counts are locked. Who changed it between the two shows: by a key that is there
-- (23505) or a version that is not (40001), which undoes everything.
create or replace function records_put_scoped(nss uuid[], ds text[], ts text[], ks text[], vs bytea[], es timestamptz[],
    most_keys bigint, most_bytes bigint, out versions bigint[], out refused uuid[])
language plpgsql volatile as $$
declare
    -- Versions follow the clock, so that a key that is deleted and made again grows too.
    tick bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
    ok text;
    olds bigint[];
    sizes int4[];
    fresh int4;
    counted uuid[];
    i int4;
begin
    if current_setting('app.namespace_id', true) <> '' then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    select array_agg(r.version), array_agg(r.size), array_agg(greatest(r.version + 1, tick))
      into olds, sizes, versions
      from (select u.ns, u.d, u.t, u.k from unnest(nss, ds, ts, ks) as u (ns, d, t, k)
             where set_config('app.namespace_id', u.ns::text, true) <> '') p
      left join lateral (
            select o.version, octet_length(o.value) as size from records o
             where o.namespace_id = p.ns and o.database = p.d and o.tbl = p.t and o.key = p.k offset 0) r on true;
    with sums as (
        select s.ns, sum(case when s.old is null then 1 else 0 end) as keys, sum(case when s.old is null
                   then octet_length(s.d) + octet_length(s.t) + octet_length(s.k) + octet_length(s.v)
                   else octet_length(s.v) - s.old end) as bytes
          from unnest(nss, ds, ts, ks, vs, sizes) as s (ns, d, t, k, v, old) group by s.ns order by s.ns offset 0
    ), changed as (
        insert into records_usage as u (namespace_id, keys, bytes)
        select s.ns, s.keys, s.bytes from sums s
         where s.keys <= most_keys and s.bytes <= most_bytes and set_config('app.namespace_id', s.ns::text, true) <> ''
        on conflict (namespace_id) do update set keys = u.keys + excluded.keys, bytes = u.bytes + excluded.bytes
         where (excluded.keys <= 0 or u.keys + excluded.keys <= most_keys)
           and (excluded.bytes <= 0 or u.bytes + excluded.bytes <= most_bytes)
        returning u.namespace_id
    )
    select array_agg(c.namespace_id) into counted from changed c;
    select array_agg(distinct n) into refused from unnest(nss) n where counted is null or n <> all (counted);
    insert into records (namespace_id, database, tbl, key, value, version, expires_at)
    select u.ns, u.d, u.t, u.k, u.v, tick, u.e
      from unnest(nss, ds, ts, ks, vs, es, olds) as u (ns, d, t, k, v, e, old)
     where u.old is null and (refused is null or u.ns <> all (refused))
       and set_config('app.namespace_id', u.ns::text, true) <> '';
    get diagnostics fresh = row_count;
    if fresh < cardinality(nss) then
        for i in 1 .. cardinality(nss) loop
            if olds[i] is not null and (refused is null or nss[i] <> all (refused)) then
                ok := set_config('app.namespace_id', nss[i]::text, true);
                update records r set value = vs[i], version = versions[i], expires_at = es[i]
                 where r.namespace_id = nss[i] and r.database = ds[i] and r.tbl = ts[i] and r.key = ks[i]
                   and r.version = olds[i];
                if not found then
                    raise exception 'a record was changed meanwhile' using errcode = '40001';
                end if;
            end if;
        end loop;
    end if;
    ok := set_config('app.namespace_id', '', true);
end $$
