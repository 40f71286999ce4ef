//! Binary logs as files: their names, the positions in them, and a walk over their events.
//!
//! Nothing here asks a server or starts a process. What the files hold is not trusted: a cut or damaged one gives an error
//! or an early end.

pub(crate) mod header;
pub(crate) mod name;
pub(crate) mod walk;

pub(crate) use name::{LogFileName, position_of, split_position, stream_of};
pub(crate) use walk::LogReader;
