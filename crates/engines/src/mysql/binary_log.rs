//! MySQL's binary log: its GTIDs, and a reader of its events.

pub(super) mod gtid;
pub(super) mod reader;

pub(super) use gtid::GtidSet;
pub(super) use reader::{Reader, Transaction};
