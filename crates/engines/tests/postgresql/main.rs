//! The PostgreSQL module on real servers.

mod backups;
mod hostile_archives;
mod increments;
mod inspections;
mod layouts;
mod log_receiving;
mod log_scans;
mod logs;
mod replays;
mod restores;
mod setup;
