-- scope: system
-- Who alone may do something at a time.
create table if not exists leases (
    name text not null primary key,
    holder text not null,
    fence bigint not null,
    expires_at timestamptz not null
)
