-- scope: system
-- One row for each name ever given: a name is never given twice, not even after its namespace is erased.
-- Apart from `namespaces`, since there no unique index may span namespaces.
create table if not exists namespace_names (
    name text not null primary key,
    namespace_id uuid not null unique,
    attempt_id uuid not null unique,
    created_at timestamptz not null
)
