create index if not exists signup_codes_by_short_form on signup_codes (short_hash)
