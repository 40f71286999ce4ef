//! A switch and its way back, cut at each statement: old or new, whole. // F-62

use testkit::MssqlCut;

use super::harness::{Restoring, Stored, full, served};
use super::server::Server;

/// Two databases with a row that the backup has and one that it has not.
async fn two() -> (Server, Stored) {
    let server = Server::double();
    for name in ["one", "two"] {
        server.create(name).await;
        server.insert(name, "backed up").await;
    }
    let backup = full(&server.access).await;
    for name in ["one", "two"] {
        server.insert(name, "later").await;
    }
    (server, backup)
}

async fn assert_old(server: &Server, when: &str) {
    for name in ["one", "two"] {
        assert_eq!(server.entries(name).await, ["backed up", "later"], "{when}");
    }
    let names: Vec<_> =
        server.fake().databases().into_iter().filter(|(name, ..)| !name.contains("_holdfast_")).collect();
    let expected = [("one".to_owned(), "ONLINE", false), ("two".to_owned(), "ONLINE", false)];
    assert_eq!(names, expected, "{when}");
}

#[tokio::test]
async fn f62_a_switch_that_is_cut_at_any_statement_is_taken_back_whole() {
    for cut in [MssqlCut::Before, MssqlCut::After] {
        for number in 0.. {
            let (server, backup) = two().await;
            let restoring = Restoring::new(&server.access, &[&backup], None);
            let (request, place) = (&restoring.request, &restoring.request.place);
            let staged = served().stage(request).await.expect("stage");
            server.fake().cut_at(number, cut);
            let switched = served().switch(request, &staged.state).await;
            if server.fake().is_cut_pending() {
                switched.expect("nothing was cut");
                assert!(number >= 8, "{number} statements");
                break;
            }
            let when = format!("cut {cut:?} statement {number}");
            // What is cut may be the tail of the log or the last word: then the switch goes on.
            if switched.is_ok() {
                assert_eq!(server.entries("one").await, ["backed up"], "{when}");
            }
            served().take_back(place, &staged.state).await.unwrap_or_else(|error| panic!("{when}: {error}"));
            assert_old(&server, &when).await;
            served().discard(place, Some(&staged.state)).await.expect("discard");
            assert_eq!(server.databases().await.len(), 2, "{when}");
        }
    }
}

#[tokio::test]
async fn f62_a_way_back_that_is_cut_at_any_statement_is_gone_again_to_its_end() {
    for cut in [MssqlCut::Before, MssqlCut::After] {
        for number in 0.. {
            let (server, backup) = two().await;
            let restoring = Restoring::new(&server.access, &[&backup], None);
            let staged = restoring.run().await.expect("restore");
            let place = &restoring.request.place;
            server.fake().cut_at(number, cut);
            let taken = served().take_back(place, &staged.state).await;
            if server.fake().is_cut_pending() {
                taken.expect("nothing was cut");
                break;
            }
            served().take_back(place, &staged.state).await.expect("again");
            assert_old(&server, &format!("cut {cut:?} statement {number}")).await;
        }
    }
}

#[tokio::test]
async fn f62_a_stage_that_is_cut_at_any_statement_touches_nothing_in_use_and_is_removed() {
    for number in 0.. {
        let (server, backup) = two().await;
        let restoring = Restoring::new(&server.access, &[&backup], None);
        server.fake().cut_at(number, MssqlCut::After);
        let staged = served().stage(&restoring.request).await;
        if server.fake().is_cut_pending() {
            staged.expect("nothing was cut");
            break;
        }
        staged.expect_err("cut");
        served().discard(&restoring.request.place, None).await.expect("discard");
        assert_old(&server, &format!("statement {number}")).await;
        assert_eq!(server.databases().await.len(), 2);
        assert_eq!(server.shared_files(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn whoever_uses_a_database_is_put_out_by_the_switch() {
    let (server, backup) = two().await;
    let mut user = server.connect().await;
    user.simple_query("USE [one]").await.expect("use").into_results().await.expect("use");
    Restoring::new(&server.access, &[&backup], None).run().await.expect("restore");
    assert_eq!(server.entries("one").await, ["backed up"]);
    let after = async { user.simple_query("SELECT 1 AS one").await?.into_results().await };
    after.await.expect_err("its session has ended");
}

#[tokio::test]
async fn a_database_put_aside_is_not_dropped_while_it_is_the_only_one() {
    let (server, backup) = two().await;
    let restoring = Restoring::new(&server.access, &[&backup], None);
    let staged = served().stage(&restoring.request).await.expect("stage");
    // Up to the rename of the first database, and no further.
    server.fake().cut_at(3, MssqlCut::Before);
    served().switch(&restoring.request, &staged.state).await.expect_err("cut");
    served().discard(&restoring.request.place, Some(&staged.state)).await.expect_err("it is the data in use");
    served().take_back(&restoring.request.place, &staged.state).await.expect("take back");
    assert_old(&server, "after all").await;
}
