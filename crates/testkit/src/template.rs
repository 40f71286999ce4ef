//! Data directories are made once for a test process and then copied: making one costs many times a copy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::command;
use crate::scratch::scratch_directory;

static TEMPLATES: LazyLock<Mutex<HashMap<&'static str, PathBuf>>> = LazyLock::new(Mutex::default);

/// Copies the template `name` to `data_directory`, which must not exist; `make` makes it, the first time, at the path
/// that it is given, in a directory of its own.
pub(crate) fn copy(name: &'static str, data_directory: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let template = {
        let mut templates = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
        match templates.get(name) {
            Some(template) => template.clone(),
            None => {
                let template = scratch_directory(name)?.join("data");
                make(&template).with_context(|| format!("make the {name}"))?;
                templates.insert(name, template.clone());
                template
            }
        }
    };
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto", "--"]).arg(&template).arg(data_directory);
    command::run(copy).map(drop)
}
