-- scope: both
create table if not exists invoices (
    namespace_id uuid not null,
    -- The provider's id.
    invoice text not null,
    subscription text not null,
    number text,
    status text not null,
    cents_total int8 not null,
    cents_paid int8 not null,
    cents_refunded int8 not null default 0,
    currency text not null,
    -- The payment that paid it.
    payment text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (namespace_id, invoice)
)
