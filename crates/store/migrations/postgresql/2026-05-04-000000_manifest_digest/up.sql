-- SHA-256 of the manifest that was written: what the storage holds is compared with it.
alter table backups add column manifest_sha256 text;
