-- Why a backup may not be deleted.
alter table backups add column held text;

-- What people set for a datastore's backups, as JSON; the defaults hold where there is no row.
create table backup_settings (
    datastore_id text primary key not null references datastores (id) on delete cascade,
    settings text not null,
    updated_at bigint not null
);

-- When the service last looked after a datastore's stored backups.
create table upkeep (
    datastore_id text primary key not null references datastores (id) on delete cascade,
    retained_at bigint,
    swept_at bigint
);
