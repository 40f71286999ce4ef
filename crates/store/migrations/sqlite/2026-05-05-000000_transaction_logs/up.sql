-- The directory through which a server and its worker pass backups, as JSON.
alter table datastores add column shared_directory text;
-- What a backup holds of each database's transaction log, as JSON.
alter table backups add column log_ranges text not null default '[]';
