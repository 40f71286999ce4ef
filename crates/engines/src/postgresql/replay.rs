//! Replaying archived log: the staged server recovers from the segments beside it, up to the stop, and is then promoted, so
//! that it writes a timeline of its own.
//!
//! A server that comes to the end of its log is content, whether more was to come or not. What it reached is therefore
//! compared with the last commit that the archive is known to hold. // F-66

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use chrono::{DateTime, Utc};
use domain::{ErrorCode, LogSegment, RecoveryStop, StopPosition};

use super::lsn::{self, SegmentName};
use super::records::{self, Span};
use super::staged;
use super::{binaries, slot};
use crate::{EngineError, LogReplay, Reached, Staging};

/// Makes a server recover from an archive (manual, "Recovering Using a Continuous Archive Backup").
const SIGNAL: &str = "recovery.signal";
/// What PostgreSQL says when the stop was not in the log.
const NOT_REACHED: &str = "recovery ended before configured recovery target was reached";
/// How the server's log tells of the last transaction that was replayed.
const LAST_TRANSACTION: &str = "last completed transaction was at log time ";

/// Replays the log on prepared files.
pub(super) async fn replay(staging: &Staging, replay: &LogReplay) -> Result<Reached, EngineError> {
    let last = replay.segments.last().ok_or_else(|| damaged("There is no log to replay."))?;
    let name = segment_name(last)?;
    let size = fill_up(staging, replay)?;
    let expected = expected_end(staging, replay, name).await?;
    let mut stop = settings_of(&replay.stop)?;
    let signal = staging.directory.join(SIGNAL);
    let write = EngineError::file("asking for a recovery from the archive", &signal);
    fs::write(&signal, "")
        .and_then(|()| chown(&signal, Some(staging.owner.uid), Some(staging.owner.gid)))
        .map_err(write)?;
    let always = [
        format!("restore_command={}", restore_command(&replay.directory)?),
        format!("recovery_target_timeline={}", name.timeline),
        "recovery_target_action=promote".to_owned(),
        "timezone=UTC".to_owned(),
        // What the log of a recovery tells of times depends on both.
        "datestyle=ISO, YMD".to_owned(),
    ];
    let progress = |log: &str| {
        let restored = log.lines().filter(|line| line.contains("restored log file")).count() as u64;
        (replay.progress)(restored * size);
    };
    let with = |stop: &Stop| stop.settings.iter().chain(&always).cloned().collect::<Vec<_>>();
    let mut recovered = staged::recover(staging, &with(&stop), &progress).await;
    // The server knows best whether a commit follows the stop time; where none does, the end of the log is meant.
    let is_time = matches!(replay.stop, RecoveryStop::Time { .. });
    if is_time && recovered.as_ref().is_err_and(|error| error.to_string().contains(NOT_REACHED)) {
        stop = Stop { settings: Vec::new(), is_end: true };
        recovered = staged::recover(staging, &with(&stop), &progress).await;
    }
    let log = recovered.map_err(|error| stop_not_reached(error, &replay.stop))?;
    let (reached, timeline) = end_of_recovery(&staging.directory, name.timeline)?;
    let last_commit_at = last_transaction(&log);
    if stop.is_end && expected.is_some_and(|(position, _)| reached < position) {
        let (position, at) = expected.unwrap_or_default();
        return Err(EngineError::known(
            ErrorCode::PitrTargetNotReached,
            format!(
                "The replay ended at {}, before the last archived commit at {} of {at}: a segment of the log is damaged.",
                lsn::write(reached),
                lsn::write(position)
            ),
        ));
    }
    Ok(Reached {
        position: format!("LSN {}, timeline {timeline}", lsn::write(reached)),
        last_commit_at,
        engine_facts: BTreeMap::new(),
    })
}

fn segment_name(segment: &LogSegment) -> Result<SegmentName, EngineError> {
    SegmentName::parse(&segment.name)
        .ok_or_else(|| damaged(&format!("{} is no segment of PostgreSQL's log.", segment.name)))
}

fn damaged(detail: &str) -> EngineError {
    EngineError::known(ErrorCode::PitrTargetNotReached, detail)
}

