//! What a backup needs and what needs it, as far as the backups that are loaded tell.

use domain::Backup;
use uuid::Uuid;

/// The relatives of one backup, by the numbers that people say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Relatives {
    /// What a restore of it reads, the full backup first and itself last.
    pub needs: Vec<i64>,
    /// Whether `needs` begins with the full backup; older ones may not be loaded.
    pub is_complete: bool,
    /// What builds on it, directly or not, the oldest first.
    pub dependents: Vec<i64>,
}

/// The backup with this id.
pub fn find(backups: &[Backup], id: Uuid) -> Option<&Backup> {
    backups.iter().find(|backup| backup.id == id)
}

/// The relatives of a backup among `backups`, which are the newest first.
pub fn relatives(backups: &[Backup], id: Uuid) -> Relatives {
    let mut needs = Vec::new();
    let mut next = Some(id);
    // No longer than there are backups, whatever they say of each other.
    while let Some(backup) = next.filter(|_| needs.len() < backups.len()).and_then(|id| find(backups, id)) {
        needs.insert(0, backup.number);
        next = backup.parent_id;
    }
    let mut known = vec![id];
    let mut dependents = Vec::new();
    for backup in backups.iter().rev() {
        if backup.parent_id.is_some_and(|parent| known.contains(&parent)) {
            known.push(backup.id);
            dependents.push(backup.number);
        }
    }
    Relatives { needs, is_complete: next.is_none(), dependents }
}

/// `12`, `12 and 13`, `12, 13 and 14`.
pub fn listed(numbers: &[i64]) -> String {
    let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
