//! What is restored: each database of the chain's full backup, the links that hold it, and the names of the restore.

use std::collections::BTreeMap;

use domain::transaction_log::LogRange;
use domain::{BackupType, ErrorCode, Manifest};
use uuid::Uuid;

use super::super::backup::stream_name;
use super::super::header::BackedUpFile;
use super::super::names::beside;
use crate::EngineError;
use crate::served::{RestoredDatabase, ServedRequest, ServedState};

/// A database to restore, with what is applied to it, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DatabasePlan {
    /// As the backup calls it.
    pub name: String,
    /// The name that it gets.
    pub target: String,
    pub steps: Vec<Step>,
}

/// One backup set to apply.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Where the manifest stands in the chain.
    pub link: usize,
    pub stream: String,
    pub backup_type: BackupType,
    pub range: LogRange,
    pub files: Vec<BackedUpFile>,
    /// The offset of the server's clock when it was made.
    pub offset_seconds: i32,
    pub original_bytes: u64,
}

/// The databases to restore.
///
/// # Errors
/// `manifest_invalid` when the chain does not begin with a full backup, or a manifest does not tell its databases; `not_found` when
/// the backup does not hold one that was asked for.
pub(super) fn databases(request: &ServedRequest) -> Result<Vec<DatabasePlan>, EngineError> {
    let held = held(&request.chain)?;
    let names: Vec<&str> = held.iter().map(|plan| plan.name.as_str()).collect();
    let chosen = request.restored(&names)?;
    let plan = |restored: RestoredDatabase| {
        let held = held.get(restored.index)?;
        Some(DatabasePlan { target: restored.name, ..held.clone() })
    };
    Ok(chosen.into_iter().filter_map(plan).collect())
}

/// All databases of a chain, under their own names.
fn held(chain: &[Manifest]) -> Result<Vec<DatabasePlan>, EngineError> {
    let invalid = |what: String| EngineError::known(ErrorCode::ManifestInvalid, what);
    let Some(full) = chain.first().filter(|first| first.backup_type == BackupType::Full) else {
        return Err(invalid("The backups to restore do not begin with a full one.".to_owned()));
    };
    let empty = |name: &String| DatabasePlan { name: name.clone(), target: name.clone(), steps: Vec::new() };
    let mut plans: Vec<DatabasePlan> = full.log_ranges.iter().map(|range| empty(&range.database)).collect();
    for (link, manifest) in chain.iter().enumerate() {
        for (index, range) in manifest.log_ranges.iter().enumerate() {
            // A database that is younger than the full backup has none to begin with.
            let Some(plan) = plans.iter_mut().find(|plan| plan.name == range.database) else { continue };
            let stream = stream_name(index);
            if manifest.engine_facts.get(&stream) != Some(&range.database) {
                return Err(invalid(format!("Backup {} does not tell which database {stream} is.", manifest.number)));
            }
            let files = manifest.engine_facts.get(&format!("{stream}.files")).map_or("[]", String::as_str);
            let files = serde_json::from_str(files)
                .map_err(|error| invalid(format!("Backup {} lists its files wrongly: {error}.", manifest.number)))?;
            let offset = manifest.engine_facts.get("utc_offset_seconds").and_then(|seconds| seconds.parse().ok());
            let record = manifest.streams.iter().find(|record| record.name == stream);
            plan.steps.push(Step {
                link,
                stream,
                backup_type: manifest.backup_type,
                range: range.clone(),
                files,
                offset_seconds: offset.unwrap_or(0),
                original_bytes: record.map_or(0, |record| record.original_size_bytes),
            });
        }
    }
    Ok(plans)
}

/// What a restore's names end with.
pub(super) struct Suffixes {
    pub staged: String,
    pub kept: String,
    pub tag: String,
}

impl Suffixes {
    /// The end of a restore's number is different for each; its beginning is the time.
    pub(super) fn of(restore_id: Uuid) -> Self {
        let digits = restore_id.simple().to_string();
        let tag = digits.get(24..).unwrap_or(&digits).to_owned();
        Self { staged: format!("_holdfast_{tag}"), kept: format!("_before_{tag}"), tag }
    }
}

/// One database in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub staged: String,
    pub kept: String,
    /// Whether a database of the name was there.
    pub had_live: bool,
}

impl Entry {
    pub(super) fn new(name: &str, had_live: bool, suffixes: &Suffixes) -> Self {
        Self {
            name: name.to_owned(),
            staged: beside(name, &suffixes.staged),
            kept: beside(name, &suffixes.kept),
            had_live,
        }
    }
}

/// Writes the entries down.
pub(super) fn to_state(entries: &[Entry]) -> ServedState {
    let mut state = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        state.insert(format!("{index:03}.name"), entry.name.clone());
        state.insert(format!("{index:03}.staged"), entry.staged.clone());
        state.insert(format!("{index:03}.kept"), entry.kept.clone());
        state.insert(format!("{index:03}.had_live"), entry.had_live.to_string());
    }
    ServedState(state)
}

/// Reads them again.
///
/// # Errors
/// `internal` when something is missing.
pub(super) fn of_state(state: &ServedState) -> Result<Vec<Entry>, EngineError> {
    let mut entries = Vec::new();
    while let Some(name) = state.0.get(&format!("{:03}.name", entries.len())) {
        let field = |field: &str| {
            let found = state.0.get(&format!("{:03}.{field}", entries.len())).cloned();
            found.ok_or_else(|| {
                EngineError::known(ErrorCode::Internal, format!("The restore's journal lacks {field} of {name:?}."))
            })
        };
        entries.push(Entry {
            name: name.clone(),
            staged: field("staged")?,
            kept: field("kept")?,
            had_live: field("had_live")? == "true",
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_gives_back_what_was_written() {
        let suffixes = Suffixes::of(Uuid::parse_str("019ac0de-0000-7000-8000-0123456789ab").expect("a number"));
        assert_eq!(suffixes.kept, "_before_456789ab");
        let entries = vec![Entry::new("a", true, &suffixes), Entry::new("b", false, &suffixes)];
        assert_eq!(of_state(&to_state(&entries)).expect("read"), entries);
    }
}
