//! Global transaction identifiers and sets of them (MySQL's manual, "GTID Format and Storage").

use std::collections::BTreeMap;
use std::fmt;

/// A transaction: the server that committed it first, and its number there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mysql) struct Gtid {
    /// In lower case.
    pub server: String,
    pub number: u64,
}

impl fmt::Display for Gtid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.server, self.number)
    }
}

/// A set of transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::mysql) struct GtidSet {
    /// Of each server the spans, in order, neither touching nor overlapping.
    servers: BTreeMap<String, Vec<(u64, u64)>>,
}

impl GtidSet {
    /// Reads a set as servers and people write it: `uuid:1-8:10,uuid:3`.
    ///
    /// # Errors
    /// Where it is none. One with tags (`uuid:tag:1`) is not known.
    pub(in crate::mysql) fn parse(text: &str) -> Result<Self, ()> {
        let mut set = Self::default();
        let plain: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        for part in plain.split(',').filter(|part| !part.is_empty()) {
            let (server, spans) = part.split_once(':').ok_or(())?;
            let server = uuid::Uuid::try_parse(server).map_err(drop)?.hyphenated().to_string();
            for span in spans.split(':') {
                let (first, last) = span.split_once('-').unwrap_or((span, span));
                let (first, last) = (first.parse().map_err(drop)?, last.parse().map_err(drop)?);
                if first == 0 || first > last {
                    return Err(());
                }
                set.add_span(&server, first, last);
            }
        }
        Ok(set)
    }

    pub(in crate::mysql) fn add(&mut self, gtid: &Gtid) {
        self.add_span(&gtid.server, gtid.number, gtid.number);
    }

    fn add_span(&mut self, server: &str, first: u64, last: u64) {
        let spans = self.servers.entry(server.to_owned()).or_default();
        let (mut first, mut last) = (first, last);
        spans.retain(|(from, to)| {
            let apart = *to < first.saturating_sub(1) || *from > last.saturating_add(1);
            if !apart {
                (first, last) = (first.min(*from), last.max(*to));
            }
            apart
        });
        let place = spans.partition_point(|(from, _)| *from < first);
        spans.insert(place, (first, last));
    }

    pub(in crate::mysql) fn contains(&self, gtid: &Gtid) -> bool {
        let spans = self.servers.get(&gtid.server).into_iter().flatten();
        spans.into_iter().any(|(first, last)| (*first..=*last).contains(&gtid.number))
    }

    pub(in crate::mysql) fn is_within(&self, other: &Self) -> bool {
        self.servers.iter().all(|(server, spans)| {
            let others = other.servers.get(server).map(Vec::as_slice).unwrap_or_default();
            spans.iter().all(|(first, last)| others.iter().any(|(from, to)| from <= first && last <= to))
        })
    }

    pub(in crate::mysql) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (server, spans)) in self.servers.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            formatter.write_str(server)?;
            for (first, last) in spans {
                if first == last { write!(formatter, ":{first}")? } else { write!(formatter, ":{first}-{last}")? }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "8df3505f-e950-11f1-95d2-02fc00000001";
    const B: &str = "9df3505f-e950-11f1-95d2-02fc00000001";

    fn set(text: &str) -> GtidSet {
        GtidSet::parse(&text.replace('A', A).replace('B', B)).expect("a set")
    }

    #[test]
    fn sets_are_read_joined_and_written() {
        for (text, written) in [
            ("", ""),
            ("A:1", "A:1"),
            ("A:1-8:10,\nB:3", "A:1-8:10,B:3"),
            ("A:1-3:4-5", "A:1-5"),
            ("A:7:1-2:3-6", "A:1-7"),
            ("A:1-9,A:4-5", "A:1-9"),
        ] {
            assert_eq!(set(text).to_string(), written.replace('A', A).replace('B', B), "{text}");
        }
        for text in ["A", "A:", "A:0", "A:5-3", "A:x", "A:tag:1", "nobody:1", "A:1;drop table x"] {
            assert!(GtidSet::parse(&text.replace('A', A)).is_err(), "{text}");
        }
    }

    #[test]
    fn sets_are_compared() {
        let gtid = |number| Gtid { server: A.to_owned(), number };
        let mut some = set("A:1-3");
        assert!(some.contains(&gtid(3)) && !some.contains(&gtid(4)));
        some.add(&gtid(5));
        assert_eq!(some, set("A:1-3:5"));
        assert!(set("A:2-3").is_within(&some) && !set("A:3-4").is_within(&some) && !set("B:1").is_within(&some));
        some.add(&gtid(4));
        assert_eq!(some, set("A:1-5"));
    }
}
