//! Who may use whom: the arrows of `crates/ARCHITECTURE.md`, read from the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate with those of ours that it may use. Development dependencies are free.
const ARROWS: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("client", &["domain"]),
    ("dial", &[]),
    ("process", &[]),
    ("store", &["domain"]),
    ("vault", &["domain", "dial"]),
    ("engines", &["domain", "vault", "process"]),
    ("worker", &["domain", "client", "engines", "vault", "process"]),
    ("api", &["domain", "dial", "store"]),
    ("holdfast", &["domain", "client", "dial", "store", "api", "worker", "vault", "engines", "process"]),
    ("testkit", &[]),
    ("xtask", &[]),
    ("frontend", &["domain", "client"]),
];

/// What only one crate may use: the database, the storage, and what domain must not have.
const EXCLUSIVE: [(&str, &str); 4] =
    [("diesel", "store"), ("object_store", "vault"), ("zstd", "vault"), ("actix-web", "api")];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let done = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let normal = package["dependencies"].as_array().expect("dependencies").iter();
            let normal = normal.filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn arrows_go_down_only() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        dependencies.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        ours,
        "a crate is missing in the table"
    );
    for (name, allowed) in ARROWS {
        for used in &dependencies[name] {
            assert!(!ours.contains(used.as_str()) || allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
    for (library, owner) in EXCLUSIVE {
        let users: Vec<&String> =
            dependencies.iter().filter(|(_, used)| used.contains(library)).map(|(name, _)| name).collect();
        assert_eq!(users, [owner], "only {owner} uses {library}");
    }
}

/// Database servers are dialled by workers alone. The service that everybody talks to knows neither engines nor tools, starts
/// no process, and opens no connection but by way of `dial`. // F-85
#[test]
fn f85_the_service_has_no_way_to_a_database_server() {
    let dependencies = dependencies();
    let mut reached = BTreeSet::new();
    let mut open = vec!["api".to_owned()];
    while let Some(name) = open.pop() {
        for used in dependencies.get(&name).into_iter().flatten() {
            if reached.insert(used.clone()) && used != "store" {
                open.push(used.clone());
            }
        }
    }
    assert!(reached.contains("dial") && reached.contains("store"), "{reached:?}");
    for forbidden in ["engines", "process", "worker", "vault", "diesel", "hyper", "socket2", "postgres", "redis"] {
        assert!(!reached.contains(forbidden), "api reaches {forbidden}: {reached:?}");
    }
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates' folder");
    for path in crate::plane::files_below(&crates.join("api").join("src")) {
        let text = std::fs::read_to_string(&path).expect("source");
        for forbidden in
            ["TcpStream::connect", "UnixStream", "lookup_host", "to_socket_addrs", "reqwest::Client", "UdpSocket"]
        {
            assert!(!text.contains(forbidden), "{} dials by itself: {forbidden}", path.display());
        }
    }
}

#[test]
fn only_one_crate_starts_processes() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates' folder");
    for name in ["domain", "client", "dial", "store", "api", "vault", "engines", "worker", "cli"] {
        let sources = crate::plane::files_below(&crates.join(name).join("src"));
        for path in sources.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "tests")) {
            let text = std::fs::read_to_string(path).expect("source");
            for forbidden in ["std::process::Command", "tokio::process"] {
                assert!(!text.contains(forbidden), "{} starts processes by itself", path.display());
            }
        }
    }
}
