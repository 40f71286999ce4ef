//! Archived logs: which worker archives a datastore's, what of them is stored, and what can be restored with them.
//!
//! A lease keeps all but one worker from a datastore's log. Its epoch is in every report; one with an old epoch is refused.
//! While a job switches the server's data nobody archives, so that no log of a restored copy gets into the branch that it came
//! from. // F-11, F-68

mod archiver;
mod branch;
mod in_backups;
mod recovery;
pub mod segment;

pub(crate) use archiver::{begin, end, resume};
pub(crate) use branch::{branch_off, leave, replace};
pub(crate) use in_backups::{NO_RANGES, chain_start, column, covered_until, newest_line};
pub use recovery::RecoveryFacts;
pub(crate) use recovery::{scanned, taken};
pub(crate) use segment::{delete, expired, overviews};
