-- The storage through which a server and its worker pass backups, where that is no directory.
alter table datastores add column shared_storage_id text references storages (id);
