//! How answers look: JSON for programs, text for people. Only this module writes to the terminal.

mod events;
mod explanation;
mod fences;
mod nodes;
mod resources;
mod status;
mod style;
mod tickets;
mod time;
mod transition;

pub(crate) use events::event_line;
pub(crate) use explanation::explanation;
pub(crate) use fences::{fences, question};
pub(crate) use nodes::nodes;
pub(crate) use resources::{resources, role};
pub(crate) use status::{headline, status};
pub(crate) use style::Style;
pub(crate) use tickets::tickets;
pub(crate) use time::Clock;
pub(crate) use transition::transition;

use crate::error::CliError;
use serde_json::json;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Where answers go, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    /// Documents instead of text.
    pub(crate) json: bool,
    /// How text looks.
    pub(crate) style: Style,
}

impl Output {
    /// As this process was started.
    pub(crate) fn of_process(json: bool) -> Self {
        Self { json, style: Style::of_process() }
    }

    /// Text to standard output; it ends with a line end.
    pub(crate) fn text(&self, text: &str) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        write!(out, "{text}{end}").and_then(|()| out.flush()).map_err(CliError::Write)
    }

    /// A document as it came, or these words for people.
    pub(crate) fn answer(&self, document: &dyn Display, words: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.json { self.text(&document.to_string()) } else { self.text(&words()) }
    }

    /// Words beside the answer: they must not end up in a pipe.
    pub(crate) fn remark(&self, text: &str) {
        // Nobody can be told that this fails.
        _ = writeln!(std::io::stderr(), "{text}");
    }

    pub(crate) fn error(&self, error: &CliError) {
        if self.json {
            let body = json!({ "reason": error.reason(), "message": error.words(), "hint": error.hint() });
            self.remark(&json!({ "error": body }).to_string());
            return;
        }
        let words = error.words();
        let label = Style::of_errors().bad("error:");
        self.remark(&format!("{label} {words}"));
        if let Some(hint) = error.hint() {
            self.remark(&format!("hint: {hint}"));
        }
    }

    /// Whether a person sits in front of it.
    pub(crate) fn is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }
}
