-- scope: system
-- Events that the payment provider reported, once each. Only where to look: what happened is read from the provider,
-- so that no address or card detail is kept here.
create table if not exists webhook_events (
    event_id text not null primary key,
    kind text not null,
    object text not null,
    object_id text not null,
    happened_at timestamptz not null,
    received_at timestamptz not null,
    acted_at timestamptz
)
