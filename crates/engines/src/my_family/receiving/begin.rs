//! Decides with which file of the server's log to begin.

use domain::{ErrorCode, LogSegment};

use super::server_log::ServerLog;
use crate::EngineError;
use crate::my_family::binary_log::LogFileName;

/// Where receiving begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    pub first: LogFileName,
    /// Why the log before it is missing.
    pub gap: Option<String>,
}

impl Beginning {
    /// Goes on behind the newest archived segment: with it when it is open, or when the server has no later one.
    ///
    /// # Errors
    /// `log_conflict` when the server's log ends before the archived one, or has a file of the same name and another size.
    pub(super) fn plan(archived: Option<&LogSegment>, log: &ServerLog) -> Result<Self, EngineError> {
        let (Some((oldest, _)), Some((newest, _))) = (log.files.first(), log.files.last()) else {
            return Err(EngineError::known(ErrorCode::ServerSettingMissing, "The server has no binary log file."));
        };
        let Some(segment) = archived else { return Ok(Self { first: oldest.clone(), gap: None }) };
        let Some(last) = LogFileName::parse(&segment.name) else {
            return Err(EngineError::known(
                ErrorCode::LogConflict,
                format!("{:?} is archived, which is no binary log file.", segment.name),
            ));
        };
        if newest.number() < last.number() {
            return Err(conflict(&format!("The server's newest binary log file is {newest}, but {last} is archived.")));
        }
        let there = log.files.iter().find(|(name, _)| name.number() == last.number());
        let archived_bytes = segment.original_size_bytes();
        if let Some((name, size)) = there
            && (name != &last || (segment.closed && archived_bytes > 0 && *size != archived_bytes))
        {
            return Err(conflict(&format!("{name} has {size} bytes, {last} with {archived_bytes} bytes is archived.")));
        }
        let next = last.number().saturating_add(1);
        let wanted = if segment.closed && newest.number() >= next { next } else { last.number() };
        if let Some((first, _)) = log.files.iter().find(|(name, _)| name.number() == wanted) {
            return Ok(Self { first: first.clone(), gap: None });
        }
        let (from, to) = (last.with_number(wanted), oldest.with_number(oldest.number().saturating_sub(1)));
        let span = if from.number() == to.number() { from.to_string() } else { format!("{from} … {to}") };
        let gap = format!("The server purged {span} before all of it was archived.");
        Ok(Self { first: oldest.clone(), gap: Some(gap) })
    }
}

/// The same names with other content. // F-53
pub(super) fn conflict(what: &str) -> EngineError {
    EngineError::known(
        ErrorCode::LogConflict,
        format!(
            "{what} The server's binary log was reset, or the server was rebuilt: it is not the log that was archived."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(numbers: &[u32]) -> ServerLog {
        let name = |number: &u32| (LogFileName::parse(&format!("b.{number:06}")).expect("a name"), 100);
        ServerLog { files: numbers.iter().map(name).collect() }
    }

    fn segment(number: u32, closed: bool) -> LogSegment {
        LogSegment {
            incarnation: "uid.origin".into(),
            name: format!("b.{number:06}"),
            start: 0,
            end: 0,
            closed,
            first_commit_at: None,
            last_commit_at: None,
            gap_before: None,
            objects: Vec::new(),
        }
    }

    #[test]
    fn f53_it_goes_on_where_the_archive_ends() {
        let first = |archived: Option<LogSegment>, numbers: &[u32]| {
            Beginning::plan(archived.as_ref(), &log(numbers)).map(|begin| (begin.first.number(), begin.gap))
        };
        assert_eq!(first(None, &[3, 4]).expect("plan"), (3, None));
        assert_eq!(first(Some(segment(3, false)), &[3, 4]).expect("plan"), (3, None));
        assert_eq!(first(Some(segment(3, true)), &[3, 4]).expect("plan"), (4, None));
        assert_eq!(first(Some(segment(4, true)), &[3, 4]).expect("plan"), (4, None));
        let (begin, gap) = first(Some(segment(3, true)), &[8, 9]).expect("plan");
        let gap = gap.expect("a gap");
        assert!(begin == 8 && gap.contains("b.000004 … b.000007"), "{gap}");
        assert_eq!(first(Some(segment(5, true)), &[1, 2]).expect_err("reset").code(), ErrorCode::LogConflict);
    }
}
