//! Reads the words of a batch one after the other.

use super::error::ServerError;
use super::lexer::Token;

pub(super) struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self { tokens, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn next(&mut self) -> Result<Token, ServerError> {
        let token = self.tokens.get(self.at).cloned().ok_or_else(|| ServerError::syntax("end of batch"))?;
        self.at += 1;
        Ok(token)
    }

    fn refuse<T>(&self) -> Result<T, ServerError> {
        let near = self.peek().map_or_else(|| "end of batch".to_owned(), |token| format!("{token:?}"));
        Err(ServerError::syntax(&near))
    }

    /// A keyword, in upper case.
    pub(super) fn word(&mut self) -> Result<String, ServerError> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.to_uppercase();
                self.at += 1;
                Ok(word)
            }
            _ => self.refuse(),
        }
    }

    pub(super) fn is_word(&self, expected: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(expected))
    }

    pub(super) fn takes_word(&mut self, expected: &str) -> bool {
        let found = self.is_word(expected);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, expected: &str) -> Result<(), ServerError> {
        if self.takes_word(expected) { Ok(()) } else { self.refuse() }
    }

    pub(super) fn is_symbol(&self, expected: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(symbol)) if *symbol == expected)
    }

    pub(super) fn takes_symbol(&mut self, expected: &str) -> bool {
        let found = self.is_symbol(expected);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_symbol(&mut self, expected: &str) -> Result<(), ServerError> {
        if self.takes_symbol(expected) { Ok(()) } else { self.refuse() }
    }

    /// An identifier, bare or quoted.
    pub(super) fn name(&mut self) -> Result<String, ServerError> {
        match self.peek() {
            Some(Token::Word(name) | Token::Quoted(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => self.refuse(),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, ServerError> {
        match self.peek() {
            Some(Token::Text(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => self.refuse(),
        }
    }

    /// An option's value.
    pub(super) fn scalar(&mut self) -> Result<String, ServerError> {
        match self.next()? {
            Token::Text(text) | Token::Number(text) | Token::Word(text) | Token::Quoted(text) => Ok(text),
            Token::Variable(name) => {
                Err(ServerError::new(137, 15, format!("Must declare the scalar variable \"{name}\".")))
            }
            Token::Symbol(symbol) => Err(ServerError::syntax(symbol)),
        }
    }

    /// The parts of a name with dots; an empty part is the default.
    pub(super) fn path(&mut self) -> Result<Vec<String>, ServerError> {
        let mut parts = vec![self.name()?];
        while self.takes_symbol(".") {
            parts.push(if self.is_symbol(".") { String::new() } else { self.name()? });
        }
        Ok(parts)
    }

    /// The one table that databases have, `dbo.entries`: whose it is.
    pub(super) fn entries_table(&mut self) -> Result<Option<String>, ServerError> {
        let parts = self.path()?;
        match parts.iter().rev().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["entries"] | ["entries", "dbo"] => Ok(None),
            ["entries", "dbo", database] => Ok(Some((*database).to_owned())),
            _ => Err(ServerError::new(208, 16, format!("Invalid object name '{}'.", parts.join(".")))),
        }
    }

    pub(super) fn skip_statement(&mut self) {
        while !self.is_at_end() && !self.is_symbol(";") {
            self.at += 1;
        }
    }
}
