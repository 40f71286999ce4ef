//! Makes sure that the folder of the web app exists, since it is compiled into the binary, and rebuilds when it changes.

use std::path::Path;

const PLACEHOLDER: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Holdfast</title>
<link rel=\"icon\" href=\"data:,\">
<h1>The web app is not built in</h1>
<p>Run <code>cargo xtask build-ui</code> and build the binary again. The API works without it: see <a href=\"/docs/\">/docs/</a>.</p>
</html>
";

fn main() -> std::io::Result<()> {
    let dist = Path::new("../../dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    if !dist.join("index.html").exists() {
        std::fs::create_dir_all(dist)?;
        std::fs::write(dist.join("index.html"), PLACEHOLDER)?;
    }
    Ok(())
}
