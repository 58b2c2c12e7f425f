//! What the grammar refuses: where, what, and how to mend it.

use std::fmt;

/// Text that is not configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A statement that reads well and cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditError {
    /// The line the statement begins on, counted from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Why a text is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It does not follow the grammar.
    Syntax(Vec<SyntaxError>),
    /// Its statements do not fit together.
    Edit(Vec<EditError>),
}

impl SyntaxError {
    pub(super) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For what Pacemaker's users know and this version does not have.
    pub(super) fn not_yet(at: Position, what: impl fmt::Display) -> Self {
        Self::new(at, format!("{what} not supported yet"))
    }
}

impl EditError {
    pub(super) fn new(line: u32, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { line, message: message.into(), hint: Some(hint.into()) }
    }
}

/// A place in the text, both counted from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        hint(f, self.hint.as_deref())
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)?;
        hint(f, self.hint.as_deref())
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = match self {
            Self::Syntax(errors) => errors.iter().map(ToString::to_string).collect(),
            Self::Edit(errors) => errors.iter().map(ToString::to_string).collect(),
        };
        f.write_str(&lines.join("\n"))
    }
}

fn hint(f: &mut fmt::Formatter<'_>, hint: Option<&str>) -> fmt::Result {
    match hint {
        Some(hint) => write!(f, "\n  hint: {hint}"),
        None => Ok(()),
    }
}

impl std::error::Error for SyntaxError {}
impl std::error::Error for EditError {}
impl std::error::Error for ReadError {}
