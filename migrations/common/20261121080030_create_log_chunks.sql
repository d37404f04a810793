-- scope: tenant
-- One row a batch. Led by its last offset, a read from any offset is one range.
create table if not exists log_chunks (
    namespace_id uuid not null,
    topic text not null,
    last_offset bigint not null,
    first_offset bigint not null,
    at timestamptz not null,
    body bytea not null,
    primary key (namespace_id, topic, last_offset)
)
