//! The names of the databases that a restore makes beside those in use. They come of the restore's id, so that what a killed
//! restore left is found without asking anybody.

use uuid::Uuid;

/// What all names of a restore's databases begin with; none is longer than PostgreSQL's 63 bytes.
const PREFIX: &str = "holdfast_";

/// The names of one restore.
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// The last digits of the id: those of a version 7 id are random, the first ones a time.
    pub(super) fn of(restore_id: Uuid) -> Self {
        let id = restore_id.simple().to_string();
        let (_, tail) = id.split_at_checked(20).unwrap_or_default();
        Self { prefix: format!("{PREFIX}{tail}_") }
    }

    /// Where the dump of the `index`-th database is loaded.
    pub(super) fn staged(&self, index: usize) -> String {
        format!("{}{index:03}", self.prefix)
    }

    /// What the database is called that was replaced.
    pub(super) fn before(&self, index: usize) -> String {
        format!("{}{index:03}_before", self.prefix)
    }

    /// Whether a database is one of this restore's.
    pub(super) fn has_made(&self, database: &str) -> bool {
        database.starts_with(&self.prefix)
    }
}

/// Whether a database is one that some restore keeps.
pub(super) fn is_kept(database: &str) -> bool {
    let rest = database.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
    rest.is_some_and(|(id, rest)| {
        id.len() == 12
            && id.chars().all(|c| c.is_ascii_hexdigit())
            && rest.get(..3).is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_databases_are_known_by_their_names() {
        let names = Names::of(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!(names.staged(7), "holdfast_456789abcdef_007");
        assert!(is_kept(&names.staged(7)) && is_kept(&names.before(7)) && names.has_made(&names.before(7)));
        assert!(!is_kept("holdfast_production_001") && !is_kept("shop"));
    }
}
