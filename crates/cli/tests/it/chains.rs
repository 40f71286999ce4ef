//! Chains: a full backup and increments on it, every link of which is restored; and what makes the next increment a full
//! backup instead.

use std::fs;
use std::path::PathBuf;

use client::ClientError;
use domain::{Backup, BackupCreate, BackupType, ErrorCode, FindingSeverity, RestoreStatus, VerificationStatus};
use testkit::Postgres;

use crate::damage::leftovers;
use crate::plane::{Plane, files_below};
use crate::servers::{self, TestServer};

/// Changes between the links of a chain that are more than new rows.
trait Changing: TestServer {
    /// A table is made, another dropped, the first renamed, and emptied: one in each round from 1 to 4, and before the full
    /// backup, in round 0, the one that will be dropped.
    fn change(&self, round: u32) {
        let statement = match round {
            0 => "create table early (id int primary key); insert into early values (1), (2)",
            1 => "create table late (id int primary key); insert into late values (1), (2), (3)",
            2 => "drop table early; insert into late values (4)",
            3 => "alter table late rename to renamed; insert into renamed values (5)",
            _ => "truncate table renamed; insert into renamed values (6)",
        };
        self.run(statement);
    }
    fn run(&self, statement: &str) -> Option<String>;
    /// What is in each of the tables that there are.
    fn tables(&self) -> String {
        let sum = |table: &&str| self.run(&format!("select '{table}', count(*), sum(id) from {table}"));
        ["early", "late", "renamed"].iter().filter_map(sum).collect::<Vec<_>>().join(", ")
    }
}

impl Changing for testkit::MariaDb {
    fn run(&self, statement: &str) -> Option<String> {
        self.sql(&format!("use it; {statement}")).ok()
    }
}

impl Changing for Postgres {
    fn run(&self, statement: &str) -> Option<String> {
        self.sql(statement).ok()
    }
}

async fn assert_full(plane: &Plane, backup: &Backup, reason: &str) {
    assert_eq!((backup.backup_type, backup.parent_id), (BackupType::Full, None), "{reason}");
    let log = plane.log_of(backup.job_id).await;
    let line = log.lines().find(|line| line.contains("instead of an increment"));
    assert!(line.is_some_and(|line| line.starts_with("warning") && log.contains(reason)), "{reason}\n{log}");
}

/// The refusal of a request.
fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> domain::Problem {
    match answer {
        Err(ClientError::Problem(problem)) => *problem,
        other => panic!("not refused: {other:?}"),
    }
}

