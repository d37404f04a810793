-- scope: both
create table if not exists subscriptions (
    namespace_id uuid not null,
    -- The provider's id; `free_…` where nothing is paid.
    subscription text not null,
    attempt_id uuid not null,
    customer text not null,
    status text not null,
    cents int8 not null,
    currency text not null,
    -- The end of what has been billed; none where nothing is.
    period_ends_at timestamptz,
    -- Grows with each change: what was read from the provider before another change does not overwrite it.
    revision int8 not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    ended_at timestamptz,
    primary key (namespace_id, subscription)
)
