//! MySQL on a real server: what is backed up comes back.

mod mysql {
    #[path = "../mariadb/archive.rs"]
    pub mod archive;
    pub mod backups;
    #[path = "../mariadb/dump_cases.rs"]
    pub mod dump_cases;
    pub mod dumps;
    #[path = "../mariadb/harness.rs"]
    pub mod harness;
    pub mod inspections;
    pub mod log_receiving;
    pub mod over_network;
    pub mod point_in_time;
    pub mod restores;
    #[path = "../common/served.rs"]
    pub mod served;
    pub mod setup;
}
