//! The only place in the product that starts child processes.
//!
//! Invariants, kept here so that no caller has to think of them:
//!
//! * a child never outlives its owner: it gets a signal from the kernel when the worker dies (F-01), and its whole
//!   process group is killed when its handle is dropped, cancelled or limited;
//! * no shell, ever: a program and an argument list (F-82);
//! * no secret in an argument list: secrets travel as in-memory files named `/dev/fd/N` or, where a tool knows nothing
//!   better, in the environment (F-80); no core dumps, and captured output is redacted (F-81);
//! * the environment is cleared first, so a child behaves the same wherever the worker was started;
//! * a silent child is noticed (F-03) and a noisy one costs bounded memory (F-02).
//!
//! What a tool's output means is left to `engines`. Death with the owner is promised for the children themselves: the
//! kernel offers no such signal for *their* children, which are killed with the group while the owner lives.

mod child;
mod command;
mod credentials;
mod daemon;
mod error;
mod group;
mod launch;
mod lines;
mod program;
mod redact;
mod secret_file;
mod spawner;
mod streams;
mod watchdog;

pub use child::{Child, Exit, Output};
pub use command::Command;
pub use credentials::Credentials;
pub use daemon::{Daemon, DaemonOptions};
pub use error::ProcessError;
pub use lines::Stream;
pub use nix::sys::signal::Signal;
pub use program::find_program;
pub use secret_file::SecretFile;
pub use streams::{ChildStdin, ChildStdout};
