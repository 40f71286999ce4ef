//! `build-ui`: compiles the web app to WebAssembly and lays it out as static files that any server can serve.
//!
//! `frontend/index.html` is a template in Trunk's notation, so that `trunk serve` works on it as well; here the parts that
//! it names are put in its place, without inline script or style, as the service's Content-Security-Policy demands. Every
//! file but `index.html` bears a hash of its content and may be cached for ever. `dist/` is replaced in one rename, and
//! left alone when nothing changed, so that what embeds it isn't built again.

mod compile;
mod compress;
mod page;
mod tree;

use std::path::Path;

use anyhow::{Context, Result};

use self::tree::Tree;

/// What all files may weigh together after brotli, in bytes.
const MAX_BROTLI_BYTES: u64 = 300 * 1024;

/// How the web app is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Small: optimised for size, brotli, checked against the size limit.
    Release,
    /// Quick.
    Dev,
}

/// Builds the web app into `<workspace>/dist`.
///
/// # Errors
/// When it does not compile, a part that the template names is missing, or a release build is too large.
pub fn build(workspace: &Path, mode: Mode) -> Result<()> {
    let frontend = workspace.join("frontend");
    let module = compile::wasm_module(workspace, mode)?;
    let bindings = compile::bindings(&module, mode)?;

    let mut tree = Tree::default();
    page::assemble(&frontend, &bindings, &mut tree)?;
    let total = compress::add_siblings(&mut tree, mode)?;

    let dist = workspace.join("dist");
    let replaced = tree.write_to(&dist).with_context(|| format!("writing {}", dist.display()))?;
    let state = if replaced { "written" } else { "unchanged" };
    match total.brotli {
        Some(brotli) => {
            println!("dist/ {state}: {} brotli, {} gzip, {} raw", kib(brotli), kib(total.gzip), kib(total.raw));
            if brotli > MAX_BROTLI_BYTES {
                eprintln!("warning: the web app's bound is {}; `make bench` tells of it", kib(MAX_BROTLI_BYTES));
            }
        }
        None => println!("dist/ {state} (dev): {} gzip, {} raw", kib(total.gzip), kib(total.raw)),
    }
    Ok(())
}

fn kib(bytes: u64) -> String {
    format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024)
}
