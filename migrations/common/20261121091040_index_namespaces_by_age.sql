create index if not exists namespaces_by_age on namespaces (created_at, namespace_id)
