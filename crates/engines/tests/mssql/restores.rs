//! Restores on the double.

use domain::{ErrorCode, RestoreTarget};
use testkit::Mssql;

use super::harness::{Restoring, full, log, served};
use super::scenarios;
use super::server::Server;

#[tokio::test]
async fn a_full_backup_comes_back_over_what_was_done_since() {
    scenarios::a_full_backup_comes_back_over_what_was_done_since(&Server::double()).await;
}

#[tokio::test]
async fn sql_server_2019_too() {
    let server = Server::start(Mssql::builder().version_2019());
    scenarios::a_full_backup_comes_back_over_what_was_done_since(&server).await;
}

#[tokio::test]
async fn a_chain_comes_back_to_each_of_its_commits() {
    scenarios::a_chain_comes_back_to_each_of_its_commits(&Server::double()).await;
}

#[tokio::test]
async fn an_undo_brings_back_what_was_replaced() {
    scenarios::an_undo_brings_back_what_was_replaced(&Server::double()).await;
}

#[tokio::test]
async fn f82_databases_of_any_name_are_backed_up_and_restored() {
    scenarios::f82_databases_of_any_name_are_backed_up_and_restored(&Server::double()).await;
}

#[tokio::test]
async fn a_database_that_was_dropped_is_made_again() {
    scenarios::a_database_that_was_dropped_is_made_again(&Server::double()).await;
}

#[tokio::test]
async fn discarding_leaves_no_file_of_a_database_that_is_gone() {
    let server = Server::double();
    server.create("shop").await;
    let backup = full(&server.access).await;
    let restoring = Restoring::new(&server.access, &[&backup], None);
    let staged = restoring.run().await.expect("restore");
    let files = |server: &Server| std::fs::read_dir(&server.fake().directory).expect("list").count();
    let both = files(&server);
    for _ in 0..2 {
        served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
        assert_eq!(files(&server), both - 2, "its data and its log");
    }
}

#[tokio::test]
async fn the_plan_tells_what_is_replaced_made_and_left_alone() {
    let server = Server::double();
    for name in ["kept", "gone"] {
        server.create(name).await;
    }
    let backup = full(&server.access).await;
    server.sql("DROP DATABASE [gone]").await;
    server.create("other").await;
    let plan = served().check(&Restoring::new(&server.access, &[&backup], None).request).await;
    assert_eq!(
        (plan.replaced, plan.created, plan.untouched),
        (vec!["kept".into()], vec!["gone".into()], vec!["other".into()])
    );
    assert_eq!(plan.obstacles, []);
    let mut new = Restoring::new(&server.access, &[&backup], None);
    new.request.target = RestoreTarget::NewDatastore { name: "new".into() };
    assert_eq!(served().check(&new.request).await.obstacles[0].code, ErrorCode::TargetNotSupported);
}

#[tokio::test]
async fn f64_a_backup_of_a_newer_version_is_refused_before_anything_is_touched() {
    let (newer, older) = (Server::double(), Server::start(Mssql::builder().version_2019()));
    newer.create("shop").await;
    let backup = full(&newer.access).await;
    let refused = Restoring::new(&older.access, &[&backup], None).run().await.expect_err("newer");
    assert_eq!(refused.0, ErrorCode::IncompatibleEngineVersion, "{}", refused.1);
}

#[tokio::test]
async fn a_database_in_an_availability_group_is_refused_with_the_reason() {
    let server = Server::double();
    server.create("shop").await;
    let backup = full(&server.access).await;
    server.fake().join_group("shop");
    let refused = Restoring::new(&server.access, &[&backup], None).run().await.expect_err("in a group");
    assert_eq!(refused.0, ErrorCode::TargetNotSupported);
    assert!(refused.1.contains("availability group") && refused.1.contains("REMOVE DATABASE [shop]"), "{}", refused.1);
}

#[tokio::test]
async fn f40_too_little_room_on_the_server_is_told_before_anything_is_touched() {
    let server = Server::double();
    server.create("shop").await;
    let backup = full(&server.access).await;
    server.fake().set_free_bytes(1 << 20);
    let refused = Restoring::new(&server.access, &[&backup], None).run().await.expect_err("full");
    assert_eq!(refused.0, ErrorCode::InsufficientDiskSpace, "{}", refused.1);
}

#[tokio::test]
async fn f33_a_damaged_backup_is_refused_by_the_server_and_leaves_nothing() {
    let server = Server::double();
    server.create("shop").await;
    server.insert("shop", "1").await;
    let mut backup = full(&server.access).await;
    let content = backup.streams.get_mut("database-000").expect("a stream");
    let last = content.len() - 2;
    content[last] ^= 1;
    let refused = Restoring::new(&server.access, &[&backup], None).run().await.expect_err("damaged");
    assert_eq!(refused.0, ErrorCode::EngineToolFailed, "{}", refused.1);
    assert_eq!(server.databases().await.len(), 1);
    assert_eq!(server.shared_files(), Vec::<String>::new());
    assert_eq!(server.entries("shop").await, ["1"]);
}

#[tokio::test]
async fn users_without_logins_are_named_with_the_statement_that_joins_them() {
    let server = Server::double();
    server.create("shop").await;
    server.fake().add_user("shop", "it's me", "gone");
    server.fake().add_user("shop", testkit::BACKUP_USER, testkit::BACKUP_USER);
    let backup = full(&server.access).await;
    let restoring = Restoring::new(&server.access, &[&backup], None);
    restoring.run().await.expect("restore");
    let text = restoring.log.text();
    assert!(text.contains("ALTER USER [it's me] WITH LOGIN = [it's me]") && !text.contains("[holdfast]"), "{text}");
}

#[tokio::test]
async fn the_last_of_the_log_is_saved_before_a_database_is_put_aside() {
    let server = Server::double();
    server.create("shop").await;
    let backup = full(&server.access).await;
    server.insert("shop", "not backed up").await;
    let restoring = Restoring::new(&server.access, &[&backup], None);
    restoring.run().await.expect("restore");
    let tail = restoring.request.place.keep_directory.join("tail-000.bak");
    assert!(std::fs::read_to_string(tail).expect("the tail").contains("not backed up"));
    assert_eq!(server.fake().history().last().map(|set| (set.1, set.2)), Some(('L', true)), "copy-only");
}

#[tokio::test]
async fn logs_are_restored_to_their_end_when_no_stop_is_given() {
    let server = Server::double();
    server.create("shop").await;
    let base = full(&server.access).await;
    server.insert("shop", "1").await;
    let first = log(&server.access, &base).await;
    server.insert("shop", "2").await;
    let second = log(&server.access, &first).await;
    server.delete_all("shop").await;
    let stop = Some(domain::RecoveryStop::Latest);
    Restoring::new(&server.access, &[&base, &first, &second], stop).run().await.expect("restore");
    assert_eq!(server.entries("shop").await, ["1", "2"]);
}
