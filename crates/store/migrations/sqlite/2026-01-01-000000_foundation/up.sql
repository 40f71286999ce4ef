-- Ids are UUIDs as text, times microseconds since 1970 in UTC, structured values JSON as text: the same on both databases.

create table meta (
    key text primary key not null,
    value text not null
);
insert into meta (key, value) values ('backup_number', '0');

create table storages (
    id text primary key not null,
    name text not null unique,
    config text not null,
    secret_sealed text,
    created_at bigint not null
);

create table workers (
    id text primary key not null,
    name text not null unique,
    version text not null,
    labels text not null,
    last_seen_at bigint not null
);

create table datastores (
    id text primary key not null,
    name text not null unique,
    engine text not null,
    engine_version text,
    host text not null,
    port integer not null,
    username text,
    password_sealed text,
    data_directory text,
    detected_data_directory text,
    service text not null,
    worker text,
    storage_id text not null references storages (id) on delete restrict,
    status text not null,
    capabilities text not null,
    findings text not null,
    inspected_at bigint,
    server_identity text,
    data_size_bytes bigint,
    created_at bigint not null,
    updated_at bigint not null
);
create index datastores_newest on datastores (created_at, id);
create index datastores_storage on datastores (storage_id);

create table jobs (
    id text primary key not null,
    kind text not null,
    exclusive boolean not null,
    visible boolean not null,
    status text not null,
    attempt integer not null,
    cancel_requested boolean not null,
    datastore_id text references datastores (id) on delete set null,
    datastore_name text,
    backup_id text references backups (id) on delete set null deferrable initially deferred,
    backup_number bigint,
    restore_id text references restores (id) on delete set null deferrable initially deferred,
    pinned_worker text,
    worker text,
    lease_until bigint,
    input_sealed text,
    progress text,
    steps text not null,
    error_code text,
    error_detail text,
    result text,
    last_line bigint not null,
    created_at bigint not null,
    started_at bigint,
    ended_at bigint,
    check (status <> 'running' or lease_until is not null)
);
-- The second wall behind the check in code: one job at a time changes a datastore.
create unique index jobs_one_change on jobs (datastore_id) where exclusive and status in ('pending', 'running');
create index jobs_waiting on jobs (created_at, id) where status = 'pending';
create index jobs_leases on jobs (lease_until) where status = 'running';
create index jobs_failures on jobs (datastore_id, ended_at) where status = 'failed';
create index jobs_newest on jobs (visible, created_at, id);
create index jobs_newest_of_datastore on jobs (datastore_id, visible, created_at, id);
create index jobs_newest_of_kind on jobs (kind, created_at, id);
create index jobs_newest_of_status on jobs (status, visible, created_at, id);
create index jobs_backup on jobs (backup_id) where backup_id is not null;
create index jobs_restore on jobs (restore_id) where restore_id is not null;

create table job_log_lines (
    job_id text not null references jobs (id) on delete cascade,
    sequence bigint not null,
    at bigint not null,
    level text not null,
    text text not null,
    primary key (job_id, sequence)
) without rowid;

create table backups (
    id text primary key not null,
    number bigint not null unique,
    datastore_id text not null references datastores (id) on delete restrict,
    storage_id text not null references storages (id) on delete restrict,
    -- Checked at the statement's end, so that a whole chain can go at once and a parent alone never. // F-70
    parent_id text references backups (id),
    method text not null,
    type text not null,
    status text not null,
    trigger text not null,
    schedule_id text,
    job_id text not null references jobs (id) on delete restrict,
    created_at bigint not null,
    started_at bigint,
    ended_at bigint,
    size_bytes bigint,
    original_size_bytes bigint,
    engine_version text,
    log_position text,
    server_identity text,
    encrypted boolean not null,
    verification text not null,
    verified_at bigint,
    deleting boolean not null,
    error_code text,
    error_detail text
);
create index backups_newest on backups (datastore_id, number);
create index backups_newest_of_status on backups (datastore_id, status, number);
create index backups_newest_of_method on backups (datastore_id, method, number);
create index backups_newest_of_type on backups (datastore_id, type, number);
-- With all that lists filter on, so that a span of time is counted without reading the rows.
create index backups_created on backups (datastore_id, created_at, number, status, type, method);
create index backups_parent on backups (parent_id) where parent_id is not null;
create index backups_storage on backups (storage_id);
create index backups_job on backups (job_id);

