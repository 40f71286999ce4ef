//! From sources to a WebAssembly module and the JavaScript that loads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;

use super::Mode;

/// The name that the generated files begin with.
const NAME: &str = "holdfast";

/// What wasm-bindgen made.
pub struct Bindings {
    pub javascript: Vec<u8>,
    pub wasm: Vec<u8>,
    /// JavaScript that libraries bring along: path relative to the main script, content.
    pub snippets: Vec<(String, Vec<u8>)>,
}

/// Compiles the crate `frontend` and gives the path of its module.
pub fn wasm_module(workspace: &Path, mode: Mode) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args(["build", "--package", "frontend", "--target", "wasm32-unknown-unknown"])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    if mode == Mode::Release {
        command.args(["--profile", "wasm-release"]);
    }
    let output = command.spawn().context("starting cargo")?.wait_with_output().context("running cargo")?;
    ensure!(output.status.success(), "the web app did not compile");
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    for line in messages.lines().rev() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if message.pointer("/target/name").and_then(|name| name.as_str()) != Some("frontend") {
            continue;
        }
        let files = message.get("filenames").and_then(|files| files.as_array());
        let wasm = files.into_iter().flatten().filter_map(|file| file.as_str()).find(|file| file.ends_with(".wasm"));
        if let Some(wasm) = wasm {
            return Ok(PathBuf::from(wasm));
        }
    }
    bail!("cargo named no .wasm file of the crate frontend")
}

/// Generates the bindings of a module.
pub fn bindings(module: &Path, mode: Mode) -> Result<Bindings> {
    let directory = module.with_file_name(format!("{NAME}-bindings"));
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("clearing {}", directory.display()))?;
    }
    Bindgen::new()
        .input_path(module)
        .out_name(NAME)
        .web(true)?
        .typescript(false)
        .remove_producers_section(true)
        // The names of functions are a third of the module and only help to read a stack.
        .remove_name_section(mode == Mode::Release)
        .generate(&directory)
        .context("generating the bindings of the web app")?;
    let read = |name: String| fs::read(directory.join(&name)).with_context(|| format!("reading {name}"));
    let mut snippets = Vec::new();
    collect(&directory, "snippets", &mut snippets)?;
    Ok(Bindings { javascript: read(format!("{NAME}.js"))?, wasm: read(format!("{NAME}_bg.wasm"))?, snippets })
}

fn collect(root: &Path, relative: &str, found: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let directory = root.join(relative);
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))? {
        let entry = entry?;
        let path = format!("{relative}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(root, &path, found)?;
        } else {
            found.push((path.clone(), fs::read(root.join(&path))?));
        }
    }
    Ok(())
}
