//! Redis and Valkey on real servers: what is backed up comes back.

mod redis {
    pub mod backups;
    #[path = "../mariadb/harness.rs"]
    pub mod harness;
    pub mod inspections;
    pub mod restores;
}
