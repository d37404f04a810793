-- scope: system
-- One call to the payment provider: its idempotency key is stored before the call, its outcome after it.
create table if not exists payment_keys (
    attempt_id uuid not null,
    operation text not null check (operation in ('customer', 'checkout', 'subscribe', 'refund')),
    try_number int8 not null,
    key text not null unique,
    -- What the call is about, such as a card: one try never means two.
    subject text not null,
    state text not null check (state in ('open', 'done', 'declined')),
    -- The provider's answer as JSON; of a declined card, why.
    outcome text,
    -- When the key was made: the provider forgets keys after a day.
    keyed_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (attempt_id, operation, try_number)
)
