-- Rows that change with every commit: with room beside them, a change stays on its page and leaves the index alone.
alter table if exists records_usage set (fillfactor = 40);
alter table if exists log_heads set (fillfactor = 40)