/// The last commit that the fetched log holds: where its record begins, and its time. The search begins at the last segment
/// that is known to hold one, and finds that one again, or the log is not what was archived.
async fn expected_end(
    staging: &Staging,
    replay: &LogReplay,
    last: SegmentName,
) -> Result<Option<(u64, DateTime<Utc>)>, EngineError> {
    let Some(known) = replay.segments.iter().rev().find(|segment| segment.last_commit_at.is_some()) else {
        return Ok(None);
    };
    let version = domain::version::version_numbers(&staging.manifest.engine_version);
    let major = version.first().copied().unwrap_or_default();
    let programs = binaries::server(major).await.ok_or_else(|| slot::missing_tool("pg_waldump", major).into_error())?;
    let mut found: Option<(u64, DateTime<Utc>)> = None;
    let before = replay.segments.iter().rev().find(|segment| segment.end == known.start).unwrap_or(known);
    let span = Span {
        programs: &programs,
        directory: &replay.directory,
        timeline: last.timeline,
        start: before.start,
        manager: Some("Transaction"),
    };
    let mut newest: Option<DateTime<Utc>> = None;
    records::read(&span, &staging.cancel, |record| {
        if let Some(at) = record.committed_at() {
            found = Some((record.position, at));
            newest = newest.max(Some(at));
        }
        true
    })
    .await?;
    let is_whole = known.last_commit_at.is_none_or(|at| newest.is_some_and(|newest| newest >= at));
    if !is_whole {
        let at = known.last_commit_at.unwrap_or_default();
        return Err(damaged(&format!(
            "The commit of {at} is not in {} any more, which held it when it was archived.",
            known.name
        )));
    }
    Ok(found.zip(newest).map(|((position, _), newest)| (position, newest)))
}

/// Fills the last segment with zeros to a whole one, as it is at a server. Gives the size of segments.
fn fill_up(staging: &Staging, replay: &LogReplay) -> Result<u64, EngineError> {
    let size = replay.segments.iter().find(|segment| segment.closed).map(|segment| segment.end - segment.start);
    let size = match size {
        Some(size) => size,
        None => segment_size(&staging.directory)?,
    };
    for segment in replay.segments.iter().filter(|segment| !segment.closed) {
        let path = replay.directory.join(&segment.name);
        let file = fs::OpenOptions::new().write(true).open(&path);
        file.and_then(|file| file.set_len(size)).map_err(EngineError::file("completing the last segment", path))?;
    }
    Ok(size)
}

/// The backup's own log is in segments of the same size.
fn segment_size(directory: &Path) -> Result<u64, EngineError> {
    let place = directory.join("pg_wal");
    let failed = || EngineError::file("looking at the backup's log", &place);
    for entry in fs::read_dir(&place).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if SegmentName::parse(&entry.file_name().to_string_lossy()).is_some() {
            return Ok(entry.metadata().map_err(failed())?.len());
        }
    }
    Err(damaged("The backup holds no log of its own."))
}

/// Where recovery stops.
struct Stop {
    settings: Vec<String>,
    /// Whether it is the end of the log.
    is_end: bool,
}

/// The settings for a stop.
fn settings_of(stop: &RecoveryStop) -> Result<Stop, EngineError> {
    let at_end = || Stop { settings: Vec::new(), is_end: true };
    let target = |name: &str, value: String, before: bool| {
        let inclusive = if before { "off" } else { "on" };
        let settings =
            vec![format!("recovery_target_{name}={value}"), format!("recovery_target_inclusive={inclusive}")];
        Ok(Stop { settings, is_end: false })
    };
    let refused = |detail: String| Err(EngineError::known(ErrorCode::PitrPositionNotCovered, detail));
    match stop {
        RecoveryStop::Latest => Ok(at_end()),
        RecoveryStop::Time { at } => target("time", at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string(), false),
        RecoveryStop::Position { position } => match position {
            StopPosition::Lsn { lsn, before } => match lsn::parse(lsn) {
                Some(position) => target("lsn", lsn::write(position), *before),
                None => refused(format!("{lsn:?} is no log sequence number such as 0/3000028.")),
            },
            StopPosition::Xid { xid, before } => match xid.parse::<u32>() {
                Ok(xid) => target("xid", xid.to_string(), *before),
                Err(_) => refused(format!("{xid:?} is no transaction's number such as 742.")),
            },
            StopPosition::Name { name } => {
                let is_name = (1..=63).contains(&name.len()) && !name.chars().any(char::is_control);
                if is_name { target("name", name.clone(), false) } else { refused("That is no name of a restore point.".to_owned()) }
            }
            StopPosition::Gtid { .. } | StopPosition::File { .. } => refused(
                "PostgreSQL stops at a time, a log sequence number (lsn), a transaction (xid) or a named restore point (name)."
                    .to_owned(),
            ),
        },
    }
}

