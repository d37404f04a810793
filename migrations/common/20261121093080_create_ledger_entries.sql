-- scope: system, append only
-- Double entry: the lines of one source (`invoice:in_…`, `refund:re_…`) add up to nothing. What is written stays.
create table if not exists ledger_entries (
    source text not null,
    line int8 not null,
    namespace_id uuid not null,
    attempt_id uuid not null,
    -- provider: what the payment provider owes us. revenue, refunds: where it came from and went.
    account text not null check (account in ('provider', 'revenue', 'refunds')),
    -- Debit above zero, credit below.
    cents int8 not null check (cents <> 0),
    currency text not null,
    -- When it happened there, and when it was written here.
    happened_at timestamptz not null,
    recorded_at timestamptz not null,
    primary key (source, line)
)
