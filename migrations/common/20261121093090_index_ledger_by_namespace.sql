create index if not exists ledger_entries_by_namespace on ledger_entries (namespace_id, recorded_at)
