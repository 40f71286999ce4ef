//! Increments: what they are built on, and that only a whole chain in its order is joined.

use std::fs;
use std::path::PathBuf;

use domain::assignment::DatastoreAccess;
use domain::{BackupType, Engine, ErrorCode, Manifest, Method};
use engines::{EngineError, Parent, Staging};
use testkit::MariaDb;

use super::harness::*;

/// What is said of a parent, and what makes it so.
type Doubt = (&'static str, fn(&mut Manifest));

fn fill(server: &MariaDb, from: u32) {
    let sql = format!(
        "create database if not exists shop; use shop;
         create table if not exists items (id int primary key, note varchar(200));
         create table if not exists old_{from} (id int) engine=Aria;
         insert into items select seq, repeat('x', 150) from seq_{from}_to_{};",
        from + 499
    );
    server.sql(&sql).expect("fill");
}

fn parent(access: &DatastoreAccess, made: &Made) -> Manifest {
    manifest(access, Method::Mariabackup, &made.facts)
}

async fn back_up_on(access: &DatastoreAccess, manifest: Manifest) -> Result<Made, EngineError> {
    let parent = Parent { manifest, continuation: None, folders: vec!["full".into(), "this".into()] };
    back_up_with(access, Method::Mariabackup, Some(parent)).await
}

/// Unpacks each link beside the staging directory, as a worker does.
async fn unpacked(staging: &Staging, made: &[&Made]) -> Vec<Staging> {
    let mut links = Vec::new();
    for made in made {
        let link = stage(&staging.datastore, &staging.live_directory, staging.manifest.clone(), &made.log);
        unpack(&link, &made.stream).await.expect("unpack");
        links.push(link);
    }
    links
}

#[tokio::test(flavor = "multi_thread")]
async fn f70_a_chain_is_joined_in_its_order_and_in_no_other() {
    let server = MariaDb::start().expect("start");
    fill(&server, 1);
    let access = access(Engine::Mariadb, server.port);
    let full = back_up(&access, Method::Mariabackup).await.expect("full");
    fill(&server, 1001);
    let watch = ArgumentWatch::start("mariadb-backup", &[testkit::BACKUP_PASSWORD, "p'w\"d$(x)"]);
    let first = back_up_on(&access, parent(&access, &full)).await.expect("first increment");
    watch.assert_quiet();
    let end = &full.facts.engine_facts["to_lsn"];
    assert_eq!(&first.facts.engine_facts["from_lsn"], end);
    assert!(first.facts.command_line.contains(&format!("--incremental-lsn={end}")), "{:?}", first.facts.command_line);
    fill(&server, 2001);
    let second = back_up_on(&access, parent(&access, &first)).await.expect("second increment");
    let before = server.sql("select count(*), sum(id) from shop.items").expect("read");

    let log = Log::default();
    let swapped = stage(&access, &server.data_directory, parent(&access, &second), &log);
    let links = unpacked(&swapped, &[&full, &second, &first]).await;
    let refused = driver(Engine::Mariadb).join(&swapped, &links).await.expect_err("the order is wrong");
    assert_eq!(refused.code(), ErrorCode::EngineToolFailed, "{refused:?}\n{}", log.text());

    let staging = stage(&access, &server.data_directory, parent(&access, &second), &log);
    let links = unpacked(&staging, &[&full, &first, &second]).await;
    driver(Engine::Mariadb).join(&staging, &links).await.unwrap_or_else(|error| panic!("{error:?}\n{}", log.text()));
    assert!(links.iter().all(|link| !link.directory.exists()), "the links are used up");
    driver(Engine::Mariadb).prepare(&staging).await.expect("prepare");
    driver(Engine::Mariadb).probe_staged(&staging).await.expect("probe");
    server.sql("drop database shop").expect("damage");
    server.stop().expect("stop");
    switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    assert_eq!(server.sql("select count(*), sum(id) from shop.items").expect("read"), before);
    server.sql("check table shop.old_1, shop.old_1001, shop.old_2001").expect("Aria's tables are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn f83_a_link_in_an_increment_is_refused() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    let full = back_up(&access, Method::Mariabackup).await.expect("full");
    let increment = back_up_on(&access, parent(&access, &full)).await.expect("increment");
    let staging = stage(&access, &server.data_directory, parent(&access, &increment), &Log::default());
    let links = unpacked(&staging, &[&full, &increment]).await;
    fs::create_dir(links[1].directory.join("shop")).expect("a directory");
    fs::write(links[1].directory.join("shop/evil.isl"), "/etc/passwd").expect("a file");
    let refused = driver(Engine::Mariadb).join(&staging, &links).await.expect_err("refused");
    assert_eq!(refused.code(), ErrorCode::ServerSettingMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn f54_nothing_is_built_on_a_parent_that_the_servers_data_does_not_continue() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    let full = back_up(&access, Method::Mariabackup).await.expect("full");
    let doubts: [Doubt; 4] = [
        ("of another server", |manifest| manifest.server_identity = Some("another".into())),
        ("was made with MariaDB 10.6.1", |manifest| manifest.engine_version = "10.6.1-MariaDB".into()),
        ("its data was replaced", |manifest| {
            manifest.engine_facts.insert("to_lsn".into(), "99999999999".into());
        }),
        ("does not tell", |manifest| {
            manifest.engine_facts.remove("to_lsn");
        }),
    ];
    for (expected, change) in doubts {
        let mut manifest = parent(&access, &full);
        change(&mut manifest);
        match back_up_on(&access, manifest).await {
            Err(EngineError::ParentUnusable { reason }) => assert!(reason.contains(expected), "{reason}"),
            Err(other) => panic!("{expected}: {other:?}"),
            Ok(_) => panic!("{expected}: built on it"),
        }
    }
    let mut asked = request(&access, Method::Mariabackup, &PathBuf::from("/nonexistent"), &Log::default());
    asked.backup_type = BackupType::Incremental;
    let Err(refused) = driver(Engine::Mariadb).backup(asked).await else { panic!("an increment on nothing") };
    assert_eq!(refused.code(), ErrorCode::UnsupportedMethod);
}
