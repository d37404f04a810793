-- scope: system
-- People who run the platform. Secrets have 256 random bits: a plain hash is enough.
create table if not exists operators (
    operator_id uuid not null primary key,
    name text not null unique,
    role text not null check (role in ('viewer', 'support', 'billing', 'admin')),
    secret_hash text not null unique,
    created_at timestamptz not null,
    disabled_at timestamptz
)
