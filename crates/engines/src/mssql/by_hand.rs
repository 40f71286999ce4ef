//! How a person restores a backup without this program.

use domain::BackupType;

use super::backup::stream_name;
use super::names::{identifier, literal};
use crate::Parent;

/// Shell commands, a line each. `SHARED_DIRECTORY` stands for a directory that the server can read.
pub(super) fn restore_commands(backup_type: BackupType, databases: &[String], parent: Option<&Parent>) -> Vec<String> {
    let mut commands = Vec::new();
    let before =
        parent.and_then(|parent| parent.folders.iter().rev().nth(1)).filter(|_| backup_type != BackupType::Full);
    if let Some(folder) = before {
        commands.push(format!(
            "# First what this one builds on, oldest first, each without the line with RECOVERY: ../{folder}/manifest.json"
        ));
    }
    let what = if backup_type == BackupType::Log { "LOG" } else { "DATABASE" };
    for (index, database) in databases.iter().enumerate() {
        let (stream, name) = (stream_name(index), identifier(database));
        let file = format!("SHARED_DIRECTORY/{stream}.bak");
        commands.push(format!("cat {stream}.*.bak.zst | zstd -dc > {file}"));
        // WITH REPLACE is left to who does it: it destroys what is there.
        let restore = format!("RESTORE {what} {name} FROM DISK = {} WITH NORECOVERY, CHECKSUM", literal(&file));
        commands.push(format!("sqlcmd -b -Q {}", word(&restore)));
        commands.push(format!("sqlcmd -b -Q {}", word(&format!("RESTORE DATABASE {name} WITH RECOVERY"))));
    }
    commands
}

/// A word in single quotes.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_a_database_s_name_stays_a_name_in_the_shell_and_in_sql() {
        let commands = restore_commands(BackupType::Full, &["it's ]$(x)".to_owned()], None);
        assert_eq!(commands[0], "cat database-000.*.bak.zst | zstd -dc > SHARED_DIRECTORY/database-000.bak");
        assert_eq!(commands[2], r"sqlcmd -b -Q 'RESTORE DATABASE [it'\''s ]]$(x)] WITH RECOVERY'");
    }
}
