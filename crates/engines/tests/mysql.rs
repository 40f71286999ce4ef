//! MySQL on a real server: what is backed up comes back.

mod mysql {
    #[path = "../mariadb/archive.rs"]
    pub mod archive;
    pub mod backups;
    #[path = "../mariadb/harness.rs"]
    pub mod harness;
    pub mod inspections;
    pub mod log_receiving;
    pub mod over_network;
    pub mod point_in_time;
    pub mod restores;
    pub mod setup;
}
