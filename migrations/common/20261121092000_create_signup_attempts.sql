-- scope: system
-- One person's try at signing up, from the first code to a ready namespace. The whole state machine is one row.
create table if not exists signup_attempts (
    attempt_id uuid not null primary key,
    email text not null,
    -- SHA-256 of the terminal's session secret; older clients hold none.
    session_hash bytea unique,
    state text not null check (state in ('started', 'verified', 'payment_pending', 'card_stored', 'paying',
        'provisioning', 'ready', 'expired', 'refunded', 'failed')),
    -- The address had a namespace already: nothing is paid or made, only a password may be set.
    known boolean not null default false,
    payment_required boolean not null,
    -- How often a code was tried.
    tries int8 not null default 0,
    -- The provider's card page, and the card it stored.
    checkout_session text,
    payment_method text,
    -- Counts cards: each gets an idempotency key of its own.
    payment_try int8 not null default 1,
    -- What auth made of the password, until the account has it.
    secret_hash text,
    namespace_id uuid,
    namespace_name text,
    account text,
    -- For the person: why the last card was declined.
    message text not null default '',
    started_at timestamptz not null,
    verified_at timestamptz,
    paying_at timestamptz,
    ready_at timestamptz,
    -- Until when the person may go on.
    expires_at timestamptz not null,
    updated_at timestamptz not null
)
