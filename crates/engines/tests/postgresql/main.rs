//! The PostgreSQL module on real servers.

mod backups;
mod hostile_archives;
mod increments;
mod inspections;
mod layouts;
mod restores;
mod setup;
