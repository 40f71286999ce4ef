//! Words of the commands that manifests tell people. Nothing here is ever run.

/// A word in single quotes where a shell would take it apart.
pub(crate) fn shell_word(word: &str) -> String {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:=,".contains(c)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn f82_words_stay_words() {
        assert_eq!(shell_word("data-1"), "data-1");
        assert_eq!(shell_word("o'b $x"), r"'o'\''b $x'");
        assert_eq!(shell_word(""), "''");
    }
}
