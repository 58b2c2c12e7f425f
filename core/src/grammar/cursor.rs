//! Walks the words of one statement; every refusal gets the statement's usage as its hint unless it has a better one.

use super::error::{Position, SyntaxError};
use super::token::Word;
use super::{Expand, SINGLE_OBJECTS, is_id};
use crate::score::Score;

pub(super) type Parsed<T> = Result<T, SyntaxError>;

pub(super) struct Cursor<'w, 'e> {
    words: &'w [Word],
    next: usize,
    usage: &'static str,
    pub(super) expand: Expand<'e>,
}

impl<'w, 'e> Cursor<'w, 'e> {
    /// `words` without the keyword.
    pub(super) fn new(words: &'w [Word], usage: &'static str, expand: Expand<'e>) -> Self {
        Self { words, next: 1, usage, expand }
    }

    pub(super) fn peek(&self) -> Option<&'w Word> {
        self.words.get(self.next)
    }

    pub(super) fn take(&mut self) -> Option<&'w Word> {
        let word = self.peek()?;
        self.next += 1;
        Some(word)
    }

    /// What has not been taken.
    pub(super) fn rest(&self) -> &'w [Word] {
        self.words.get(self.next..).unwrap_or_default()
    }

    /// The next word, which must be there.
    pub(super) fn need(&mut self, what: &str) -> Parsed<&'w Word> {
        let last = &self.words[self.next.min(self.words.len()) - 1];
        self.take().ok_or_else(|| {
            let message = format!("{what} is missing after {}", shown(&last.text));
            self.refuse(last.at, message)
        })
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(self.unexpected(word)),
        }
    }

    pub(super) fn unexpected(&self, word: &Word) -> SyntaxError {
        let error = self.refuse(word.at, format!("{} is not expected here", shown(&word.text)));
        if word.text == "#" {
            return error.hint("a comment has a line of its own that begins with #");
        }
        error
    }

    pub(super) fn refuse(&self, at: Position, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(at, message).hint(format!("write {}", self.usage))
    }

    /// An id that this statement gives to an object.
    pub(super) fn new_id(&mut self, what: &str) -> Parsed<String> {
        let word = self.need(what)?;
        let id = self.id_of(word, &word.text)?;
        if SINGLE_OBJECTS.contains(&id.as_str()) {
            return Err(SyntaxError::new(word.at, format!("'{id}' cannot be an id"))
                .hint("it is the name of an object there is one of; choose another"));
        }
        Ok(id)
    }

    /// An id that this statement refers to.
    pub(super) fn id(&mut self, what: &str) -> Parsed<String> {
        let word = self.need(what)?;
        self.id_of(word, &word.text)
    }

    /// The id in (part of) a word.
    pub(super) fn id_of(&self, word: &Word, text: &str) -> Parsed<String> {
        if is_id(text) {
            return Ok(text.to_owned());
        }
        let message = format!("{} cannot be an id", shown(text));
        Err(SyntaxError::new(word.at, message)
            .hint("ids are made of letters, digits, '-', '_' and '.', and begin with a letter, a digit or '_'"))
    }

    /// `SCORE:`
    pub(super) fn score(&mut self) -> Parsed<Score> {
        let word = self.need("a score, such as 100: or inf:,")?;
        let Some(number) = word.text.strip_suffix(':') else {
            let message = format!("{} is no score with a colon and a blank after it", shown(&word.text));
            return Err(self.refuse(word.at, message));
        };
        number.parse().map_err(|_| {
            let message = format!("{} is no score", shown(number));
            SyntaxError::new(word.at, message).hint("write a whole number, inf or -inf, then a colon")
        })
    }
}

/// A text as a message shows it: whole where it is short and on one line.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(LONGEST).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("'{cut}{dots}'")
}
