//! Builder's chores, run as `cargo xtask <task>`. Nothing here is part of the product.

mod build_ui;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask build-ui [--dev]

  build-ui   builds the web app into dist/: hashed files with .br and .gz beside them
     --dev   a quick build for development: unoptimised, without brotli and without the size limit";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["build-ui"] => build_ui::build(&workspace(), build_ui::Mode::Release),
        ["build-ui", "--dev"] => build_ui::build(&workspace(), build_ui::Mode::Dev),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace that this program was built from.
fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
