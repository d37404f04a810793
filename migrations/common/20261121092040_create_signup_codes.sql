-- scope: system
-- Mailed codes. Each sending of a letter makes a new one, so that none is ever stored readable.
create table if not exists signup_codes (
    -- SHA-256 of the 40 digits, HMAC of the short form.
    long_hash bytea not null primary key,
    short_hash bytea not null,
    attempt_id uuid not null,
    expires_at timestamptz not null,
    used_at timestamptz
)
