-- scope: system
-- What a saga meant to do, and did: a step is recorded before it is passed.
create table if not exists saga_steps (
    saga_id uuid not null,
    saga text not null,
    step text not null,
    state text not null check (state in ('intended', 'done', 'undone')),
    output text,
    recorded_at timestamptz not null,
    primary key (saga_id, saga, step)
)
