//! Where else to look for an engine's programs, as somebody said when the program was started: built from source, or several
//! versions side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use domain::Engine;

static NAMED: RwLock<BTreeMap<Engine, Vec<PathBuf>>> = RwLock::new(BTreeMap::new());

/// Has an engine's programs looked for in these directories too.
pub fn look_for_programs_in(engine: Engine, directories: Vec<PathBuf>) {
    NAMED.write().unwrap_or_else(PoisonError::into_inner).insert(engine, directories);
}

/// The directories that somebody named.
pub(crate) fn named(engine: Engine) -> Vec<PathBuf> {
    NAMED.read().unwrap_or_else(PoisonError::into_inner).get(&engine).cloned().unwrap_or_default()
}
