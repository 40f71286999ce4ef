//! MariaDB's binary log as files: their names, the positions in them, GTIDs, and a reader of event headers.
//!
//! Nothing here asks a server or starts a process. What the files hold is not trusted: a cut or damaged one gives an error
//! or an early end.

pub(super) mod event;
pub(super) mod gtid;
pub(super) mod name;
pub(super) mod reader;

pub(super) use gtid::{Gtid, GtidState};
pub(super) use name::{LogFileName, position_of, split_position, stream_of};
pub(super) use reader::{Reader, Transaction};
