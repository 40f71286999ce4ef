//! What a statement does, as far as its first words tell.

use domain::log_archive::LogEntryKind;

/// As much of a statement as people are shown, in characters.
const SHOWN_CHARACTERS: usize = 300;

/// What it does; `None` for one that only begins, ends or prepares something.
pub(super) fn kind_of(statement: &str) -> Option<LogEntryKind> {
    let mut rest = statement.trim_start();
    while let Some(comment) = rest.strip_prefix("/*").filter(|comment| !comment.starts_with(['!', 'M'])) {
        rest = comment.split_once("*/").map_or("", |(_, after)| after).trim_start();
    }
    let mut words = rest.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    let is_temporary = words.take(3).any(|word| word.eq_ignore_ascii_case("TEMPORARY"));
    match first.as_str() {
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "SET" | "USE" | "XA" | "FLUSH" | "" => {
            None
        }
        "CREATE" | "ALTER" | "DROP" | "RENAME" if !is_temporary => Some(LogEntryKind::SchemaChange),
        "TRUNCATE" | "DELETE" => Some(LogEntryKind::LargeDelete),
        "UPDATE" => Some(LogEntryKind::LargeUpdate),
        _ => Some(LogEntryKind::Transaction),
    }
}

/// In one line, without control characters, as long as people read. // F-82
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut space = false;
    for character in text.trim().chars() {
        if character.is_ascii_whitespace() {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) {
            shown.push(' ');
        }
        // What turns the direction of a line around is as bad as a control character.
        let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        if shown.chars().count() >= SHOWN_CHARACTERS {
            return shown.chars().take(SHOWN_CHARACTERS - 1).chain(['…']).collect();
        }
    }
    shown
}

/// A number as people read it: `1,200`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart() {
        assert_eq!(kind_of("drop table t"), Some(LogEntryKind::SchemaChange));
        assert_eq!(kind_of("/* from app */ ALTER TABLE t"), Some(LogEntryKind::SchemaChange));
        assert_eq!(kind_of("TRUNCATE t"), Some(LogEntryKind::LargeDelete));
        assert_eq!(kind_of("DROP /*!40005 TEMPORARY */ TABLE t"), Some(LogEntryKind::Transaction));
        assert_eq!(kind_of("BEGIN"), None);
        assert_eq!(kind_of("/* never ends"), None);
    }

    #[test]
    fn f82_what_is_shown_is_one_harmless_line() {
        assert_eq!(shown("drop\n\ttable `a\u{1b}[2J\u{202e}`"), "drop table `a\\u{1b}[2J\\u{202e}`");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), SHOWN_CHARACTERS);
        assert_eq!((grouped(7), grouped(1200), grouped(1_234_567)), ("7".into(), "1,200".into(), "1,234,567".into()));
    }
}
