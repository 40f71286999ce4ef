//! The API as others meet it who have only its document: a fuzzer that compares both, and a generated client.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::plane::Plane;

/// Where setup.sh keeps the programs from PyPI.
fn python_programs() -> PathBuf {
    let cache = std::env::var_os("HOLDFAST_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache/holdfast");
    let programs = cache.unwrap_or_else(home).join("python/bin");
    assert!(programs.join("schemathesis").exists(), "run crates/xtask/setup.sh test");
    programs
}

fn proof(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/proof").join(name)
}

/// Runs a program and expects it to succeed; gives what it said.
fn run(command: &mut Command) -> String {
    let programs = python_programs();
    let path = std::env::var("PATH").unwrap_or_default();
    let done = command
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("it starts");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}\n{said}");
    said
}

/// A token for everything. With it the service is claimed: from now on nobody gets in without one.
async fn administrators_token(base: &str) -> String {
    let client = reqwest::Client::new();
    let order = serde_json::json!({"name": "outside", "role": "administrator"});
    let made = client.post(format!("{base}/api/v1/tokens")).json(&order).send().await.expect("an answer");
    assert_eq!(made.status(), 201);
    let made: serde_json::Value = made.json().await.expect("JSON");
    made["secret"].as_str().expect("a secret").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_what_its_document_says() {
    // All requests come from one address, as fast as they can.
    let plane = Plane::start_with(&["--requests-per-second", "0"]);
    let worker_token = std::fs::read_to_string(plane.directory.path().join("worker.token")).expect("the token");
    let api_token = administrators_token(plane.client.base()).await;
    let mut command = Command::new(python_programs().join("schemathesis"));
    command
        .arg("--config-file")
        .arg(proof("schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/openapi.json", plane.client.base()))
        .args(["--checks", "all", "--max-examples", "8", "--max-time", "90", "--request-timeout", "30"])
        .args(["--generation-deterministic", "--continue-on-failure", "--no-color", "--warnings", "off"])
        .env("HOLDFAST_API_TOKEN", &api_token)
        .env("HOLDFAST_WORKER_TOKEN", worker_token.trim())
        .current_dir(plane.directory.path());
    run(&mut command);
    // It is alive and well after all that, and so is the token.
    let client = plane.client.clone().with_token(domain::Secret::new(api_token));
    client.datastore_list(&Default::default()).await.expect("the service answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_does_the_main_job() {
    let server = testkit::Redis::start().expect("Redis starts");
    let (plane, _worker) = Plane::with_worker();
    let api_token = administrators_token(plane.client.base()).await;
    let draft = crate::servers::TestServer::registration(&server);
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api-spec/openapi.json");
    let directory = tempfile::tempdir().expect("a directory");
    let said = run(Command::new(python_programs().join("openapi-python-client"))
        .args(["generate", "--meta", "none", "--path"])
        .arg(document)
        .arg("--output-path")
        .arg(directory.path().join("holdfast_client"))
        .current_dir(directory.path()));
    assert!(!said.contains("WARNING") && !said.contains("Unable"), "pieces of the client are missing: {said}");
    let password = draft.password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default();
    let said = run(Command::new(python_programs().join("python"))
        .arg(proof("main_job.py"))
        .args([plane.client.base(), draft.engine.as_str(), &draft.host])
        .args([draft.port.expect("a port").to_string(), draft.username.clone().expect("a user")])
        .env("PASSWORD", password)
        .env("API_TOKEN", api_token)
        .env("PYTHONPATH", directory.path()));
    assert!(said.contains("backup 1 of "), "{said}");
}
