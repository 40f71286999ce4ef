//! The worker: claims jobs from the control plane and joins engines to the vault.
//!
//! It holds no state that matters beyond its state directory, which remembers unfinished switches of data directories
//! so that a killed worker finishes or undoes them on its next start. // F-62
//! Everything it learns goes back over the same HTTP protocol, whether it runs inside `holdfast serve` or elsewhere.

mod backup;
mod chain;
mod claim;
mod context;
mod deletion;
mod inspection;
mod job_log;
mod lease;
mod logs;
mod progress;
mod restore;
mod sweep;
mod verification;

pub use claim::{WorkerConfig, run_worker};
pub use restore::recover_all;
