//! Dumps of a real server, and what comes back of them.

use domain::Engine;

use super::dump_cases::{self, Server};

macro_rules! with_servers {
    ($($name:ident($($server:ident),+);)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $(
                    let $server = testkit::MariaDb::start().expect("start");
                    let run = |sql: &str| $server.sql(sql).unwrap_or_else(|error| panic!("{sql}: {error:#}"));
                    let $server = Server { engine: Engine::Mariadb, port: $server.port, sql: &run };
                )+
                dump_cases::$name($($server),+).await;
            }
        )+
    };
}

with_servers! {
    what_is_dumped_comes_back_in_an_empty_server(source, target);
    a_restore_over_data_is_undone_with_the_safety_dump(server);
    a_failing_statement_in_the_middle_puts_the_old_data_back(server);
    f12_a_killed_load_is_taken_back(server);
    a_dump_is_of_one_moment_while_somebody_writes(server);
    f56_what_a_dump_lacks_is_told(server);
}
