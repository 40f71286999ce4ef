//! SQL Server on a double of its wire protocol, since there is no real one to be had here. The scenarios are written in SQL alone and
//! run on a real server, too, when one is given (`real_server`).

mod mssql {
    pub mod backups;
    pub mod breaks;
    pub mod buckets;
    pub mod harness;
    pub mod inspections;
    pub mod manual_examples;
    pub mod new_databases;
    pub mod points_in_time;
    pub mod real_server;
    pub mod restores;
    pub mod scenarios;
    pub mod server;
    pub mod switches;
}
