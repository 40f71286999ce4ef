//! The binary with a certificate of its own: people and workers elsewhere come encrypted, the worker beside it needs nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::plane::Process;

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_beside_an_encrypted_service_works() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (directory.path().join("certificate.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory.path().join("data"))
        .arg("--tls-certificate")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key)
        .env("HOLDFAST_LOG", "warn")
        .stdout(Stdio::piped());
    let mut process = Process::spawn(command);
    let stdout = process.0.stdout.take().expect("stdout is piped");
    let line = BufReader::new(stdout).lines().next().expect("a line").expect("text");
    let address = line.split_whitespace().last().expect("an address").to_owned();
    let port = address.strip_prefix("https://127.0.0.1:").expect(&line);

    let certificate = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).expect("PEM");
    let client = reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().build().expect("a client");
    let url = format!("https://localhost:{port}/api/v1/workers");
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let workers: serde_json::Value = client.get(&url).send().await.expect("an answer").json().await.expect("JSON");
        if workers["items"][0]["online"] == true {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no worker came: {workers}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(client.get(format!("http://localhost:{port}/healthz")).send().await.is_err(), "it speaks TLS alone there");
}
