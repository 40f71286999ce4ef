//! The commands that scripts give to a running control plane.

use std::process::{Command, Output};

use crate::plane::Plane;
use crate::servers::{self, TestServer};

fn ask(plane: &Plane, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(arguments)
        .args(["--server", plane.client.base()])
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_backs_up_verifies_and_restores() {
    let server = servers::mariadb();
    let (plane, _worker) = Plane::with_worker_for(&server);
    server.write(1, 100);
    let then = server.fingerprint();
    let datastore = plane.register(&server).await;
    let name = datastore.name.as_str();

    let (status, said, progress) = ask(&plane, &["backup", name]);
    assert!(status == Some(0) && said.contains("full") && said.contains("completed"), "{said}\n{progress}");
    assert!(progress.contains("completed"), "{progress}");
    let (status, said, _) = ask(&plane, &["backup", name, "--type", "incremental"]);
    assert!(status == Some(0) && said.contains("incremental"), "{said}");
    let (status, said, complaint) = ask(&plane, &["catalog", "list"]);
    assert_eq!((status, said.lines().count()), (Some(0), 3), "{said}\n{complaint}");
    let number = said.lines().nth(2).and_then(|line| line.split_whitespace().next()).expect("a number").to_owned();
    let (status, said, complaint) = ask(&plane, &["verify", &number]);
    assert_eq!((status, said.trim()), (Some(0), format!("Backup {number} is whole.").as_str()), "{complaint}");

    server.write(1000, 10);
    let now = server.fingerprint();
    let (status, said, complaint) = ask(&plane, &["restore", &number, "--confirm", "something else"]);
    assert!(status == Some(1) && said.is_empty() && complaint.contains("hint:"), "{complaint}");
    assert_eq!(server.fingerprint(), now, "nothing was touched");
    let (status, said, complaint) = ask(&plane, &["restore", &number, "--confirm", name]);
    assert!(status == Some(0) && said.contains("It can be undone until"), "{said}\n{complaint}");
    assert_eq!(server.fingerprint(), then);

    for unknown in [&["backup", "no such thing"][..], &["verify", "4711"], &["catalog", "list", "no such thing"]] {
        let (status, _, complaint) = ask(&plane, unknown);
        assert!(status == Some(2) && complaint.contains("There is no "), "{unknown:?}: {complaint}");
    }
    let (status, _, complaint) = ask(&plane, &["restore", &number, "--confirm", name, "--stop-position", "{"]);
    assert!(status == Some(2) && complaint.contains("no JSON"), "{complaint}");
}
