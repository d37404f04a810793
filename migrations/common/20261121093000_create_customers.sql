-- scope: system
-- Who is charged for an attempt. It begins before there is a namespace, so it belongs to none.
create table if not exists customers (
    attempt_id uuid not null primary key,
    -- The provider's id, once it is known.
    customer text unique,
    -- What the attempt pays for: recorded before the first charge.
    namespace_id uuid,
    -- The money was given back, or is to be: nothing may be charged for this attempt any more.
    closed_at timestamptz,
    created_at timestamptz not null
)
