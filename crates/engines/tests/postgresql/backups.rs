//! Backups that succeed, and those that must not.

use std::time::Duration;

use domain::{ErrorCode, Secret};
use process::Signal;
use testkit::{Postgres, wait_until};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::setup::*;

/// Enough that the tool is busy while a test does something to it: its output is not read meanwhile.
fn fill(server: &Postgres) {
    server.sql("create table big as select g, repeat('x', 900) from generate_series(1, 30000) g").unwrap();
}

/// The `pg_basebackup` that works on a server's backup.
fn tool(server: &Postgres) -> i32 {
    let port = format!("PGPORT={}\0", server.port);
    let is_ours = |pid: &i32| {
        let read = |name: &str| {
            String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()).into_owned()
        };
        read("cmdline").split('\0').next().unwrap().ends_with("pg_basebackup") && read("environ").contains(&port)
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids: Vec<i32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(is_ours).collect();
    assert_eq!(pids.len(), 1, "{pids:?}");
    pids[0]
}

/// A password that is a part of the tools' own words: nothing that they say may be taken for a secret.
#[tokio::test]
async fn f81_a_password_like_an_ordinary_word_spoils_nothing() {
    let server = Postgres::start().unwrap();
    for password in ["base", "5", "completed", "data\\_:dir"] {
        server.sql(&format!("alter role holdfast password '{password}'")).unwrap();
        let mut datastore = access(&server);
        datastore.password = Some(Secret::new(password));
        assert!(!inspect(&datastore).await.capabilities.methods.is_empty());
        let mut running = start_backup(&datastore, &Log::default(), &CancellationToken::new()).await.unwrap();
        next_output(&mut running).await.read_to_end(&mut Vec::new()).await.unwrap();
        running.finish().await.unwrap();
    }
}

#[tokio::test]
async fn the_facts_of_a_backup_are_told() {
    let server = Postgres::start().unwrap();
    let stored = back_up(&server).await;
    let facts = &stored.facts;
    assert_eq!(facts.completion_mark, "pg_basebackup: base backup completed");
    assert_eq!(facts.unpacked_size_bytes, Some(stored.tar.len() as u64));
    let identifier = server.sql("select system_identifier from pg_control_system()").unwrap();
    assert_eq!(facts.server_identity.as_deref(), Some(identifier.as_str()));
    assert!(server.sql("show server_version").unwrap().starts_with(&facts.engine_version));
    let (start, end) = (&facts.engine_facts["start_lsn"], &facts.engine_facts["end_lsn"]);
    assert_eq!(facts.log_position, Some(format!("{start} … {end}, timeline 1")));
    assert_eq!(server.sql(&format!("select pg_lsn '{start}' < pg_lsn '{end}'")).unwrap(), "t");
    assert!(stored.log.contains("base backup completed"), "the tool's lines are in the log");
    assert!(!format!("{facts:?}{}", stored.log).contains(&server.backup_password));
    assert_eq!(facts.restore_commands[1], "cat base.*.tar.zst | zstd -dc | tar -x -f - -C DATA_DIRECTORY");
}

#[tokio::test]
async fn f80_the_password_is_in_no_argument_list() {
    let server = Postgres::start().unwrap();
    let canary = "canary-7f3a9c51";
    server.sql(&format!("alter role holdfast password '{canary}'")).unwrap();
    let mut datastore = access(&server);
    datastore.password = Some(Secret::new(canary));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let watcher = std::thread::spawn(move || {
        let mut tools = std::collections::BTreeSet::new();
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                let name = entry.file_name();
                if !name.to_string_lossy().starts_with(|c: char| c.is_ascii_digit()) {
                    continue;
                }
                let command_line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let command_line = String::from_utf8_lossy(&command_line).into_owned();
                assert!(!command_line.contains(canary), "{command_line}");
                tools.extend(["psql", "pg_basebackup"].into_iter().filter(|tool| command_line.contains(tool)));
            }
        }
        tools
    });
    assert!(inspect(&datastore).await.refusal.is_none());
    let mut running = start_backup(&datastore, &Log::default(), &CancellationToken::new()).await.unwrap();
    next_output(&mut running).await.read_to_end(&mut Vec::new()).await.unwrap();
    running.finish().await.unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(watcher.join().unwrap().contains("pg_basebackup"), "the watcher saw the tool");
}

