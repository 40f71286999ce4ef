//! Every promise of the store, on SQLite and on PostgreSQL.

mod access;
mod audit;
mod backups;
mod catalog;
mod chains;
mod claims;
mod datastores;
mod faults;
mod fixture;
mod guard;
mod idempotency;
mod invariants;
mod jobs;
mod keys;
mod lists;
mod log_backups;
mod logs;
mod restores;
mod schedules;
mod secrets;
mod upkeep;
