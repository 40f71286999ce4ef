create table schedules (
    id text primary key not null,
    datastore_id text not null references datastores (id) on delete cascade,
    method text not null,
    type text not null,
    status text not null,
    recurrence text not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    -- Every due time up to this one is settled.
    handled_until bigint not null,
    next_run_at bigint,
    -- When the scheduler has to look at it again; null while paused.
    wake_at bigint
);
create index schedules_newest on schedules (datastore_id, created_at, id);
create index schedules_wake on schedules (wake_at) where wake_at is not null;
create index schedules_handled on schedules (handled_until);

-- One row per schedule and due time, whatever happened then: the wall against two backups for one due time. // F-13
create table schedule_runs (
    schedule_id text not null references schedules (id) on delete cascade,
    due_at bigint not null,
    status text not null,
    reason text,
    -- How many backups were started for it.
    attempt integer not null,
    backup_id text references backups (id) on delete set null,
    retry_at bigint,
    -- Whether something is left to decide about it: it waits, or failed and was not given up.
    open boolean not null,
    -- Since when it waits, or when it failed.
    since bigint,
    retry_class text,
    recorded_at bigint not null,
    primary key (schedule_id, due_at)
) without rowid;
create index schedule_runs_open on schedule_runs (schedule_id) where open;
create index schedule_runs_backup on schedule_runs (backup_id) where backup_id is not null;
create index schedule_runs_failures on schedule_runs (due_at) where status in ('failed', 'missed', 'skipped');
create index schedule_runs_recorded on schedule_runs (recorded_at);
