//! Names and texts inside statements. There are no parameters in `BACKUP`, `RESTORE` and `ALTER DATABASE`, so what comes from outside
//! is quoted here and nowhere else. // F-82

/// A name as an identifier: `[a]]b]`.
pub(super) fn identifier(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// A text as a literal: `N'it''s'`.
pub(super) fn literal(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

/// The longest name of a database that the server takes (manual, "Database identifiers").
const LONGEST: usize = 128;

/// A name beside a database's own, short enough.
pub(super) fn beside(name: &str, suffix: &str) -> String {
    let mut units = 0;
    let room = LONGEST.saturating_sub(suffix.len());
    let kept: String = name
        .chars()
        .take_while(|character| {
            units += character.len_utf16();
            units <= room
        })
        .collect();
    kept + suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_what_would_end_a_name_or_a_text_is_doubled() {
        assert_eq!(identifier("a]; DROP DATABASE [b"), "[a]]; DROP DATABASE [b]");
        assert_eq!(literal("it's N'"), "N'it''s N'''");
    }

    #[test]
    fn a_long_name_is_cut_where_a_character_ends() {
        let name = "\u{1F600}".repeat(64);
        let beside = beside(&name, "_before_0123abcd");
        assert!(beside.encode_utf16().count() <= LONGEST && beside.ends_with("\u{1F600}_before_0123abcd"));
        assert_eq!(super::beside("shop", "_x"), "shop_x");
    }
}
