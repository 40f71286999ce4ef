//! What makes a backup incremental: its parent's log sequence number, and the way back through all links.

use domain::ErrorCode;
use domain::version::version_numbers;
use process::Credentials;

use super::Tool;
use super::tool_info::ToolInfo;
use crate::{EngineError, Parent};

/// The manifest's fact that holds up to where a backup goes, and so where the next increment begins.
const END_FACT: &str = "to_lsn";

/// What a server says before an increment is made.
pub(crate) struct Now<'a> {
    pub identity: Option<String>,
    pub version: &'a str,
    /// The log sequence number of InnoDB's newest checkpoint, where the server tells it.
    pub checkpoint: Option<u64>,
}

/// An increment that can be made.
pub(crate) struct Increment {
    /// The log sequence number that it begins after.
    lsn: u64,
    /// See [`Parent::folders`].
    folders: Vec<String>,
}

impl Increment {
    /// Looks whether the server's data goes on where the parent ended.
    ///
    /// # Errors
    /// [`EngineError::ParentUnusable`].
    pub(crate) fn on(tool: &Tool, parent: Parent, server: &Now<'_>) -> Result<Self, EngineError> {
        let Parent { manifest, folders, .. } = parent;
        let unusable = |reason: String| Err(EngineError::ParentUnusable { reason });
        let number = manifest.number;
        let Some(lsn) = manifest.engine_facts.get(END_FACT).and_then(|text| text.parse::<u64>().ok()) else {
            return unusable(format!("backup {number} does not tell up to which log sequence number it goes"));
        };
        if let (Some(then), Some(now)) = (&manifest.server_identity, &server.identity)
            && then != now
        {
            return unusable(format!("backup {number} is of another server ({then}, now {now})")); // F-54
        }
        // Another release series may have changed the log's format, and each tool reads its own.
        let series = |version: &str| version_numbers(version).into_iter().take(2).collect::<Vec<_>>();
        if series(&manifest.engine_version) != series(server.version) {
            let (engine, then, now) = (tool.engine, &manifest.engine_version, server.version);
            return unusable(format!("backup {number} was made with {engine} {then}, the server is {now} now"));
        }
        // A backup ends at a checkpoint, and the newest one only grows: unless the data was made anew or put back.
        match server.checkpoint {
            Some(checkpoint) if checkpoint < lsn => unusable(format!(
                "the server's log is at {checkpoint}, before {lsn} where backup {number} ends: its data was replaced"
            )),
            _ => Ok(Self { lsn, folders }),
        }
    }

    /// The tool's argument.
    pub(super) fn argument(&self) -> String {
        format!("--incremental-lsn={}", self.lsn)
    }

    /// The tool has begun where it was told to.
    pub(super) fn check(&self, tool: &Tool, info: &ToolInfo) -> Result<(), EngineError> {
        let from = info.value("from_lsn").unwrap_or_default();
        if from == self.lsn.to_string() {
            return Ok(());
        }
        let detail = format!("{} began the increment at {from:?} instead of {}.", tool.program, self.lsn);
        Err(EngineError::known(ErrorCode::BackupIncomplete, detail))
    }
}

/// How a person restores it.
pub(crate) fn restore_commands(tool: &Tool, owner: Credentials, increment: Option<&Increment>) -> Vec<String> {
    let Tool { program, unpacker, format, .. } = tool;
    let name = |user: Option<nix::unistd::User>| user.map(|user| user.name);
    let owner = nix::unistd::User::from_uid(owner.uid.into()).ok().and_then(name).unwrap_or_else(|| "mysql".to_owned());
    let unpack = |folder: &str, to: &str| format!("zstd -dc {folder}base.*.{format}.zst | {unpacker} -x -C {to}");
    let make = "mkdir -m 700 DATA_DIRECTORY".to_owned();
    let prepare = format!("{program} --no-defaults --prepare --target-dir=DATA_DIRECTORY");
    let give = format!("chown -R {owner}: DATA_DIRECTORY");
    let Some((full, increments)) = increment.and_then(|increment| increment.folders.split_first()) else {
        return vec![make, unpack("", "DATA_DIRECTORY"), prepare, give];
    };
    let joining = tool.while_joining.map_or(prepare.clone(), |option| format!("{prepare} {option}"));
    let mut commands = vec!["cd ..".to_owned(), make, unpack(&format!("{full}/"), "DATA_DIRECTORY"), joining.clone()];
    for folder in increments {
        commands.push("mkdir -m 700 DATA_DIRECTORY.increment".to_owned());
        commands.push(unpack(&format!("{folder}/"), "DATA_DIRECTORY.increment"));
        commands.push(format!("{joining} --incremental-dir=DATA_DIRECTORY.increment"));
        commands.push("rm -r DATA_DIRECTORY.increment".to_owned());
    }
    commands.extend(tool.while_joining.map(|_| prepare));
    commands.push(give);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_an_increment_begin_with_the_full_backup() {
        let increment = Increment { lsn: 7, folders: vec!["a".into(), "b/attempt-2".into(), "c".into()] };
        assert_eq!(increment.argument(), "--incremental-lsn=7");
        let commands = restore_commands(&crate::mariadb::TOOL, Credentials::current(), Some(&increment)).join("\n");
        let unpacked: Vec<&str> = commands.lines().filter(|line| line.contains("mbstream -x")).collect();
        assert_eq!(unpacked.len(), 3);
        assert!(unpacked[1].starts_with("zstd -dc b/attempt-2/base.*.mbstream.zst |"), "{commands}");
        assert_eq!(commands.matches("--incremental-dir=").count(), 2);
        assert!(commands.starts_with("cd ..\nmkdir"), "{commands}");
    }

    /// Percona's manual, "Prepare an incremental backup": all but the last step keep what is to be rolled back.
    #[test]
    fn xtrabackup_rolls_back_after_the_last_increment_alone() {
        let increment = Increment { lsn: 7, folders: vec!["a".into(), "b".into()] };
        let commands = restore_commands(&crate::mysql::XTRABACKUP, Credentials::current(), Some(&increment));
        let prepared: Vec<&String> = commands.iter().filter(|line| line.contains("--prepare")).collect();
        let rolls_back: Vec<bool> = prepared.iter().map(|line| !line.contains("--apply-log-only")).collect();
        assert_eq!(rolls_back, [false, false, true], "{commands:?}");
        assert!(
            commands
                .iter()
                .any(|line| line == "zstd -dc b/base.*.xbstream.zst | xbstream -x -C DATA_DIRECTORY.increment")
        );
    }
}
