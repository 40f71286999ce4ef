//! No core dumps: the memory of a running service holds passwords and keys. Children that do work of their own have their
//! own limits (`process`). // F-81

use nix::sys::resource::{Resource, setrlimit};

/// Switches them off for this process, wherever the kernel would send them, and keeps other processes of the same user from
/// reading its memory. What can't be switched off is logged: it is no reason not to start.
pub fn switch_off() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "core dumps can't be limited");
    }
    // A dump that is piped to a program is not held back by the limit (core(5)).
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "core dumps can't be switched off");
    }
}