create table restores (
    id text primary key not null,
    datastore_id text not null references datastores (id) on delete restrict,
    -- No reference: a backup may be deleted after it was restored, and the history stays.
    backup_id text not null,
    backup_number bigint not null,
    target text not null,
    pitr_stop_time bigint,
    restore_configuration boolean not null,
    status text not null,
    phase text not null,
    job_id text not null references jobs (id) on delete restrict,
    created_at bigint not null,
    started_at bigint,
    ended_at bigint,
    downtime_seconds double,
    undo_until bigint,
    error_code text,
    error_detail text
);
create index restores_newest on restores (datastore_id, created_at, id);
create index restores_job on restores (job_id);

create table events (
    id integer primary key autoincrement not null,
    kind text not null,
    resource_id text not null,
    datastore_id text,
    at bigint not null
);
create index events_at on events (at);

create table idempotency_keys (
    key text primary key not null,
    request_sealed text not null,
    answer text,
    created_at bigint not null
);
create index idempotency_keys_created on idempotency_keys (created_at);

-- How many backups there are and what they occupy, by what lists filter on: counting 200,000 rows for each page would
-- take longer than reading it. Kept by triggers, so it is right whoever writes.
create table backup_totals (
    datastore_id text not null references datastores (id) on delete cascade,
    status text not null,
    type text not null,
    method text not null,
    backups bigint not null,
    size_bytes bigint not null,
    primary key (datastore_id, status, type, method)
) without rowid;

create trigger backup_totals_insert after insert on backups begin
    insert into backup_totals values (new.datastore_id, new.status, new.type, new.method, 1, coalesce(new.size_bytes, 0))
    on conflict do update set backups = backups + 1, size_bytes = size_bytes + coalesce(new.size_bytes, 0);
end;
create trigger backup_totals_delete after delete on backups begin
    update backup_totals set backups = backups - 1, size_bytes = size_bytes - coalesce(old.size_bytes, 0)
    where datastore_id = old.datastore_id and status = old.status and type = old.type and method = old.method;
end;
create trigger backup_totals_update after update of status, size_bytes on backups
when old.status <> new.status or old.size_bytes is not new.size_bytes begin
    update backup_totals set backups = backups - 1, size_bytes = size_bytes - coalesce(old.size_bytes, 0)
    where datastore_id = old.datastore_id and status = old.status and type = old.type and method = old.method;
    insert into backup_totals values (new.datastore_id, new.status, new.type, new.method, 1, coalesce(new.size_bytes, 0))
    on conflict do update set backups = backups + 1, size_bytes = size_bytes + coalesce(new.size_bytes, 0);
end;

-- The same for jobs, of which only the number matters; those of no datastore are counted under ''.
create table job_totals (
    datastore_id text not null,
    kind text not null,
    jobs bigint not null,
    primary key (datastore_id, kind)
) without rowid;

create trigger job_totals_insert after insert on jobs begin
    insert into job_totals values (coalesce(new.datastore_id, ''), new.kind, 1) on conflict do update set jobs = jobs + 1;
end;
create trigger job_totals_delete after delete on jobs begin
    update job_totals set jobs = jobs - 1 where datastore_id = coalesce(old.datastore_id, '') and kind = old.kind;
end;
create trigger job_totals_update after update of datastore_id on jobs when old.datastore_id is not new.datastore_id begin
    update job_totals set jobs = jobs - 1 where datastore_id = coalesce(old.datastore_id, '') and kind = old.kind;
    insert into job_totals values (coalesce(new.datastore_id, ''), new.kind, 1) on conflict do update set jobs = jobs + 1;
end;
