//! No secret in arguments, logs, rows, answers or stored files, while everything runs. // F-80, F-81, I9

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::plane::{Plane, files_below};
use crate::servers;

/// Parts of the password that survive any quoting of it.
const CANARY: &str = "d$(x)";

#[tokio::test(flavor = "multi_thread")]
async fn f80_f81_the_password_is_nowhere_to_be_seen() {
    assert!(testkit::BACKUP_PASSWORD.contains(CANARY));
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let done = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (seen, done) = (Arc::clone(&seen), Arc::clone(&done));
        move || {
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").expect("proc").flatten() {
                    let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    if String::from_utf8_lossy(&command_line).contains(CANARY) {
                        seen.lock().expect("unpoisoned").push(String::from_utf8_lossy(&command_line).into_owned());
                    }
                }
            }
        }
    });
    let servers = servers::all();
    let mut plane = Plane::start();
    plane.programs = servers.iter().find_map(|server| server.programs());
    let _worker = plane.worker();
    let mut answers = String::new();
    for server in servers {
        server.write(1, 100);
        let registration =
            domain::DatastoreCreate { name: format!("{} {}", server.name(), server.port()), ..server.registration() };
        let datastore = plane.client.datastore_create(&registration).await.expect("registered");
        let backup = plane.back_up(datastore.id).await;
        let restore = plane.restore(backup.id, &datastore.name).await;
        answers.push_str(&serde_json::to_string(&datastore).expect("JSON"));
        answers.push_str(&serde_json::to_string(&backup).expect("JSON"));
        answers.push_str(&plane.log_of(backup.job_id).await);
        answers.push_str(&plane.log_of(restore.job_id).await);
    }
    done.store(true, Ordering::Relaxed);
    watcher.join().expect("the watcher ends");
    assert_eq!(*seen.lock().expect("unpoisoned"), Vec::<String>::new(), "in a command line");
    assert!(!answers.contains(CANARY), "in an answer or a log");
    for path in files_below(plane.directory.path()) {
        let bytes = fs::read(&path).unwrap_or_default();
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "in {}", path.display());
    }
}
