create index if not exists subscriptions_by_attempt on subscriptions (attempt_id)
