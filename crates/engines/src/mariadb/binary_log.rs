//! MariaDB's binary log: its GTIDs, and a reader of its events.

pub(super) mod event;
pub(super) mod gtid;
pub(super) mod reader;

pub(super) use gtid::{Gtid, GtidState};
pub(super) use reader::{Reader, Transaction};

pub(super) use crate::my_family::binary_log::{LogFileName, position_of, stream_of};
