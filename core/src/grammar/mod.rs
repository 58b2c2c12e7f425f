//! The text form of a configuration: crmsh's `configure` grammar.
//!
//! `parse` turns text into statements, `apply_statements` carries them out on a configuration, `print` writes one
//! back: `parse(print(c))` gives `c` again. Nothing here reads a file (`expand` is the caller's), and nothing judges
//! whether a configuration makes sense: that is `config::validate`.

mod apply;
mod attributes;
mod constraint;
mod cursor;
mod date;
mod diff;
mod duration;
mod error;
mod group;
mod object;
mod parse;
mod print;
mod reference;
mod set;
mod sets;
mod statement;
mod token;
mod wide;

pub use apply::{Mode, apply_statements};
pub use diff::diff;
pub use duration::{duration, print_duration};
pub use error::{EditError, ReadError, SyntaxError};
pub use parse::parse;
pub use print::{print, print_kind, print_object};
pub use statement::{GroupChange, Object, Statement, Verb};

use crate::config::Config;

/// Gives the text of the file that `xml=@FILE` names, or says why there is none.
pub type Expand<'e> = &'e mut dyn FnMut(&str) -> Result<String, String>;

/// Reads a whole configuration: what `print` writes.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn read(text: &str, expand: Expand<'_>) -> Result<Config, ReadError> {
    let mut config = Config::default();
    let statements = parse(text, expand).map_err(ReadError::Syntax)?;
    apply_statements(&mut config, statements, Mode::Add).map_err(ReadError::Edit)?;
    Ok(config)
}

/// Whether this can be the id of an object: letters, digits, `-`, `_` and `.`, none of the last three first but `_`.
pub fn is_id(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    !text.starts_with(['-', '.']) && !text.is_empty() && text.chars().all(inner)
}

/// Whether this can be the name of an attribute.
pub fn is_attribute_name(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || "-_.#:/".contains(c);
    let first = |c: char| c.is_alphanumeric() || c == '_' || c == '#';
    text.starts_with(first) && !text.ends_with(':') && text.chars().all(inner)
}

/// Names that stand for the objects there is one of, and so cannot be ids.
pub const SINGLE_OBJECTS: &[&str] = &["fencing_topology", "op_defaults", "property", "rsc_defaults"];
