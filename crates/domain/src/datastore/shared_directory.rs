//! The directory through which a server and its worker pass backups, where the server writes them into files itself.

use serde::{Deserialize, Serialize};

use crate::problem::FieldError;

/// One directory by two names: servers and workers need not have it at the same place, nor on the same machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SharedDirectory {
    /// Where the server sees it: an absolute path of its own operating system, such as `/var/opt/mssql/holdfast`,
    /// `D:\holdfast` or `\\host\share`.
    pub server_path: String,
    /// Where the worker sees it: an absolute path.
    pub worker_path: String,
}

/// The longest path, in characters: what SQL Server takes as the name of a file, less the files' own names.
const MAX_CHARS: usize = 200;

impl SharedDirectory {
    /// Checks both paths. An empty list means that nothing is wrong.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !is_absolute(&self.server_path) || !is_plain(&self.server_path) {
            let detail = "must be an absolute path as the server sees it, without \"..\", such as /var/opt/mssql/holdfast or D:\\holdfast";
            errors.push(FieldError::new("/shared_directory/server_path", detail));
        }
        if !self.worker_path.starts_with('/') || !is_plain(&self.worker_path) {
            let detail = "must be an absolute path as the worker sees it, without \"..\"";
            errors.push(FieldError::new("/shared_directory/worker_path", detail));
        }
        errors
    }
}

/// Of Unix, of a Windows drive, or of a Windows share.
fn is_absolute(path: &str) -> bool {
    let on_drive = matches!(path.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic());
    let on_share = path.strip_prefix(r"\\").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    path.starts_with('/') || on_drive || on_share
}

fn is_plain(path: &str) -> bool {
    path.chars().count() <= MAX_CHARS
        && !path.chars().any(char::is_control)
        && !path.split(['/', '\\']).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_are_absolute_and_lead_nowhere_else() {
        let pointers = |server: &str, worker: &str| {
            let directory = SharedDirectory { server_path: server.to_owned(), worker_path: worker.to_owned() };
            directory.validate().into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        for server in ["/var/opt/mssql/backup", r"D:\backup", "d:/backup", r"\\nas\backup", "/it's here"] {
            assert!(pointers(server, "/srv/backup").is_empty(), "{server}");
        }
        for server in ["", "backup", "D:backup", r"\backup", r"\\", r"D:\a\..\b", "/a/../b", "/a\0b", "/a\nb"] {
            assert_eq!(pointers(server, "/srv/backup"), ["/shared_directory/server_path"], "{server:?}");
        }
        for worker in ["", "srv", r"D:\backup", "/a/..", &format!("/{}", "a".repeat(MAX_CHARS))] {
            assert_eq!(pointers("/srv", worker), ["/shared_directory/worker_path"], "{worker:?}");
        }
    }
}
