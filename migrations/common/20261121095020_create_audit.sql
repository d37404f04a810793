-- scope: system, append only
-- Everything operators did and looked at. Ids, never addresses: what is written here outlives an erasure.
create table if not exists audit (
    audit_id uuid not null primary key,
    at timestamptz not null,
    -- Null where a login was refused.
    operator_id uuid,
    action text not null,
    target text not null,
    reason text not null
)
