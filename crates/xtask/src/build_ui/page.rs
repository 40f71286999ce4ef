//! The page: `index.html` with every `<link data-trunk>` replaced by what it stands for.
//!
//! Known kinds: `rust` (the module and its scripts), `css` (all sheets become one), `icon`, and `inline` (put in as it is;
//! meant for the sprite of icons).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::compile::Bindings;
use super::tree::Tree;

/// Fills the tree with the page and all that it loads.
pub fn assemble(frontend: &Path, bindings: &Bindings, tree: &mut Tree) -> Result<()> {
    let template_path = frontend.join("index.html");
    let template =
        fs::read_to_string(&template_path).with_context(|| format!("reading {}", template_path.display()))?;

    let mut sheets = String::new();
    let mut sheet_at = None;
    let mut lines: Vec<String> = Vec::new();
    for line in template.lines() {
        let Some(link) = trunk_link(line) else {
            lines.push(line.trim_start().to_owned());
            continue;
        };
        let (kind, href) = (attribute(link, "rel").unwrap_or_default(), attribute(link, "href").unwrap_or_default());
        let read = || fs::read_to_string(frontend.join(href)).with_context(|| format!("reading frontend/{href}"));
        match kind {
            "rust" => lines.extend(scripts(bindings, tree)),
            "css" => {
                sheets.push_str(&minify(&read()?));
                sheet_at.get_or_insert(lines.len());
            }
            "icon" => {
                let path = tree.add_hashed("icon", "svg", read()?.into_bytes());
                lines.push(format!("<link rel=\"icon\" type=\"image/svg+xml\" href=\"/{path}\">"));
            }
            "inline" => lines.push(read()?.lines().map(str::trim).collect::<String>()),
            other => bail!("index.html names a part of unknown kind {other:?}"),
        }
    }
    if let Some(at) = sheet_at {
        let path = tree.add_hashed("holdfast", "css", sheets.into_bytes());
        lines.insert(at, format!("<link rel=\"stylesheet\" href=\"/{path}\">"));
    }
    let page = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    tree.add("index.html", page.into_bytes());
    Ok(())
}

/// Adds the module and its scripts, and gives the lines that load them.
fn scripts(bindings: &Bindings, tree: &mut Tree) -> Vec<String> {
    let wasm = tree.add_hashed("holdfast", "wasm", bindings.wasm.clone());
    let javascript = tree.add_hashed("holdfast", "js", bindings.javascript.clone());
    for (path, content) in &bindings.snippets {
        tree.add(&format!("assets/{path}"), content.clone());
    }
    let boot = format!("import init from \"/{javascript}\";\ninit({{ module_or_path: \"/{wasm}\" }});\n");
    let boot = tree.add_hashed("boot", "js", boot.into_bytes());
    vec![
        format!("<link rel=\"modulepreload\" href=\"/{javascript}\">"),
        format!("<link rel=\"preload\" href=\"/{wasm}\" as=\"fetch\" type=\"application/wasm\" crossorigin>"),
        format!("<script type=\"module\" src=\"/{boot}\"></script>"),
    ]
}

fn trunk_link(line: &str) -> Option<&str> {
    let line = line.trim();
    (line.starts_with("<link data-trunk ") && line.ends_with('>')).then_some(line)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let rest = tag.get(start..)?;
    rest.get(..rest.find('"')?)
}

/// Drops comments and indentation: what brotli can't do for a sheet.
fn minify(sheet: &str) -> String {
    let mut out = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.lines().map(str::trim).filter(|line| !line.is_empty()).fold(String::new(), |all, line| all + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_hashed_files_and_holds_no_inline_script() {
        let frontend = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend");
        let bindings = Bindings { javascript: b"js".to_vec(), wasm: b"wasm".to_vec(), snippets: Vec::new() };
        let mut tree = Tree::default();
        assemble(&frontend, &bindings, &mut tree).unwrap();
        let page = String::from_utf8(tree.get("index.html").unwrap().to_vec()).unwrap();
        assert!(!page.contains("data-trunk"), "{page}");
        assert!(!page.contains("<style") && !page.contains(" style="), "{page}");
        for script in page.match_indices("<script").map(|(at, _)| &page[at..]) {
            assert!(script.starts_with("<script type=\"module\" src=\"/assets/boot-"), "{page}");
        }
        for path in page.match_indices("\"/assets/").map(|(at, _)| &page[at + 2..]) {
            let path = path.split('"').next().unwrap();
            assert!(tree.get(path).is_some(), "{path} is named and missing");
        }
    }

    #[test]
    fn sheets_lose_comments_and_indentation_only() {
        assert_eq!(minify("/* a\n b */a {\n  color: red;\n}\n\n/* c */"), "a {\ncolor: red;\n}\n");
    }
}
