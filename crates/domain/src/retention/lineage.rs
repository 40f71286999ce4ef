//! Backups and what they build on, parents before children, and what each is worth.
//!
//! Invariant: a link's `parent` and `full` are positions before or at its own, so that one pass forwards sees parents first
//! and one pass backwards children first. Nothing here recurses: a chain may be as long as the list.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::BackupFacts;
use super::facts::Order;
use crate::{BackupType, JobStatus};

/// What a backup is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    InProgress,
    Failed,
    Cancelled,
    /// It completed, and so did all that it builds on, down to a full; no verification of them failed.
    Good,
    /// It completed, but can't be restored or not be trusted.
    Damaged,
}

/// One backup and its place.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub backup: &'a BackupFacts,
    /// What it builds on, where that is known.
    pub parent: Option<usize>,
    /// The full backup of its chain; itself for a full one. None where it can't be told.
    pub full: Option<usize>,
    pub standing: Standing,
    /// Whether the deletion of it or of something that it builds on has begun.
    pub is_going: bool,
    /// Whether it can't be told what it builds on.
    pub is_orphan: bool,
    /// Whether it builds on itself, in a circle that only a broken catalog holds.
    pub is_circular: bool,
    /// The newest good link of its chain, by its place in time; on good full backups.
    pub newest_good: Option<Order>,
}

impl Link<'_> {
    pub(super) fn is_completed(&self) -> bool {
        matches!(self.standing, Standing::Good | Standing::Damaged)
    }

    pub(super) fn is_full(&self) -> bool {
        self.backup.backup_type == BackupType::Full
    }
}

/// All backups of a datastore. Backwards it is the order of deletion: children before parents, the oldest chain first.
#[derive(Debug)]
pub(super) struct Lineage<'a> {
    pub links: Vec<Link<'a>>,
}

impl<'a> Lineage<'a> {
    pub(super) fn of(backups: &'a [BackupFacts]) -> Self {
        let mut sorted: Vec<_> = backups.iter().collect();
        sorted.sort_unstable_by_key(|backup| backup.order());
        let mut ids = HashSet::with_capacity(sorted.len());
        sorted.retain(|backup| ids.insert(backup.id));

        let mut open: Vec<(&BackupFacts, Option<usize>)> = Vec::new();
        let mut children: HashMap<Uuid, Vec<&BackupFacts>> = HashMap::new();
        for backup in &sorted {
            match backup.parent_id.filter(|parent| ids.contains(parent)) {
                None => open.push((backup, None)),
                Some(parent) => children.entry(parent).or_default().push(backup),
            }
        }
        // The last that was pushed comes next: the newest chain first, whole.
        let mut lineage = Self { links: Vec::with_capacity(sorted.len()) };
        while let Some((backup, parent)) = open.pop() {
            let position = lineage.links.len();
            lineage.links.push(lineage.link(backup, parent, position));
            ids.remove(&backup.id);
            open.extend(children.remove(&backup.id).into_iter().flatten().map(|child| (child, Some(position))));
        }
        // What is left was not reached from any beginning.
        for backup in sorted.into_iter().rev().filter(|backup| ids.contains(&backup.id)) {
            lineage.links.push(Link { is_circular: true, ..lineage.link(backup, None, lineage.links.len()) });
        }
        lineage.measure_chains();
        lineage
    }

    pub(super) fn get(&self, position: Option<usize>) -> Option<&Link<'a>> {
        self.links.get(position?)
    }

    fn link(&self, backup: &'a BackupFacts, parent: Option<usize>, position: usize) -> Link<'a> {
        let above = self.get(parent);
        let is_full = backup.backup_type == BackupType::Full;
        let is_going = backup.deleting || above.is_some_and(|above| above.is_going);
        // A full one builds on nothing, whatever it names as its parent.
        let is_sound = is_full || above.is_some_and(|above| above.standing == Standing::Good);
        let standing = match backup.status {
            JobStatus::Pending | JobStatus::Running => Standing::InProgress,
            JobStatus::Failed => Standing::Failed,
            JobStatus::Cancelled => Standing::Cancelled,
            JobStatus::Completed if is_sound && !is_going && !backup.verification_failed => Standing::Good,
            JobStatus::Completed => Standing::Damaged,
        };
        Link {
            backup,
            parent,
            full: if is_full { Some(position) } else { above.and_then(|above| above.full) },
            standing,
            is_going,
            is_orphan: !is_full && above.is_none_or(|above| above.is_orphan),
            is_circular: false,
            newest_good: None,
        }
    }

    fn measure_chains(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.is_circular) {
            (link.full, link.is_orphan) = (None, true);
            if link.standing == Standing::Good {
                link.standing = Standing::Damaged;
            }
        }
        let good: Vec<_> = self
            .links
            .iter()
            .filter(|link| link.standing == Standing::Good)
            .filter_map(|link| Some((link.full?, link.backup.order())))
            .collect();
        for (full, order) in good {
            if let Some(full) = self.links.get_mut(full) {
                full.newest_good = full.newest_good.max(Some(order));
            }
        }
    }

    /// The good links.
    pub(super) fn good(&self) -> impl Iterator<Item = &Link<'a>> {
        self.links.iter().filter(|link| link.standing == Standing::Good)
    }
}
