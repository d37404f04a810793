-- What a holder tells those who wait: how it is reached.
alter table leases add column if not exists note text not null default ''
