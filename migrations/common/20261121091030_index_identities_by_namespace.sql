create index if not exists identities_by_namespace on identities (namespace_id)