async fn each_link_is_restored(server: &dyn Changing) {
    let (plane, _worker) = Plane::with_worker_for(server);
    server.write(1, 2000);
    server.change(0);
    let datastore = plane.register(server).await;
    let types = &datastore.capabilities.methods.first().expect("a method").types;
    assert_eq!(types, &[BackupType::Full, BackupType::Incremental], "{:?}", datastore.findings);

    // Asked for first, an increment is the full backup that the others are built on.
    let full = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &full, "no completed backup").await;
    let mut links = vec![(full, server.fingerprint(), server.tables())];
    for round in 1..=4 {
        server.write(2000 + round * 100, 100);
        server.change(round);
        let increment = plane.back_up_incrementally(datastore.id).await;
        let (parent, ..) = links.last().expect("a link");
        let log = plane.log_of(increment.job_id).await;
        assert_eq!(increment.backup_type, BackupType::Incremental, "{log}");
        assert_eq!(increment.parent_id, Some(parent.id));
        assert!(increment.original_size_bytes < links[0].0.original_size_bytes, "{increment:?}");
        links.push((increment, server.fingerprint(), server.tables()));
    }
    server.write(5000, 7);
    let told: Vec<&str> = links.iter().map(|(_, _, tables)| tables.as_str()).collect();
    assert!(told[0].starts_with("early") && told[4].starts_with("renamed") && told[4].len() < 20, "{told:?}");

    let numbers: Vec<i64> = links.iter().map(|(backup, ..)| backup.number).collect();
    let plan = plane.client.backup_restore_plan(links[4].0.id, &client::PlanQuery::default()).await.expect("a plan");
    assert_eq!((plan.chain.as_slice(), plan.obstacles.len()), (numbers.as_slice(), 0), "{plan:?}");
    assert!(plan.links_bytes > 0 && plan.needed_bytes > plan.links_bytes + plan.unpacked_bytes, "{plan:?}");
    let refused = refusal(plane.client.backup_delete(links[1].0.id).await);
    assert_eq!(refused.code, ErrorCode::BackupHasDependents);
    assert!(refused.detail.contains(&numbers[2].to_string()), "{}", refused.detail);

    for index in [4, 0, 2, 1, 3] {
        let (backup, fingerprint, tables) = &links[index];
        let restore = plane.restore(backup.id, &datastore.name).await;
        assert_eq!(&server.fingerprint(), fingerprint, "link {index}");
        assert_eq!(&server.tables(), tables, "link {index}");
        assert!(server.takes_writes(), "link {index}");
        let log = plane.log_of(restore.job_id).await;
        assert_eq!(log.contains(&format!("Joining {} backups", index + 1)), index > 0, "{log}");
        let links_left = leftovers(server).into_iter().filter(|path| path.to_string_lossy().ends_with("-links"));
        assert_eq!(links_left.collect::<Vec<PathBuf>>(), Vec::<PathBuf>::new());
    }

    // What was restored is another branch: it begins with a full backup, on which increments are built again.
    let branch = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &branch, "replaced by a restore").await;
    server.write(6000, 50);
    let then = server.fingerprint();
    let increment = plane.back_up_incrementally(datastore.id).await;
    assert_eq!(increment.parent_id, Some(branch.id), "{}", plane.log_of(increment.job_id).await);
    let restore = plane.restore(increment.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then);
    let undo = plane.client.restore_undo(restore.id).await.expect("the undo starts");
    plane.job_end(undo.id).await;
    assert_full(&plane, &plane.back_up_incrementally(datastore.id).await, "replaced by a restore or an undo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f70_each_link_of_a_chain_of_mariadb_is_restored() {
    each_link_is_restored(&servers::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f70_each_link_of_a_chain_of_postgresql_is_restored() {
    each_link_is_restored(&servers::postgres_18()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f62_a_worker_that_dies_amid_a_chain_leaves_no_links_behind() {
    let server = servers::mariadb();
    let (plane, mut worker) = Plane::with_worker();
    server.write(1, 300);
    let datastore = plane.register(&server).await;
    plane.back_up(datastore.id).await;
    server.write(301, 100);
    let increment = plane.back_up_incrementally(datastore.id).await;
    let then = server.fingerprint();
    for phase in ["fetching", "preparing"] {
        server.write(if phase == "fetching" { 1000 } else { 2000 }, 5);
        let restore = plane.start_restore(increment.id, &datastore.name).await;
        plane.phase(restore.job_id, phase).await;
        worker.kill();
        worker = plane.worker();
        let restore = plane.restore_end(restore.id).await;
        assert_eq!(restore.status, RestoreStatus::Completed, "{}", plane.log_of(restore.job_id).await);
        assert_eq!(server.fingerprint(), then, "killed while {phase}");
        let left: Vec<PathBuf> = leftovers(&server)
            .into_iter()
            .filter(|path| ["-links", "-staged"].iter().any(|end| path.to_string_lossy().ends_with(end)))
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "killed while {phase}");
    }
}

/// The stored files of a backup whose names begin so.
fn objects(plane: &Plane, backup: &Backup, name: &str) -> Vec<PathBuf> {
    let begins = |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name));
    files_below(&plane.folder(backup)).into_iter().filter(begins).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f33_nothing_is_built_on_a_damaged_chain_and_nothing_restored_from_it() {
    let server = servers::mariadb();
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 200);
    let datastore = plane.register(&server).await;
    let full = plane.back_up(datastore.id).await;
    let first = plane.back_up_incrementally(datastore.id).await;
    let second = plane.back_up_incrementally(datastore.id).await;
    assert_eq!((first.parent_id, second.parent_id), (Some(full.id), Some(first.id)));
    let now = server.fingerprint();

    let object = objects(&plane, &first, "base.").remove(0);
    let whole = fs::read(&object).expect("the object");
    fs::write(&object, &whole[..whole.len() / 2]).expect("damaged");
    let plan = plane.client.backup_restore_plan(second.id, &client::PlanQuery::default()).await.expect("a plan");
    let named = format!("Of backup {}", first.number);
    assert!(
        plan.obstacles.iter().any(|it| it.code == ErrorCode::ObjectCorrupted && it.detail.contains(&named)),
        "{plan:?}"
    );
    let restore = plane.restore_end(plane.start_restore(second.id, &datastore.name).await.id).await;
    assert_eq!(
        (restore.status, restore.error.map(|error| error.code)),
        (RestoreStatus::Failed, Some(ErrorCode::ObjectCorrupted))
    );
    assert_eq!(server.fingerprint(), now);
    assert_eq!(leftovers(&server), Vec::<PathBuf>::new());
    // A restore that only looked has replaced nothing: the chain's damage is the reason.
    let instead = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &instead, "base.000").await;

    // A change that only reading finds: verified, nothing is built on it any more.
    let next = plane.back_up_incrementally(datastore.id).await;
    assert_eq!(next.parent_id, Some(instead.id));
    let object = objects(&plane, &instead, "base.").remove(0);
    let mut bytes = fs::read(&object).expect("the object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, &bytes).expect("damaged");
    let job = plane.client.backup_verify(instead.id).await.expect("the verification starts");
    plane.job_end(job.id).await;
    let verified = plane.client.backup_get(instead.id).await.expect("the backup");
    assert_eq!(verified.verification.status, VerificationStatus::Failed);
    let instead = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &instead, "found damaged").await;

    // A manifest that is gone.
    fs::remove_file(plane.folder(&instead).join("manifest.json")).expect("removed");
    assert_full(&plane, &plane.back_up_incrementally(datastore.id).await, "manifest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f33_a_damaged_copy_of_postgresqls_manifest_ends_the_chain_but_hinders_no_restore() {
    let server = servers::postgres_18();
    let (plane, _worker) = Plane::with_worker_for(&server);
    server.write(1, 200);
    let datastore = plane.register(&server).await;
    let full = plane.back_up(datastore.id).await;
    let then = server.fingerprint();
    let object = objects(&plane, &full, "backup_manifest.").remove(0);
    let mut bytes = fs::read(&object).expect("the object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, &bytes).expect("damaged");
    let instead = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &instead, "backup_manifest.000").await;
    fs::remove_file(&object).expect("removed");
    server.write(201, 10);
    plane.restore(full.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_15_makes_no_increments_and_says_why() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let capability = datastore.capabilities.methods.first().expect("a method");
    assert_eq!(capability.types, [BackupType::Full]);
    let reason = capability.incremental_reason.as_deref().expect("a reason");
    assert!(reason.contains("came with PostgreSQL 17"), "{reason}");
    let asked = BackupCreate { method: None, backup_type: Some(BackupType::Incremental) };
    let refused = refusal(plane.client.backup_create(datastore.id, &asked).await);
    assert_eq!(refused.code, ErrorCode::UnsupportedMethod);
    assert_eq!(refused.detail, reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switched_off_summarizer_is_found_and_leaves_a_gap() {
    let server = servers::postgres_18();
    let (plane, _worker) = Plane::with_worker_for(&server);
    server.write(1, 200);
    let datastore = plane.register(&server).await;
    plane.back_up(datastore.id).await;
    let set = |value: &str| {
        let statement =
            format!("alter system set summarize_wal = '{value}'; select pg_reload_conf(); select pg_sleep(0.5)");
        server.sql(&statement).expect("set")
    };
    set("off");
    // What is known of the server is older: the job finds out.
    let off = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &off, "summarize_wal is off").await;
    let inspection = plane.client.datastore_test(datastore.id).await.expect("tested");
    let capability = inspection.capabilities.methods.first().expect("a method");
    assert_eq!(capability.types, [BackupType::Full]);
    assert!(capability.incremental_reason.as_deref().is_some_and(|reason| reason.contains("summarize_wal")));
    let finding =
        inspection.findings.iter().find(|finding| finding.detail.contains("summarize_wal")).expect("a finding");
    assert_eq!(finding.severity, FindingSeverity::Warning);
    assert!(finding.remedy.as_deref().is_some_and(|remedy| remedy.contains("ALTER SYSTEM SET summarize_wal")));
    let asked = BackupCreate { method: None, backup_type: Some(BackupType::Incremental) };
    let refused = refusal(plane.client.backup_create(datastore.id, &asked).await);
    assert!(refused.detail.contains("summarize_wal"), "{}", refused.detail);

    set("on");
    plane.client.datastore_test(datastore.id).await.expect("tested");
    let on = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &on, "made while summarize_wal was off").await;
    // With a while without summaries after the parent: the server itself refuses, in its own words.
    set("off");
    server.write(201, 50);
    server.sql("select pg_switch_wal(); checkpoint; select pg_switch_wal(); checkpoint").expect("the log goes on");
    set("on");
    let gap = plane.back_up_incrementally(datastore.id).await;
    assert_full(&plane, &gap, "WAL summaries are required").await;
    server.write(251, 50);
    let increment = plane.back_up_incrementally(datastore.id).await;
    assert_eq!(increment.parent_id, Some(gap.id), "{}", plane.log_of(increment.job_id).await);
}
