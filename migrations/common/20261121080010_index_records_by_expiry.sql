create index if not exists records_by_expiry on records (expires_at) where expires_at is not null
