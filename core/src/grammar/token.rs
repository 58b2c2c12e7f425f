//! Text to statements of words: blanks, quotes, `\` at the end of a line, and comments.
//!
//! A comment is a line that begins with `#`; elsewhere `#` is a character like any other (`#uname`). Quotes may begin
//! anywhere in a word and run over lines. In `'…'` every character stands for itself; in `"…"` a backslash before
//! `"` or `\` takes its meaning away.

use super::error::{Position, SyntaxError};
use std::iter::Peekable;
use std::str::Chars;

/// One word with its quotes taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) at: Position,
    pub(super) text: String,
    /// From which byte of `text` on there were quotes.
    quoted_from: Option<usize>,
}

impl Word {
    /// Whether the text from this byte on was written without quotes.
    pub(super) fn is_bare_from(&self, byte: usize) -> bool {
        self.quoted_from.is_none_or(|quoted| quoted > byte)
    }
}

/// Statements, each of at least one word; and what could not be read, after which nothing is.
pub(super) fn statements(text: &str) -> (Vec<Vec<Word>>, Option<SyntaxError>) {
    let mut scanner = Scanner::new(text);
    let mut statements = Vec::new();
    let mut words = Vec::new();
    loop {
        match scanner.next_token() {
            Ok(Token::Word(word)) => words.push(word),
            Ok(Token::EndOfLine) if words.is_empty() => {}
            Ok(Token::EndOfLine) => statements.push(std::mem::take(&mut words)),
            Ok(Token::EndOfText) => {
                statements.extend(Some(words).filter(|words| !words.is_empty()));
                return (statements, None);
            }
            Err(error) => return (statements, Some(error)),
        }
    }
}

enum Token {
    Word(Word),
    EndOfLine,
    EndOfText,
}

struct Scanner<'t> {
    rest: Peekable<Chars<'t>>,
    at: Position,
    /// Only blanks so far on this line.
    line_is_blank: bool,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text.chars().peekable(), at: Position { line: 1, column: 1 }, line_is_blank: true }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.at.line = self.at.line.saturating_add(1);
            self.at.column = 1;
            self.line_is_blank = true;
        } else {
            self.at.column = self.at.column.saturating_add(1);
            self.line_is_blank &= c.is_whitespace();
        }
        Some(c)
    }

    fn next_token(&mut self) -> Result<Token, SyntaxError> {
        loop {
            match self.rest.peek().copied() {
                None => return Ok(Token::EndOfText),
                Some('\n') => {
                    self.take();
                    return Ok(Token::EndOfLine);
                }
                Some('#') if self.line_is_blank => self.skip_comment(),
                Some('\\') if self.continues() => self.skip_line_end(),
                Some(c) if c.is_whitespace() => _ = self.take(),
                Some(_) => return self.word().map(Token::Word),
            }
        }
    }

    /// A comment goes with its line end, so that one between continued lines does not end the statement.
    fn skip_comment(&mut self) {
        while let Some(c) = self.take() {
            if c == '\n' {
                return;
            }
        }
    }

    /// Whether only blanks follow the backslash on this line.
    fn continues(&self) -> bool {
        let mut after = self.rest.clone();
        after.next();
        let end = after.find(|c| *c == '\n' || !c.is_whitespace());
        matches!(end, None | Some('\n'))
    }

    fn skip_line_end(&mut self) {
        while let Some(c) = self.take() {
            if c == '\n' {
                return;
            }
        }
    }

    fn word(&mut self) -> Result<Word, SyntaxError> {
        let mut word = Word { at: self.at, text: String::new(), quoted_from: None };
        while let Some(&c) = self.rest.peek() {
            match c {
                '\'' | '"' => {
                    word.quoted_from.get_or_insert(word.text.len());
                    self.quoted(c, &mut word.text)?;
                }
                '\\' if self.continues() => break,
                c if c.is_whitespace() => break,
                c => {
                    word.text.push(c);
                    self.take();
                }
            }
        }
        Ok(word)
    }

    fn quoted(&mut self, quote: char, text: &mut String) -> Result<(), SyntaxError> {
        let opened = self.at;
        self.take();
        while let Some(c) = self.take() {
            match c {
                c if c == quote => return Ok(()),
                '\\' if quote == '"' && matches!(self.rest.peek(), Some('"' | '\\')) => {
                    text.extend(self.take());
                }
                c => text.push(c),
            }
        }
        Err(SyntaxError::new(opened, format!("the quote {quote} is never closed"))
            .hint("close it, or put a value that holds quotes into quotes of the other kind"))
    }
}

/// The word that reads back as this text: bare where it can be, else in the quotes that need the fewest escapes.
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+%=~@".contains(c);
    if !text.is_empty() && !text.starts_with('@') && text.chars().all(plain) {
        return text.to_owned();
    }
    if !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    if !text.contains('\'') {
        return format!("'{text}'");
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
