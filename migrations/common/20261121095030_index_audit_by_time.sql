create index if not exists audit_by_time on audit (at, audit_id)
