//! Getting in: the link that the first start prints, tokens and users by the command line while the service runs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use client::{Client, ClientError};
use domain::access::Setup;
use domain::{ErrorCode, Secret};

use crate::plane::Process;

fn holdfast(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(arguments)
        .arg("--data-dir")
        .arg(directory)
        .output()
        .expect("the binary starts")
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("text").trim_end().to_owned()
}

fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Option<ErrorCode> {
    answer.expect_err("it is refused").code()
}

#[tokio::test]
async fn the_first_link_a_token_and_a_way_back_in() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path();
    let missing = holdfast(data, &["user", "list"]);
    assert_eq!(missing.status.code(), Some(2), "no database is made where none is");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["serve", "--no-worker", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    let mut process = Process::spawn({
        command.env("HOLDFAST_LOG", "warn").stdout(Stdio::piped());
        command
    });
    let mut lines = BufReader::new(process.0.stdout.take().expect("stdout is piped")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let address = line().split_whitespace().last().expect("an address").to_owned();
    let link = line();
    let token = link.strip_prefix(&format!("Set the administrator's password: {address}/setup#")).expect("the link");
    let client = Client::new(&address);
    assert!(client.datastore_list(&Default::default()).await.is_ok(), "this machine is administrator so far");

    let setup = Setup { token: Secret::new(token), password: Secret::new("correct horse battery") };
    assert_eq!(client.auth_setup(&setup).await.expect("it is set").user.expect("a user").username, "admin");
    assert_eq!(code(client.datastore_list(&Default::default()).await), Some(ErrorCode::Unauthenticated));
    assert_eq!(code(client.auth_setup(&setup).await), Some(ErrorCode::InvalidCredentials), "the link is good once");

    let secret = printed(&holdfast(data, &["token", "create", "--name", "ci", "--role", "viewer"]));
    assert!(secret.starts_with("hfa_") && secret.lines().count() == 1, "{secret}");
    let program = client.clone().with_token(Secret::new(&secret));
    assert_eq!(program.auth_me().await.expect("it is known").token_name.as_deref(), Some("ci"));
    let listed = printed(&holdfast(data, &["token", "list"]));
    assert!(listed.contains("\tci\tviewer\t") && !listed.contains(&secret), "{listed}");
    let id = listed.split('\t').next().expect("an id");
    printed(&holdfast(data, &["token", "revoke", id]));
    assert_eq!(code(program.auth_me().await), Some(ErrorCode::Unauthenticated));
    let worker = printed(&holdfast(data, &["token", "create", "--name", "w", "--kind", "worker"]));
    assert_eq!(code(client.clone().with_token(Secret::new(worker)).auth_me().await), Some(ErrorCode::Forbidden));
    assert_eq!(holdfast(data, &["token", "create", "--name", "x"]).status.code(), Some(2), "a role is needed");

    // Who is locked out gets in again by a new link.
    let link = printed(&holdfast(data, &["user", "set-password", "admin", "--url", &address, "--reset-two-factor"]));
    let token = link.strip_prefix(&format!("{address}/setup#")).expect("a link");
    let again = Setup { token: Secret::new(token), password: Secret::new("another pass phrase") };
    assert!(client.auth_setup(&again).await.is_ok());
    let last = holdfast(data, &["user", "disable", "admin"]);
    assert_eq!(last.status.code(), Some(2), "{}", String::from_utf8_lossy(&last.stderr));
    let link = printed(&holdfast(data, &["user", "add", "anna", "--role", "operator"]));
    assert!(link.contains("/setup#"), "{link}");
    let users = printed(&holdfast(data, &["user", "list"]));
    assert!(users.contains("anna\tinvited\tpassword\toperator") && users.contains("admin\tactive"), "{users}");
}