/// The command that the server runs for each segment, in the staging directory. A shell reads it, so only names of ours are in
/// it. // F-82
fn restore_command(directory: &Path) -> Result<String, EngineError> {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if !is_plain {
        return Err(EngineError::known(ErrorCode::Internal, format!("{name:?} can't be named in a command.")));
    }
    Ok(format!(r#"cp "../{name}/%f" "%p""#))
}

fn stop_not_reached(error: EngineError, stop: &RecoveryStop) -> EngineError {
    if !error.to_string().contains(NOT_REACHED) {
        return error;
    }
    match stop {
        RecoveryStop::Position { .. } => EngineError::known(
            ErrorCode::PitrPositionNotCovered,
            "The log after the backup does not hold that position.",
        ),
        _ => damaged("The log ended before the stop time was reached: a segment of it is damaged."),
    }
}

/// Where the server left its old timeline, by the history file of the new one (manual, "Timelines"), and the new one.
fn end_of_recovery(directory: &Path, old: u32) -> Result<(u64, u32), EngineError> {
    let place = directory.join("pg_wal");
    let failed = || EngineError::file("reading the new timeline's history", &place);
    let mut newest = None;
    for entry in fs::read_dir(&place).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name().to_string_lossy().into_owned();
        let timeline = name.strip_suffix(".history").and_then(|hex| u32::from_str_radix(hex, 16).ok());
        newest = newest.max(timeline.filter(|timeline| *timeline > old));
    }
    let timeline = newest.ok_or_else(|| damaged("The restored server did not begin a timeline of its own."))?;
    let history = fs::read_to_string(place.join(format!("{timeline:08X}.history"))).map_err(failed())?;
    let line = history.lines().rev().find(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let position = line.and_then(|line| lsn::parse(line.split('\t').nth(1)?));
    let position = position.ok_or_else(|| damaged("The history of the restored server's timeline can't be read."))?;
    Ok((position, timeline))
}

fn last_transaction(log: &str) -> Option<DateTime<Utc>> {
    let line = log.lines().rev().find_map(|line| line.split_once(LAST_TRANSACTION))?.1;
    DateTime::parse_from_str(line.trim(), "%Y-%m-%d %H:%M:%S%.f%#z").ok().map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_what_is_no_position_is_refused() {
        for position in [
            StopPosition::Lsn { lsn: "0/1; drop".into(), before: false },
            StopPosition::Xid { xid: "-1".into(), before: false },
            StopPosition::Name { name: "a\nb".into() },
            StopPosition::Gtid { gtid: "0-1-1".into(), before: false },
        ] {
            let refused = settings_of(&RecoveryStop::Position { position }).err().unwrap();
            assert_eq!(refused.code(), ErrorCode::PitrPositionNotCovered);
        }
        assert!(restore_command(Path::new("/x/.holdfast-1-logs")).is_ok());
        assert!(restore_command(Path::new("/x/$(reboot)")).is_err());
    }

    #[test]
    fn the_servers_log_tells_the_last_transaction() {
        let log =
            "LOG:  redo done\n2026 LOG:  last completed transaction was at log time 2026-11-22 06:17:50.373712+00\n";
        assert_eq!(last_transaction(log).unwrap().to_string(), "2026-11-22 06:17:50.373712 UTC");
        assert_eq!(last_transaction(""), None);
    }
}
