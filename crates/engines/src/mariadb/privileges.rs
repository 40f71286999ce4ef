//! What a backup's account may do, and the statement that gives it what is missing. // F-56

use super::client::Row;
use crate::my_family::account::missing_of;

pub(super) use crate::my_family::account::grant_statement;

/// What `mariadb-backup` needs on `*.*`; the older name of the same privilege beside it.
const NEEDED: [(&str, &str); 3] =
    [("RELOAD", "RELOAD"), ("PROCESS", "PROCESS"), ("BINLOG MONITOR", "REPLICATION CLIENT")];

/// What receiving the binary log needs on `*.*`.
const NEEDED_FOR_LOGS: [(&str, &str); 2] =
    [("REPLICATION SLAVE", "REPLICATION REPLICA"), ("BINLOG MONITOR", "REPLICATION CLIENT")];

/// The privileges a backup needs that none of the lines of `SHOW GRANTS` gives.
pub(super) fn missing(grants: &[Row]) -> Vec<&'static str> {
    missing_of(&NEEDED, grants)
}

/// The privileges that receiving the binary log needs and none of the lines of `SHOW GRANTS` gives.
pub(super) fn missing_for_logs(grants: &[Row]) -> Vec<&'static str> {
    missing_of(&NEEDED_FOR_LOGS, grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(lines: &[&str]) -> Vec<Row> {
        lines.iter().map(|line| vec![(*line).to_owned()]).collect()
    }

    #[test]
    fn f56_missing_privileges_are_found() {
        let all = grants(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]);
        assert_eq!(missing(&all), Vec::<&str>::new());
        let enough = grants(&["GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `b`@`%` IDENTIFIED BY PASSWORD '*C9'"]);
        assert_eq!(missing(&enough), Vec::<&str>::new());
        let older = grants(&["GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO `b`@`%`"]);
        assert_eq!(missing(&older), Vec::<&str>::new());
        let elsewhere = grants(&["GRANT USAGE ON *.* TO `b`@`%`", "GRANT ALL PRIVILEGES ON `shop`.* TO `b`@`%`"]);
        assert_eq!(missing(&elsewhere), ["RELOAD", "PROCESS", "BINLOG MONITOR"]);
        let by_role = grants(&["GRANT `backup` TO `b`@`%`", "GRANT RELOAD, PROCESS ON *.* TO `backup`"]);
        assert_eq!(missing(&by_role), ["BINLOG MONITOR"]);
    }
}
