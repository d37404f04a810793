-- At most one attempt of an address is paying at a time, from however many terminals.
create unique index if not exists signup_attempts_under_way on signup_attempts (email)
    where state in ('paying', 'provisioning')
