-- As log_append_scoped, for many chunks, set by set: each row is written inside its own namespace's scope, which the
-- statement that writes it opens row by row (see records_put_scoped). It takes half of the database's time for a hundred
-- topics, and more of it for one.
create or replace function log_append_many_scoped(nss uuid[], ts text[], counts bigint[], ats timestamptz[], bodies bytea[])
returns bigint[]
language plpgsql volatile as $$
declare
    ok text;
    of_nss uuid[];
    of_ts text[];
    firsts bigint[];
    nexts bigint[];
    stamps timestamptz[];
begin
    if current_setting('app.namespace_id', true) <> '' then
        raise exception 'the scope of another namespace is open' using errcode = '42501';
    end if;
    with heads as (
        insert into log_heads as h (namespace_id, topic, next_offset, last_at)
        select u.ns, u.t, u.n, u.at from unnest(nss, ts, counts, ats) as u (ns, t, n, at)
         where set_config('app.namespace_id', u.ns::text, true) <> ''
        on conflict (namespace_id, topic) do update
           set next_offset = h.next_offset + excluded.next_offset, last_at = greatest(h.last_at, excluded.last_at)
        returning h.namespace_id, h.topic, h.next_offset, h.last_at
    )
    select array_agg(h.namespace_id), array_agg(h.topic), array_agg(h.next_offset), array_agg(h.last_at)
      into of_nss, of_ts, nexts, stamps from heads h;
    if of_nss is distinct from nss or of_ts is distinct from ts then
        raise exception 'heads came back in another order';
    end if;
    insert into log_chunks (namespace_id, topic, last_offset, first_offset, at, body)
    select u.ns, u.t, u.next - 1, u.next - u.n, u.at, u.body
      from unnest(nss, ts, counts, nexts, stamps, bodies) as u (ns, t, n, next, at, body)
     where set_config('app.namespace_id', u.ns::text, true) <> '';
    select array_agg(u.next - u.n) into firsts from unnest(nexts, counts) as u (next, n);
    ok := set_config('app.namespace_id', '', true);
    return firsts;
end $$
