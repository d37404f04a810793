-- scope: both
create table if not exists namespaces (
    namespace_id uuid not null primary key,
    name text not null,
    state text not null check (state in ('reserved', 'active', 'past_due', 'read_only', 'suspended', 'closing', 'erased')),
    -- Which deployment the namespace lives in.
    cell text not null default 'main',
    created_at timestamptz not null,
    updated_at timestamptz not null
)
