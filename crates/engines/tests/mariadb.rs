//! MariaDB on a real server: what is backed up comes back.

mod mariadb {
    pub mod backups;
    pub mod harness;
    pub mod increments;
    pub mod inspections;
    pub mod restores;
}
