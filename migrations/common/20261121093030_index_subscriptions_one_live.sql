-- At most one subscription of a namespace is not over.
create unique index if not exists subscriptions_one_live on subscriptions (namespace_id) where ended_at is null
