//! MariaDB on a real server: what is backed up comes back.

mod mariadb {
    pub mod archive;
    pub mod backups;
    pub mod dump_cases;
    pub mod dumps;
    pub mod harness;
    pub mod increments;
    pub mod inspections;
    pub mod log_receiving;
    pub mod log_scans;
    pub mod point_in_time;
    pub mod restored;
    pub mod restores;
    #[path = "../common/served.rs"]
    pub mod served;
}
