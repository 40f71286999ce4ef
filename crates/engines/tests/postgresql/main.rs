//! The PostgreSQL module on real servers.

mod backups;
mod inspections;
mod restores;
mod setup;
