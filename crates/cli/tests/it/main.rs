//! The whole product on real servers: the binary's control plane and worker as processes of their own, driven through
//! the public API, judged by what the databases themselves say.

mod access;
mod architecture;
mod archived;
mod audit;
mod bad_input;
mod by_hand;
mod catalog;
mod chains;
mod command_line;
mod copies;
mod core_dumps;
mod damage;
mod disk_full;
mod dumps;
mod encrypted;
mod keys;
mod kill_sweep;
mod log_backups;
mod main_job;
mod new_databases;
mod outside;
mod pitr;
mod plane;
mod remote;
mod retention;
mod schedules;
mod secrets;
mod servers;
mod sql_server;
mod stopping;
mod tampering;
mod worker_death;
