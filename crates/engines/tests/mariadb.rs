//! MariaDB on a real server: what is backed up comes back.

mod mariadb {
    pub mod backups;
    pub mod harness;
    pub mod inspections;
    pub mod restores;
}
