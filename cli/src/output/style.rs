//! Colours and width: as the terminal has them, none elsewhere.

use comfy_table::{Color, ContentArrangement, Table};
use std::io::IsTerminal;

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether there are colours.
    pub(crate) colour: bool,
    /// Characters in a line; `None`: lines are not broken.
    pub(crate) width: Option<u16>,
}

impl Style {
    pub(crate) fn of_process() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| width.0);
        Self { colour: is_terminal && wants_colour(), width: is_terminal.then_some(width.max(40)) }
    }

    pub(crate) fn of_errors() -> Self {
        Self { colour: std::io::stderr().is_terminal() && wants_colour(), width: None }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A table without lines, indented by one.
    pub(crate) fn table(self) -> Table {
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        if self.colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        table
    }

    /// Text broken at blanks, every line after the first indented.
    pub(crate) fn wrap(self, text: &str, indent: usize) -> String {
        let Some(width) = self.width.map(usize::from) else { return text.to_owned() };
        let begin = text.len() - text.trim_start().len();
        let mut lines = vec![text[..begin].to_owned()];
        let mut begins = true;
        for word in text[begin..].split(' ') {
            let line = lines.last_mut().expect("there is always one");
            if begins {
                line.push_str(word);
            } else if line.chars().count() + 1 + word.chars().count() <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(format!("{:indent$}{word}", ""));
            }
            begins = false;
        }
        lines.join("\n")
    }
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A colour of a table's cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

impl Tone {
    pub(crate) fn cell(self, text: impl Into<String>) -> comfy_table::Cell {
        let cell = comfy_table::Cell::new(text.into());
        match self {
            Self::Plain => cell,
            Self::Good => cell.fg(Color::Green),
            Self::Warn => cell.fg(Color::Yellow),
            Self::Bad => cell.fg(Color::Red),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_blanks_and_indented() {
        let narrow = Style { colour: false, width: Some(20) };
        assert_eq!(narrow.wrap("one two three four five six", 2), "one two three four\n  five six");
        assert_eq!(narrow.wrap("averyveryverylongwordindeed x", 2), "averyveryverylongwordindeed\n  x");
        assert_eq!(narrow.wrap("    a b", 4), "    a b");
        let wide = Style { colour: false, width: None };
        assert_eq!(wide.wrap("one two three four five six", 2), "one two three four five six");
    }
}
