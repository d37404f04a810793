create index if not exists signup_attempts_by_email on signup_attempts (email, started_at)
