//! The audit log as files: a JSON object a line, or a table. In a table no text is a formula: names of accounts and
//! details come from anybody who can reach the sign-in, and spreadsheets run what begins like one.

use chrono::SecondsFormat;
use domain::AuditEvent;

use crate::problem::ApiProblem;

/// What an export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ndjson,
    Csv,
}

const COLUMNS: [&str; 15] = [
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "subject_kind",
    "subject_id",
    "subject_name",
    "datastore_id",
    "from_address",
    "outcome",
    "detail",
    "request_id",
    "hash",
];

/// What a file begins with.
pub(crate) fn header(format: Format) -> Result<Vec<u8>, ApiProblem> {
    match format {
        Format::Ndjson => Ok(Vec::new()),
        Format::Csv => table([COLUMNS.map(str::to_owned).to_vec()]),
    }
}

/// The lines of these rows.
pub(crate) fn rows(format: Format, events: &[AuditEvent]) -> Result<Vec<u8>, ApiProblem> {
    match format {
        Format::Csv => table(events.iter().map(cells)),
        Format::Ndjson => {
            let mut lines = Vec::new();
            for event in events {
                serde_json::to_writer(&mut lines, event).map_err(|error| ApiProblem::internal(&error))?;
                lines.push(b'\n');
            }
            Ok(lines)
        }
    }
}

fn table(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, ApiProblem> {
    // RFC 4180 ends lines so.
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| ApiProblem::internal(&error))?;
    }
    writer.into_inner().map_err(|error| ApiProblem::internal(&error))
}

fn cells(event: &AuditEvent) -> Vec<String> {
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let text = |text: Option<&str>| text.map(harmless).unwrap_or_default();
    vec![
        event.id.to_string(),
        event.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        event.actor.kind.to_string(),
        id(event.actor.id),
        harmless(&event.actor.name),
        harmless(&event.action),
        event.subject.kind.to_string(),
        id(event.subject.id),
        text(event.subject.name.as_deref()),
        id(event.datastore_id),
        text(event.from_address.as_deref()),
        event.outcome.to_string(),
        text(event.detail.as_deref()),
        text(event.request_id.as_deref()),
        event.hash.clone(),
    ]
}

/// A text that no spreadsheet takes for a formula (owasp.org/www-community/attacks/CSV_Injection; full-width signs count
/// as signs in some).
fn harmless(text: &str) -> String {
    let is_sign = |first: char| {
        matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    };
    // Some pass over blanks before the sign.
    let begins = text.chars().find(|letter| *letter != ' ').is_some_and(is_sign);
    if begins { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use domain::audit::chain::Head;
    use domain::{Actor, ActorKind, AuditEntry, Subject, SubjectKind};

    use super::*;

    fn event(name: &str) -> AuditEvent {
        let entry = AuditEntry {
            detail: Some(name.to_owned()),
            ..AuditEntry::new(
                Actor::named(ActorKind::Anonymous, name),
                "auth_login",
                Subject::of(SubjectKind::User, None),
            )
        };
        Head::genesis().append(entry, chrono::Utc.timestamp_opt(0, 0).unwrap())
    }

    #[test]
    fn f91_no_text_of_an_export_is_a_formula() {
        for hostile in [
            "=HYPERLINK(\"http://evil.example\")",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "  =1",
            "\u{ff1d}1",
            "a\",=1,\"",
            "a\r\n=1",
        ] {
            let bytes = [header(Format::Csv).unwrap(), rows(Format::Csv, &[event(hostile)]).unwrap()].concat();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            assert_eq!(records.len(), 1, "{hostile:?} makes no row of its own");
            assert_eq!(records[0].len(), 15);
            for cell in &records[0] {
                assert!(
                    !cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}']),
                    "{cell:?}"
                );
            }
            assert_eq!(records[0][4].trim_start_matches('\''), hostile);
        }
    }

    #[test]
    fn a_line_of_json_is_the_event() {
        let events = [event("a\nb"), event("c")];
        let text = String::from_utf8(rows(Format::Ndjson, &events).unwrap()).unwrap();
        let read: Vec<AuditEvent> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, events);
    }
}
