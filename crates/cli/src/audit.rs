//! `holdfast audit verify`: checks the audit log in the control database itself, whether or not a service runs on it.

use clap::{Args, Subcommand};
use store::{AuditFinding, Store, StoreError};

use crate::control_database::ControlDatabaseArguments;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct AuditArguments {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check that no row of the audit log was changed, removed, inserted or moved. Exits 1 and names the first one that was.
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
struct VerifyArguments {
    #[command(flatten)]
    database: ControlDatabaseArguments,
    /// What an earlier check printed, and was kept elsewhere: ROWS:HASH. Finds a log that was put back to an earlier state
    /// together with everything beside it.
    #[arg(long, env = "HOLDFAST_AUDIT_KNOWN", value_parser = parse_known)]
    known: Option<Known>,
}

/// The end of the log at an earlier check.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    rows: i64,
    hash: String,
}

fn parse_known(text: &str) -> Result<Known, String> {
    let wrong = || "must be ROWS:HASH, as an earlier check printed it".to_owned();
    let (rows, hash) = text.split_once(':').ok_or_else(wrong)?;
    let rows = rows.parse().ok().filter(|rows| *rows > 0).ok_or_else(wrong)?;
    if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    Ok(Known { rows, hash: hash.to_ascii_lowercase() })
}

/// Runs the command.
pub fn run(arguments: AuditArguments) -> Result<(), Failure> {
    let AuditCommand::Verify(VerifyArguments { database, known }) = arguments.command;
    let database = database.locate()?;
    let failed = |error: StoreError| Failure::other("reading the audit log", error);
    let store = Store::open_existing(&database.url, &database.key_file).map_err(failed)?;
    let head = match store.audit_verify().map_err(failed)? {
        AuditFinding::Whole(head) => head,
        AuditFinding::Broken(found) => return Err(broken(&found.to_string())),
    };
    if let Some(known) = known {
        let found = match store.audit_get(known.rows) {
            Ok(row) => row.hash,
            Err(StoreError::NotFound { .. }) => {
                return Err(broken(&format!("it has {} rows, and had {} before", head.count, known.rows)));
            }
            Err(error) => return Err(failed(error)),
        };
        if found != known.hash {
            return Err(broken(&format!("row {} is not the one that was there at the earlier check", known.rows)));
        }
    }
    println!("The audit log is whole. Its end is {}:{}", head.count, head.hash);
    Ok(())
}

fn broken(what: &str) -> Failure {
    Failure::Other(anyhow::anyhow!("the audit log is not as it was written: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_printed_is_read_again() {
        let hash = "ab".repeat(32);
        assert_eq!(parse_known(&format!("12:{hash}")), Ok(Known { rows: 12, hash: hash.clone() }));
        for wrong in ["", "12", ":", &format!("0:{hash}"), &format!("-1:{hash}"), "12:abcd", &format!("x:{hash}")] {
            assert!(parse_known(wrong).is_err(), "{wrong:?}");
        }
    }
}
