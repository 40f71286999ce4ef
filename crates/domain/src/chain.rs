//! Chains: a full backup and the increments on it, each of which needs all before it. Which backup the next increment may
//! be built on is decided here; what only the server and the storage can tell is looked at again by the worker.

use uuid::Uuid;

use crate::VerificationStatus;

/// What the catalog knows of one link of a chain. All links are completed backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub number: i64,
    pub storage_id: Uuid,
    /// Null where the server told none. // F-54
    pub server_identity: Option<String>,
    pub verification: VerificationStatus,
    pub deleting: bool,
}

/// What the next increment would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// The chain that ends with the datastore's newest completed backup by the same method, that one first.
    pub chain: Vec<Link>,
    /// Where the increment would be kept.
    pub storage_id: Uuid,
    /// The server that is registered now.
    pub server_identity: Option<String>,
    /// How many links a chain may have, the full backup included: each one makes a restore longer, and one that is damaged
    /// takes all after it along. See [`crate::BackupSettings::maximum_chain_length`].
    pub maximum_links: usize,
    /// Whether a restore or an undo has replaced the server's data since the newest link began.
    pub replaced_since: bool,
}

impl Continuation {
    /// Why no increment can be built on the chain, as the end of a sentence; null when one can.
    pub fn obstacle(&self) -> Option<String> {
        let Some(newest) = self.chain.first() else {
            return Some("there is no completed backup to build on".to_owned());
        };
        let number = newest.number;
        if self.replaced_since {
            return Some(format!("the data was replaced by a restore or an undo after backup {number}"));
        }
        if newest.storage_id != self.storage_id {
            return Some(format!("backup {number} is in another storage"));
        }
        if let (Some(then), Some(now)) = (&newest.server_identity, &self.server_identity)
            && then != now
        {
            return Some(format!("backup {number} is of another server ({then}, now {now})"));
        }
        if let Some(link) = self.chain.iter().find(|link| link.deleting) {
            return Some(format!("backup {} is being deleted", link.number));
        }
        if let Some(link) = self.chain.iter().find(|link| link.verification == VerificationStatus::Failed) {
            return Some(format!("backup {} was found damaged when it was verified", link.number));
        }
        let links = self.chain.len();
        (links >= self.maximum_links).then(|| format!("the chain that ends with backup {number} has {links} links"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(number: i64) -> Link {
        Link {
            number,
            storage_id: Uuid::from_u128(1),
            server_identity: Some("a".into()),
            verification: VerificationStatus::Never,
            deleting: false,
        }
    }

    fn continuation(links: i64) -> Continuation {
        Continuation {
            chain: (1..=links).rev().map(link).collect(),
            storage_id: Uuid::from_u128(1),
            server_identity: Some("a".into()),
            maximum_links: 30,
            replaced_since: false,
        }
    }

    #[test]
    fn a_sound_chain_is_continued_until_it_is_long() {
        assert_eq!(continuation(1).obstacle(), None);
        assert_eq!(continuation(29).obstacle(), None);
        assert!(continuation(30).obstacle().is_some_and(|why| why.contains("30 links")));
        let unknown = Continuation { server_identity: None, ..continuation(2) };
        assert_eq!(unknown.obstacle(), None);
    }

    #[test]
    fn f70_each_doubt_about_any_link_asks_for_a_full_backup() {
        let mut doubts = vec![(continuation(0), "no completed backup")];
        doubts.push((Continuation { replaced_since: true, ..continuation(2) }, "after backup 2"));
        doubts.push((Continuation { storage_id: Uuid::from_u128(2), ..continuation(2) }, "another storage"));
        doubts.push((Continuation { server_identity: Some("b".into()), ..continuation(2) }, "another server"));
        let mut of_old_link = |change: fn(&mut Link), why| {
            let mut doubtful = continuation(3);
            doubtful.chain.iter_mut().filter(|link| link.number == 1).for_each(change);
            doubts.push((doubtful, why));
        };
        of_old_link(|link| link.deleting = true, "backup 1 is being deleted");
        of_old_link(|link| link.verification = VerificationStatus::Failed, "backup 1 was found damaged");
        for (continuation, why) in doubts {
            let obstacle = continuation.obstacle().expect(why);
            assert!(obstacle.contains(why), "{obstacle}");
        }
    }
}
