-- scope: tenant, swept by expires_at
-- Key-value storage of the core services and of tenants. Names and keys sort bytewise: the database's locale is C.
create table if not exists records (
    namespace_id uuid not null,
    database text not null,
    tbl text not null,
    key text not null,
    value bytea not null,
    version bigint not null,
    expires_at timestamptz,
    primary key (namespace_id, database, tbl, key)
)
