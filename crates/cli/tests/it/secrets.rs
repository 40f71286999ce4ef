//! No secret in arguments, logs, rows, answers, events or stored files, while everything runs. // F-80, F-81, I9
//!
//! Each secret that Holdfast is given or makes is planted and looked for everywhere: a new kind of secret is one line more in
//! [`Planted`].

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use domain::{DatastoreCreate, Secret, StorageConfig, StorageCreate, StoragePatch};
use serde_json::json;

use crate::plane::{Plane, Process, files_below};
use crate::servers;

/// A part of the password that survives any quoting of it.
const PASSWORD: &str = "d$(x)";
const S3_SECRET: &str = "canary-s3-secret-5Jt";
const NEW_S3_SECRET: &str = "canary-s3-secret-9Kw";
const DRAFT_PASSWORD: &str = "canary-draft-password-2Qx";
const USER_PASSWORD: &str = "canary-user-password-8Vp";
const WRONG_PASSWORD: &str = "canary-wrong-password-3Lm";
/// Stands in the log and the answers: what shows that the search finds what is there.
const VISIBLE: &str = "canary-visible-name-7Ry";

/// The secrets, and where each may lie: the files that are there to hold it.
struct Planted(Vec<(&'static str, Vec<u8>, Vec<PathBuf>)>);

impl Planted {
    fn of(plane: &Plane) -> Self {
        let file = |name: &str| plane.directory.path().join(name);
        let read = |name: &str| fs::read(file(name)).expect("the file");
        let key = read("master.key");
        Self(vec![
            ("the database's password", PASSWORD.into(), vec![]),
            ("the password of a draft", DRAFT_PASSWORD.into(), vec![]),
            ("the secret of a bucket", S3_SECRET.into(), vec![]),
            ("the new secret of a bucket", NEW_S3_SECRET.into(), vec![]),
            ("the worker's token", read("worker.token"), vec![file("worker.token")]),
            ("the master key", key.clone(), vec![file("master.key")]),
            ("the master key in digits", hex(&key), vec![]),
        ])
    }

    /// One that Holdfast has made, which nothing may hold from now on.
    fn add(&mut self, name: &'static str, secret: &str) {
        assert!(secret.len() >= 16, "{name}: {secret:?} is found by chance");
        self.0.push((name, secret.into(), vec![]));
    }

    /// Which of them the bytes hold.
    fn found_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        self.0.iter().filter(|(_, secret, _)| holds(bytes, secret)).map(|(name, _, _)| *name).collect()
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// Whether a process was started by this one or by one that it started; one that is gone already counts as such.
fn is_below(pid: &str) -> bool {
    let mut pid = pid.to_owned();
    loop {
        if pid == std::process::id().to_string() {
            return true;
        }
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return true };
        match status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim) {
            Some(parent) if parent != "0" => pid = parent.to_owned(),
            _ => return false,
        }
    }
}

/// Watches the arguments of every process that the test starts, and of theirs, until it is ended.
struct Watcher {
    done: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watcher {
    fn start() -> Self {
        let (done, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = std::thread::spawn({
            let (done, seen) = (Arc::clone(&done), Arc::clone(&seen));
            let mut known = std::collections::HashSet::new();
            move || {
                while !done.load(Ordering::Relaxed) {
                    for entry in fs::read_dir("/proc").expect("proc").flatten() {
                        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                        let is_new = !line.is_empty() && !known.contains(&line);
                        if is_new && is_below(&entry.file_name().to_string_lossy()) {
                            known.insert(line.clone());
                            seen.lock().expect("unpoisoned").push(line);
                        }
                    }
                }
            }
        });
        Self { done, seen, thread: Some(thread) }
    }

    fn end(mut self) -> Vec<Vec<u8>> {
        self.done.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("the watcher ends");
        std::mem::take(&mut self.seen.lock().expect("unpoisoned"))
    }
}

/// Claims the service, and has every secret made that people and programs get. Gives an API token.
async fn claim(plane: &Plane, planted: &mut Planted) -> String {
    let http = reqwest::Client::new();
    let post = async |path: &str, cookie: &str, body: serde_json::Value| {
        let request = http.post(format!("{}/api/v1/{path}", plane.client.base())).header("x-holdfast-request", "1");
        let answer = request.header("cookie", cookie).json(&body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let cookie = answer.headers().get("set-cookie").map(|cookie| cookie.to_str().expect("text").to_owned());
        (status, cookie.unwrap_or_default(), answer.json::<serde_json::Value>().await.unwrap_or_default())
    };
    let text = |answer: &serde_json::Value, field: &str| answer[field].as_str().expect("text").to_owned();
    let user = json!({"username": "canary", "grants": [{"role": "administrator"}]});
    let (status, _, made) = post("users", "", user).await;
    assert_eq!(status, 201, "{made}");
    let link = text(&made, "setup_link_token");
    planted.add("a one-time link", &link);
    planted.add("a user's password", USER_PASSWORD);
    planted.add("a wrong password", WRONG_PASSWORD);
    let (status, cookie, me) = post("auth/setup", "", json!({"token": link, "password": USER_PASSWORD})).await;
    assert_eq!(status, 200, "{me}");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    planted.add("a session", cookie.split_once('=').expect("a value").1);
    let (status, _, _) = post("auth/login", "", json!({"username": "canary", "password": WRONG_PASSWORD})).await;
    assert_eq!(status, 401);
    let (status, _, factor) = post("auth/two-factor", &cookie, json!({})).await;
    assert_eq!(status, 200, "{factor}");
    planted.add("the secret of a second factor", &text(&factor, "secret"));
    let (status, _, made) = post("tokens", &cookie, json!({"name": "canary", "role": "administrator"})).await;
    assert_eq!(status, 201, "{made}");
    let token = text(&made, "secret");
    planted.add("an API token", &token);
    token
}

/// Everything that the API answers with `GET`, for each thing that there is.
async fn all_answers(plane: &Plane, token: &str) -> Vec<u8> {
    let http = reqwest::Client::new();
    let base = plane.client.base();
    let get = async |path: &str| {
        let answer = http.get(format!("{base}{path}")).bearer_auth(token).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path} answers {}", answer.status());
        answer.bytes().await.expect("a body").to_vec()
    };
    let mut answers = Vec::new();
    let lists = [
        "datastores",
        "storages",
        "jobs",
        "workers",
        "users",
        "tokens",
        "projects",
        "auth/me",
        "audit-events",
        "audit-events/export?format=csv",
    ];
    let mut paths = lists.map(|name| format!("/api/v1/{name}")).to_vec();
    for name in ["datastores", "jobs"] {
        let page: serde_json::Value = serde_json::from_slice(&get(&format!("/api/v1/{name}")).await).expect("JSON");
        for item in page["items"].as_array().expect("items") {
            let id = item["id"].as_str().expect("an id");
            let below: &[&str] = match name {
                "jobs" => &["", "/log"],
                _ => &[
                    "",
                    "/backups",
                    "/restores",
                    "/schedules",
                    "/backup-settings",
                    "/retention-plan",
                    "/recovery-window",
                ],
            };
            paths.extend(below.iter().map(|rest| format!("/api/v1/{name}/{id}{rest}")));
        }
    }
    paths.extend(["/metrics", "/openapi.json"].map(str::to_owned));
    for path in paths {
        answers.extend(get(&path).await);
    }
    answers
}

/// The service and a worker, each with all that it logs in a file.
fn start(logs: &tempfile::TempDir, programs: Option<PathBuf>) -> (Plane, Process) {
    let log = |name: &str| fs::File::create(logs.path().join(name)).expect("a log");
    let mut plane = Plane::start_logging("trace", log("service.log"));
    plane.programs = programs;
    let mut command = plane.worker_process();
    command.env("HOLDFAST_LOG", "trace");
    let worker = Process::spawn({
        command.stderr(log("worker.log"));
        command
    });
    (plane, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn f80_f81_no_secret_is_to_be_seen_anywhere() {
    assert!(testkit::BACKUP_PASSWORD.contains(PASSWORD));
    let logs = tempfile::tempdir().expect("a directory");
    let watcher = Watcher::start();
    let servers = servers::all();
    let (plane, worker) = start(&logs, servers.iter().find_map(|server| server.programs()));
    let mut planted = Planted::of(&plane);
    let events = follow(&plane);
    let draft = |name: &str| DatastoreCreate {
        name: name.to_owned(),
        password: Some(Secret::new(DRAFT_PASSWORD)),
        port: Some(1),
        ..servers[0].registration()
    };
    crate::plane::wait_for_worker(&plane).await;
    plane.client.datastore_test_draft(&draft("draft")).await.expect("tested, and not reached");
    plane.client.datastore_create(&draft(VISIBLE)).await.expect("registered, and not reached");
    keep_a_bucket(&plane, servers[0].as_ref()).await;
    let mut answers = Vec::new();
    for server in &servers {
        server.write(1, 100);
        let registration =
            DatastoreCreate { name: format!("{} {}", server.name(), server.port()), ..server.registration() };
        let datastore = plane.client.datastore_create(&registration).await.expect("registered");
        let backup = plane.back_up(datastore.id).await;
        let restore = plane.restore(backup.id, &datastore.name).await;
        answers.extend(serde_json::to_vec(&datastore).expect("JSON"));
        answers.extend(plane.log_of(restore.job_id).await.into_bytes());
    }
    let token = claim(&plane, &mut planted).await;
    answers.extend(all_answers(&plane, &token).await);
    let events = events.lock().expect("unpoisoned").clone();
    let arguments = watcher.end();
    drop(worker);

    assert!(holds(&answers, VISIBLE.as_bytes()), "what is there is found");
    assert!(holds(&events, b"event: backup"), "events came");
    assert!(arguments.iter().any(|line| holds(line, b"--token-file")), "arguments were seen");
    for line in &arguments {
        assert_eq!(planted.found_in(line), Vec::<&str>::new(), "in {}", String::from_utf8_lossy(line));
    }
    for (where_to, bytes) in [("an answer", &answers), ("an event", &events)] {
        assert_eq!(planted.found_in(bytes), Vec::<&str>::new(), "in {where_to}");
    }
    for path in files_below(logs.path()) {
        let log = fs::read(&path).expect("the log");
        assert!(log.len() > 1000, "{} holds something", path.display());
        assert_eq!(planted.found_in(&log), Vec::<&str>::new(), "in {}", path.display());
    }
    let mut found_visible = false;
    for path in files_below(plane.directory.path()) {
        let bytes = fs::read(&path).unwrap_or_default();
        found_visible |= holds(&bytes, VISIBLE.as_bytes());
        for (name, secret, places) in &planted.0 {
            assert!(places.contains(&path) || !holds(&bytes, secret), "{name} in {}", path.display());
        }
    }
    assert!(found_visible, "the rows were searched");
}

/// A bucket that is not there: its secret is made, changed, and used in vain.
async fn keep_a_bucket(plane: &Plane, server: &dyn servers::TestServer) {
    let config = StorageConfig::S3 {
        bucket: "holdfast".into(),
        region: None,
        endpoint: Some("http://127.0.0.1:9".into()),
        prefix: None,
        access_key_id: "AKIAEXAMPLE".into(),
    };
    let create = StorageCreate { name: "bucket".into(), config, secret_access_key: Some(Secret::new(S3_SECRET)) };
    let storage = plane.client.storage_create(&create).await.expect("it is added");
    let patch = StoragePatch { secret_access_key: Some(Secret::new(NEW_S3_SECRET)), ..StoragePatch::default() };
    plane.client.storage_patch(storage.id, &patch).await.expect("it is changed");
    let registration =
        DatastoreCreate { name: "to the bucket".into(), storage_id: Some(storage.id), ..server.registration() };
    let datastore = plane.client.datastore_create(&registration).await.expect("registered");
    let backup = plane.start_backup(datastore.id).await;
    let ended = plane.backup_end(backup.id).await;
    assert_eq!(ended.status, domain::JobStatus::Failed, "nobody answers for the bucket");
}

/// All that the event stream says, from now on.
fn follow(plane: &Plane) -> Arc<Mutex<Vec<u8>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (url, into) = (format!("{}/api/v1/events", plane.client.base()), Arc::clone(&heard));
    tokio::spawn(async move {
        let mut stream = reqwest::Client::new().get(url).send().await.expect("the stream");
        while let Ok(Some(chunk)) = stream.chunk().await {
            into.lock().expect("unpoisoned").extend_from_slice(&chunk);
        }
    });
    heard
}

#[test]
fn a_search_finds_what_is_there() {
    assert!(holds(b"xxcanaryxx", b"canary") && !holds(b"xxcanarxx", b"canary") && !holds(b"", b"canary"));
    assert_eq!(hex(&[0, 171]), b"00ab");
}
