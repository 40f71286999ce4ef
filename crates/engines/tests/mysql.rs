//! MySQL on a real server: what is backed up comes back.

mod mysql {
    pub mod backups;
    #[path = "../mariadb/harness.rs"]
    pub mod harness;
    pub mod inspections;
    pub mod restores;
    pub mod setup;
}
