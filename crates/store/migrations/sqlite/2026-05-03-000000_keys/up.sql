-- The keys that secrets are sealed with, each sealed by the master key that is named: replacing that one rewrites this table alone.
create table data_keys (
    id text primary key not null,
    sealed text not null,
    sealed_by text not null
);
