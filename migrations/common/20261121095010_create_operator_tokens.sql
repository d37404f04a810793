-- scope: system
-- What a login gives, for an hour.
create table if not exists operator_tokens (
    token_hash text not null primary key,
    operator_id uuid not null references operators (operator_id),
    created_at timestamptz not null,
    expires_at timestamptz not null
)