#[tokio::test]
async fn f02_a_killed_tool_is_no_backup() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let mut running = start_backup(&access(&server), &Log::default(), &CancellationToken::new()).await.unwrap();
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 4096]).await.unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(tool(&server)), Signal::SIGKILL).unwrap();
    // What was in the pipe still comes, and then an end that looks like any other.
    output.read_to_end(&mut Vec::new()).await.unwrap();
    let error = running.finish().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::EngineToolFailed);
    assert!(error.to_job_error().detail.contains("SIGKILL"), "{error:?}");
    wait_until("the server has ended its part", Duration::from_secs(60), || {
        server.sql("select count(*) from pg_stat_progress_basebackup").unwrap() == "0"
    });
}

#[tokio::test]
async fn f02_a_backup_whose_output_was_not_read_is_none() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let mut running = start_backup(&access(&server), &Log::default(), &CancellationToken::new()).await.unwrap();
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 4096]).await.unwrap();
    drop(output);
    let error = running.finish().await.unwrap_err();
    assert!(matches!(error.code(), ErrorCode::EngineToolFailed | ErrorCode::BackupIncomplete), "{error:?}");
}

#[tokio::test]
async fn f04_cancelling_ends_the_tool_and_the_servers_part() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let cancel = CancellationToken::new();
    let mut running = start_backup(&access(&server), &Log::default(), &cancel).await.unwrap();
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 4096]).await.unwrap();
    cancel.cancel();
    assert!(running.finish().await.unwrap_err().is_cancelled());
    assert!(output.read_to_end(&mut Vec::new()).await.is_err(), "a cancelled stream does not just end");
    wait_until("the server has ended its part", Duration::from_secs(60), || {
        server.sql("select count(*) from pg_stat_progress_basebackup").unwrap() == "0"
    });
}

#[tokio::test]
async fn f50_a_restart_during_the_backup_is_noticed() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let mut running = start_backup(&access(&server), &Log::default(), &CancellationToken::new()).await.unwrap();
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 4096]).await.unwrap();
    server.crash().unwrap();
    server.start_again().unwrap();
    output.read_to_end(&mut Vec::new()).await.unwrap();
    let error = running.finish().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceChanged, "{error:?}");
    assert!(error.to_string().contains("restarted"), "{error}");
}

/// All of the output was read, and the tool was content: the restart comes just then.
#[tokio::test]
async fn f50_a_restart_right_after_the_last_byte_is_noticed() {
    let server = Postgres::start().unwrap();
    let mut running = start_backup(&access(&server), &Log::default(), &CancellationToken::new()).await.unwrap();
    next_output(&mut running).await.read_to_end(&mut Vec::new()).await.unwrap();
    server.restart().unwrap();
    let error = running.finish().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SourceChanged, "{error:?}");
}

#[tokio::test]
async fn f54_another_server_at_the_address_is_not_backed_up() {
    let server = Postgres::start().unwrap();
    let mut datastore = access(&server);
    datastore.server_identity = Some("7000000000000000000".into());
    let error = start_backup(&datastore, &Log::default(), &CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::ServerIdentityChanged);
    assert!(inspect(&datastore).await.capabilities.methods.is_empty());
}

#[tokio::test]
async fn a_backup_names_what_is_missing() {
    let server = Postgres::start().unwrap();
    server.sql("create role \"b k\"\"\" login password 'x'").unwrap();
    let mut datastore = access(&server);
    datastore.username = Some("b k\"".into());
    datastore.password = Some(Secret::new("x"));
    let error = start_backup(&datastore, &Log::default(), &CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::MissingPrivilege);
    assert!(error.to_string().ends_with("ALTER ROLE \"b k\"\"\" REPLICATION;"), "{error}");
    datastore.password = Some(Secret::new("wrong"));
    let error = start_backup(&datastore, &Log::default(), &CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
}
