create index if not exists subscriptions_by_id on subscriptions (subscription)
