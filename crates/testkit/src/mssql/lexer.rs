//! Transact-SQL's words: names in brackets or quotation marks, string literals, numbers, and the rest.

use super::error::ServerError;

/// One word of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word: a keyword or a regular identifier.
    Word(String),
    /// `[a]]b]` or `"a""b"`: never a keyword.
    Quoted(String),
    /// `'…'` or `N'…'`.
    Text(String),
    Number(String),
    /// `@name` and `@@NAME`, in upper case.
    Variable(String),
    /// Punctuation; comparisons of two characters are one.
    Symbol(&'static str),
}

const SYMBOLS: [&str; 17] = ["<>", "<=", ">=", "!=", "(", ")", ",", ";", "=", "<", ">", "+", "-", "*", ".", "/", "%"];

/// Takes a batch apart.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ServerError> {
    let mut rest = text;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(found) };
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
            continue;
        }
        let (token, after) = match first {
            '[' => quoted(rest, '[', ']').map(|(name, after)| (Token::Quoted(name), after))?,
            '"' => quoted(rest, '"', '"').map(|(name, after)| (Token::Quoted(name), after))?,
            '\'' => quoted(rest, '\'', '\'').map(|(text, after)| (Token::Text(text), after))?,
            'N' if rest[1..].starts_with('\'') => {
                quoted(&rest[1..], '\'', '\'').map(|(text, after)| (Token::Text(text), after))?
            }
            '@' => {
                let (word, after) = split(rest, |c| c.is_alphanumeric() || "@_#$".contains(c));
                (Token::Variable(word.to_uppercase()), after)
            }
            digit if digit.is_ascii_digit() => {
                let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
                (Token::Number(number.to_owned()), after)
            }
            letter if letter.is_alphabetic() || "_#".contains(letter) => {
                let (word, after) = split(rest, |c| c.is_alphanumeric() || "@_#$".contains(c));
                (Token::Word(word.to_owned()), after)
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let symbol = symbol.ok_or_else(|| ServerError::syntax(&first.to_string()))?;
                (Token::Symbol(symbol), &rest[symbol.len()..])
            }
        };
        found.push(token);
        rest = after;
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Reads up to the closing mark; a doubled one is one of the text.
fn quoted(text: &str, open: char, close: char) -> Result<(String, &str), ServerError> {
    let mut inside = String::new();
    let mut rest = &text[open.len_utf8()..];
    loop {
        let Some((before, after)) = rest.split_once(close) else {
            return Err(ServerError::new(105, 15, "Unclosed quotation mark after the character string."));
        };
        inside.push_str(before);
        match after.strip_prefix(close) {
            Some(more) => {
                inside.push(close);
                rest = more;
            }
            None => return Ok((inside, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_literals_keep_what_is_doubled_inside_them() {
        let found = tokens("BACKUP [a]]b] N'it''s' \"x\"\"y\" 'N' -- end\n@@SPID <> 1.5;").expect("tokens");
        let expected = [
            Token::Word("BACKUP".into()),
            Token::Quoted("a]b".into()),
            Token::Text("it's".into()),
            Token::Quoted("x\"y".into()),
            Token::Text("N".into()),
            Token::Variable("@@SPID".into()),
            Token::Symbol("<>"),
            Token::Number("1.5".into()),
            Token::Symbol(";"),
        ];
        assert_eq!(found, expected);
        assert_eq!(tokens("[never closed").expect_err("open").number, 105);
    }
}
