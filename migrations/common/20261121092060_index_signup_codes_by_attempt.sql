create index if not exists signup_codes_by_attempt on signup_codes (attempt_id)
