//! Databases restored under other names, beside those in use.

use domain::{DatabaseCopy, ErrorCode, RestoreTarget};

use super::harness::{Restoring, Stored, full, served, told};
use super::scenarios;
use super::server::Server;

/// A restore of databases under other names.
pub fn copying(server: &Server, chain: &[&Stored], copies: &[(&str, &str)]) -> Restoring {
    let mut restoring = Restoring::new(&server.access, chain, None);
    let copy = |(name, new_name): &(&str, &str)| DatabaseCopy { name: (*name).into(), new_name: (*new_name).into() };
    restoring.request.target = RestoreTarget::NewDatabases { databases: copies.iter().map(copy).collect() };
    restoring
}

#[tokio::test]
async fn one_database_of_a_backup_comes_beside_itself_at_an_earlier_time() {
    scenarios::one_database_of_a_backup_comes_beside_itself_at_an_earlier_time(&Server::double()).await;
}

#[tokio::test]
async fn f82_copies_of_any_name_are_made() {
    scenarios::f82_copies_of_any_name_are_made(&Server::double()).await;
}

#[tokio::test]
async fn the_plan_of_copies_reads_only_their_streams_and_replaces_nothing() {
    let server = Server::double();
    for name in ["one", "two"] {
        server.create(name).await;
    }
    let backup = full(&server.access).await;
    let plan = served().check(&copying(&server, &[&backup], &[("two", "three")]).request).await;
    assert_eq!(
        (plan.replaced.len(), plan.created, plan.untouched),
        (0, vec!["three".into()], vec!["one".into(), "two".into()])
    );
    assert_eq!((plan.streams, plan.obstacles), (vec![(0, "database-001".to_owned())], vec![]));
}

#[tokio::test]
async fn copies_that_cant_be_are_refused_before_anything_is_touched() {
    let server = Server::double();
    for name in ["one", "two"] {
        server.create(name).await;
    }
    let backup = full(&server.access).await;
    for (copy, code) in [
        (("one", "TWO"), ErrorCode::NameTaken),
        (("one", "one"), ErrorCode::NameTaken),
        (("one", "master"), ErrorCode::NameTaken),
        (("three", "four"), ErrorCode::NotFound),
    ] {
        let refused = copying(&server, &[&backup], &[copy]).run().await.expect_err("refused");
        assert_eq!(refused.0, code, "{}", refused.1);
    }
    assert_eq!(server.databases().await.len(), 2);
}

#[tokio::test]
async fn a_database_that_is_made_while_its_name_is_wanted_is_left_alone() {
    let server = Server::double();
    server.create("shop").await;
    server.insert("shop", "1").await;
    let backup = full(&server.access).await;
    let restoring = copying(&server, &[&backup], &[("shop", "first"), ("shop", "second")]);
    let (request, place) = (&restoring.request, &restoring.request.place);
    let staged = served().stage(request).await.expect("stage");
    server.create("second").await;
    server.insert("second", "somebody's").await;
    let refused = served().switch(request, &staged.state).await.expect_err("taken");
    assert_eq!(told(&refused).0, ErrorCode::NameTaken);
    served().take_back(place, &staged.state).await.expect("take back");
    served().discard(place, Some(&staged.state)).await.expect("discard");
    let names: Vec<String> = server.databases().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["second", "shop"]);
    assert_eq!(server.entries("second").await, ["somebody's"]);
}
