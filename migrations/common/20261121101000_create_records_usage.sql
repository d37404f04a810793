-- scope: both
-- What each namespace keeps in its own databases; core's records are not counted. Changed in the transaction that
-- changes the records, under this row's lock, which every such transaction takes first.
create table if not exists records_usage (
    namespace_id uuid not null,
    keys bigint not null,
    bytes bigint not null,
    primary key (namespace_id)
)
