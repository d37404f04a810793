-- scope: tenant
-- One row a topic: bumped in the transaction that stores a batch, so offsets are dense and a rollback leaves no gap.
create table if not exists log_heads (
    namespace_id uuid not null,
    topic text not null,
    next_offset bigint not null,
    last_at timestamptz not null,
    primary key (namespace_id, topic)
)
