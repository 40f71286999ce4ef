//! Compressed siblings, made once here so that the service never compresses a static file.

use std::io::Write;

use anyhow::Result;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Mode;
use super::tree::Tree;

/// What all files weigh together, in bytes.
#[derive(Debug, Default)]
pub struct Total {
    pub raw: u64,
    pub gzip: u64,
    /// None in a quick build, which has no brotli.
    pub brotli: Option<u64>,
}

/// Adds `<file>.gz` and, in a release build, `<file>.br` for every file.
pub fn add_siblings(tree: &mut Tree, mode: Mode) -> Result<Total> {
    let mut total = Total { brotli: (mode == Mode::Release).then_some(0), ..Total::default() };
    let mut siblings = Vec::new();
    for (path, content) in tree.files() {
        let level = if mode == Mode::Release { Compression::best() } else { Compression::fast() };
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(content)?;
        let gzip = encoder.finish()?;
        total.raw += content.len() as u64;
        total.gzip += gzip.len() as u64;
        siblings.push((format!("{path}.gz"), gzip));
        if let Some(sum) = &mut total.brotli {
            let mut brotli = Vec::new();
            let parameters = BrotliEncoderParams { quality: 11, lgwin: 22, ..BrotliEncoderParams::default() };
            brotli::BrotliCompress(&mut &*content, &mut brotli, &parameters)?;
            *sum += brotli.len() as u64;
            siblings.push((format!("{path}.br"), brotli));
        }
    }
    for (path, content) in siblings {
        tree.add(&path, content);
    }
    Ok(total)
}
