-- scope: queue
-- Work that follows a commit, queued in the same transaction. The nil namespace is the platform itself.
create table if not exists jobs (
    namespace_id uuid not null,
    job_id uuid not null,
    namespace_name text not null,
    kind text not null,
    payload text not null,
    dedupe_key text,
    queued_at timestamptz not null,
    -- When it is due; while it is claimed, when the claim ends.
    run_at timestamptz not null,
    claimed_by text,
    -- Grows with each claim: a finish that names an older one does nothing.
    fence bigint not null default 0,
    attempts bigint not null default 0,
    last_error text,
    parked_at timestamptz,
    primary key (namespace_id, job_id),
    unique (namespace_id, kind, dedupe_key)
)
