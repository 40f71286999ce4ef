//! The service as its users meet it: started for real, over HTTP, with workers that speak the real protocol.

mod access;
mod audit;
mod control_database;
mod conventions;
mod datastores;
mod events;
mod guard;
mod limits;
mod matrix;
mod network;
mod oidc;
mod pages;
mod people;
mod recovery;
mod restores;
mod retention;
mod safety;
mod schedules;
mod specification;
mod support;
mod walk;
mod worker_protocol;
mod workers_apart;
