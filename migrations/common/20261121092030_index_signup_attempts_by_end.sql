create index if not exists signup_attempts_by_end on signup_attempts (state, expires_at)
