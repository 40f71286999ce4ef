//! The control file of a data directory: whose it is, and what a server on it must know.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use process::{Command, Credentials};
use tokio_util::sync::CancellationToken;

use super::CONTROL_FILE;
use crate::EngineError;

/// The system identifier: the first eight bytes, in the machine's byte order (`ControlFileData` in `pg_control.h`, the
/// same in every version).
pub(super) fn system_identifier(data_directory: &Path) -> Result<String, EngineError> {
    let path = data_directory.join(CONTROL_FILE);
    let failed = || EngineError::file("reading the control file", &path);
    let mut bytes = [0; 8];
    File::open(&path).map_err(failed())?.read_exact(&mut bytes).map_err(failed())?;
    Ok(u64::from_ne_bytes(bytes).to_string())
}

/// All that `pg_controldata` tells, by name.
pub(super) async fn read(
    binaries: &Path,
    data_directory: &Path,
    owner: Credentials,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, String>, EngineError> {
    let command = Command::new("pg_controldata").search_dir(binaries).arg(data_directory).run_as(owner);
    let output =
        command.output(cancel).await.map_err(|source| EngineError::process("reading the control file", source))?;
    let lines = output.stdout.lines().filter_map(|line| line.split_once(':'));
    Ok(lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}
