//! Global transaction ids, and the state of a log in them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A transaction's identity: `domain-server-sequence` (manual, "Global Transaction ID").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::mariadb) struct Gtid {
    pub domain: u32,
    pub server: u32,
    pub sequence: u64,
}

impl FromStr for Gtid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text.trim().split('-').collect();
        let [domain, server, sequence] = parts.as_slice() else { return Err(()) };
        if ![domain, server, sequence].into_iter().all(|part| plain(part)) {
            return Err(());
        }
        Ok(Self {
            domain: domain.parse().map_err(drop)?,
            server: server.parse().map_err(drop)?,
            sequence: sequence.parse().map_err(drop)?,
        })
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

/// What a log holds: of each domain the newest transaction of each server and which of them came last
/// (`gtid_binlog_state`). Two states are equal when they hold the same, in whatever order they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::mariadb) struct GtidState {
    newest: BTreeMap<(u32, u32), u64>,
    last: BTreeMap<u32, u32>,
}

impl GtidState {
    /// Reads a list, such as `0-1-5,0-2-7,1-1-3`; of several of one domain the last one is its newest.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::mariadb) fn parse(text: &str) -> Result<Self, ()> {
        let mut state = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            state.add(part.parse()?);
        }
        Ok(state)
    }

    /// The state after one more transaction.
    pub(in crate::mariadb) fn add(&mut self, gtid: Gtid) {
        self.newest.insert((gtid.domain, gtid.server), gtid.sequence);
        self.last.insert(gtid.domain, gtid.server);
    }

    /// The newest transaction of each domain, which is what `gtid_binlog_pos` tells.
    pub(in crate::mariadb) fn position(&self) -> Vec<Gtid> {
        let sequence = |domain, server| self.newest.get(&(domain, server)).copied().unwrap_or_default();
        self.last
            .iter()
            .map(|(domain, server)| Gtid { domain: *domain, server: *server, sequence: sequence(*domain, *server) })
            .collect()
    }

    /// Whether a replay that was to reach this state has. `CREATE TABLE … SELECT` is one transaction in the log and two when its
    /// table and its rows are replayed; the server numbers the second one itself, so that a domain whose last transaction is
    /// such a one ends a number further.
    pub(in crate::mariadb) fn is_reached_by(&self, reached: &Self) -> bool {
        let is_last = |(domain, server): &(u32, u32)| self.last.get(domain) == Some(server);
        self.last == reached.last
            && self.newest.len() == reached.newest.len()
            && self.newest.iter().all(|(of, wanted)| match reached.newest.get(of) {
                Some(sequence) => sequence == wanted || (is_last(of) && *sequence == wanted + 1),
                None => false,
            })
    }

    /// Whether the log can go on with a file that begins with the state `next`. A domain may be left out there: `FLUSH BINARY
    /// LOGS DELETE_DOMAIN_ID` makes the server forget it.
    pub(in crate::mariadb) fn goes_on_with(&self, next: &Self) -> bool {
        let told = |domain: &u32| next.last.contains_key(domain);
        let mut kept = self.clone();
        kept.newest.retain(|(domain, _), _| told(domain));
        kept.last.retain(|domain, _| told(domain));
        kept == *next
    }
}

/// As `gtid_binlog_state` takes it: the newest of a domain last.
impl fmt::Display for GtidState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (domain, last) in &self.last {
            let of_domain = self.newest.range((*domain, 0)..=(*domain, u32::MAX));
            let (newest, others): (Vec<_>, Vec<_>) = of_domain.partition(|((_, server), _)| server == last);
            for ((domain, server), sequence) in others.into_iter().chain(newest) {
                write!(formatter, "{separator}{domain}-{server}-{sequence}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f66_a_state_is_reached_when_nothing_is_missing() {
        let state = |text| GtidState::parse(text).expect("a state");
        let wanted = state("0-2-4,0-1-5,1-1-7");
        assert!(wanted.is_reached_by(&state("1-1-7,0-2-4,0-1-5")));
        assert!(wanted.is_reached_by(&state("0-2-4,0-1-6,1-1-7")), "the rows of a CREATE TABLE … SELECT");
        for short in ["0-2-4,0-1-4,1-1-7", "0-2-4,0-1-5", "0-2-5,0-1-5,1-1-7", "0-2-4,0-1-7,1-1-7", "0-1-5,0-2-4,1-1-7"]
        {
            assert!(!wanted.is_reached_by(&state(short)), "{short}");
        }
    }

    #[test]
    fn states_are_compared_as_sets() {
        let state = |text| GtidState::parse(text).expect("a state");
        assert_eq!(state("0-1-5,1-1-7"), state("1-1-7, 0-1-5"));
        assert_ne!(state("0-1-5,0-2-7"), state("0-2-7,0-1-5"));
        assert_ne!(state("0-1-5"), state("0-1-50"));
        assert_eq!(state("0-2-7,0-1-5,3-1-1").to_string(), "0-2-7,0-1-5,3-1-1");
        assert_eq!(state("0-2-7,0-1-8").position(), [Gtid { domain: 0, server: 1, sequence: 8 }]);
        assert_eq!(state(""), GtidState::default());
        for text in ["0-1", "0-1-2-3", "a-1-2", "0-1-+2", "0-1-99999999999999999999"] {
            assert!(GtidState::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn f60_a_log_goes_on_only_with_its_own_state() {
        let state = |text| GtidState::parse(text).expect("a state");
        assert!(state("0-1-5,1-1-7").goes_on_with(&state("0-1-5,1-1-7")));
        assert!(state("0-1-5,1-1-7").goes_on_with(&state("0-1-5")), "a forgotten domain");
        assert!(!state("0-1-5").goes_on_with(&state("0-1-6")));
        assert!(!state("0-1-5").goes_on_with(&state("0-1-5,1-1-7")));
        assert!(!state("0-1-5,0-2-6").goes_on_with(&state("0-2-6")));
    }
}
