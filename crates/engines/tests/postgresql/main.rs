//! The PostgreSQL module on real servers.

mod backups;
mod dumps;
mod hostile_archives;
mod increments;
mod inspections;
mod layouts;
mod log_receiving;
mod log_scans;
mod logs;
mod replays;
mod restores;
#[path = "../common/served.rs"]
mod served;
mod setup;
