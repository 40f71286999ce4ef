-- Which of its lines of log a datastore writes now: changes with each restore, comes back with its undo.
alter table datastores add column log_branch text not null default 'origin';
-- Where replaying logs on a backup begins, as JSON.
alter table backups add column log_point text;
-- Where a restore is to stop, as JSON; what it reached; and the branch that it replaced.
alter table restores drop column pitr_stop_time;
alter table restores add column stop text;
alter table restores add column reached_position text;
alter table restores add column reached_at bigint;
alter table restores add column replaced_branch text;

-- One row for each datastore whose logs are archived. The lease keeps all but one worker from it; the epoch tells an old one.
-- While a job switches the server's data it is suspended. It is based where a backup leads into the log up to now.
create table log_archivers (
    datastore_id text primary key not null references datastores (id) on delete cascade,
    worker text,
    suspended_by text,
    epoch bigint not null,
    lease_until bigint,
    status text not null,
    error_code text,
    error_detail text,
    incarnation text,
    complete_until bigint,
    is_based boolean not null default false,
    lag_bytes bigint,
    warnings text not null,
    updated_at bigint not null
);

-- Archived stretches of logs. Positions are in bytes along the incarnation.
create table log_segments (
    datastore_id text not null references datastores (id) on delete cascade,
    incarnation text not null,
    start_position bigint not null,
    end_position bigint not null,
    name text not null,
    storage_id text not null references storages (id),
    closed boolean not null,
    first_commit_at bigint,
    last_commit_at bigint,
    gap_before text,
    missing boolean not null default false,
    deleting boolean not null default false,
    objects text not null,
    size_bytes bigint not null,
    archived_at bigint not null,
    primary key (datastore_id, incarnation, name)
);
create index log_segments_storage on log_segments (storage_id);
