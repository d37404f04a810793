create index if not exists jobs_by_time on jobs (run_at, job_id) where parked_at is null
