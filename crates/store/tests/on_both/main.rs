//! Every promise of the store, on SQLite and on PostgreSQL.

mod access;
mod audit;
mod backups;
mod chains;
mod claims;
mod datastores;
mod faults;
mod fixture;
mod idempotency;
mod invariants;
mod jobs;
mod lists;
mod logs;
mod restores;
mod schedules;
mod secrets;
mod upkeep;
