//! Real processes under this crate's care. `/bin/sh` is the program under test, not a way to start one.

mod daemons;
mod environment;
mod lifetime;
mod limits;
mod observe;
mod secrets;
mod streams;
