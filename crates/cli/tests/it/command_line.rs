//! The command line: what it prints, and how it fails.

use std::process::{Command, Output};

fn holdfast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast")).args(arguments).output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_openapi_document_in_the_repository_is_what_the_binary_prints() {
    let printed = holdfast(&["openapi"]);
    assert!(printed.status.success());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../api-spec/openapi.json");
    let kept = std::fs::read_to_string(path).expect("the document");
    assert!(kept == String::from_utf8_lossy(&printed.stdout), "run: holdfast openapi > api-spec/openapi.json");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path().to_str().expect("UTF-8");
    let refused = holdfast(&["serve", "--listen", "0.0.0.0:0", "--data-dir", directory]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("loopback") && stderr(&refused).contains("hint:"), "{}", stderr(&refused));
}

#[test]
fn wrong_usage_exits_with_2_and_a_hint() {
    for arguments in [&["serve", "--no-such-option"][..], &["worker"], &["no-such-command"]] {
        assert_eq!(holdfast(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "secret").expect("written");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let token = token.to_str().expect("UTF-8");
    let readable = holdfast(&["worker", "--server", "http://127.0.0.1:1", "--token-file", token]);
    assert_eq!(readable.status.code(), Some(2));
    assert!(stderr(&readable).contains("chmod 600"), "{}", stderr(&readable));
}

#[test]
fn wrong_settings_of_the_network_are_refused_with_a_hint() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("UTF-8");
    let serve = |options: &[&str]| {
        let output =
            holdfast(&[&["serve", "--no-worker", "--listen", "127.0.0.1:0", "--data-dir", data], options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}: {}", stderr(&output));
        stderr(&output)
    };
    serve(&["--tls-certificate", "/nowhere/certificate.pem"]);
    let said = serve(&["--tls-certificate", "/nowhere/certificate.pem", "--tls-key", "/nowhere/key.pem"]);
    assert!(said.contains("/nowhere/certificate.pem") && said.contains("hint:"), "{said}");
    assert!(serve(&["--trusted-proxy", "proxy.example"]).contains("CIDR"));
    assert!(serve(&["--allow-private-address", "10.0.0.0/40"]).contains("CIDR"));
    let said = serve(&["--trust-authority", "/etc/hostname"]);
    assert!(said.contains("no certificate") && said.contains("hint:"), "{said}");
    assert!(serve(&["--public-url", "https://example.com/holdfast"]).contains("hint:"));
    let provider = ["--oidc-client-id", "x", "--oidc-role", "a=viewer", "--oidc-issuer"];
    assert!(serve(&[&provider[..], &["http://login.example"]].concat()).contains("https://"));
    serve(&["--oidc-issuer", "https://login.example", "--oidc-client-id", "x"]);
    serve(&[&provider[..], &["https://login.example", "--oidc-role", "a=king"]].concat());
}
