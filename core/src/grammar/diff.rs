//! What changes from one configuration to another, line by line.

use super::print::{keys, object};
use crate::config::Config;
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeSet;

/// Above so many pairs of lines an object is shown as taken out and put in, rather than compared line by line.
const MOST_PAIRS: usize = 25_000_000;

/// Objects that go (`-`), come (`+`) or change: of these the first line and the lines that differ. Empty where
/// nothing changes.
pub fn diff(old: &Config, new: &Config) -> String {
    let all: BTreeSet<_> = keys(old).into_iter().chain(keys(new)).collect();
    let mut text = String::new();
    for key in &all {
        match (object(old, key), object(new, key)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => changed(&mut text, &old, &new),
            (old, new) => {
                marked(&mut text, "- ", &old.unwrap_or_default());
                marked(&mut text, "+ ", &new.unwrap_or_default());
            }
        }
    }
    text
}

fn changed(text: &mut String, old: &str, new: &str) {
    if old.lines().count().saturating_mul(new.lines().count()) > MOST_PAIRS {
        marked(text, "- ", old);
        marked(text, "+ ", new);
        return;
    }
    // Whether a line goes on says nothing about what it says.
    let (old, new) = (old.replace(" \\\n", "\n"), new.replace(" \\\n", "\n"));
    let lines = TextDiff::from_lines(&old, &new);
    for (number, change) in lines.iter_all_changes().enumerate() {
        let mark = match change.tag() {
            ChangeTag::Delete => "- ",
            ChangeTag::Insert => "+ ",
            ChangeTag::Equal if number == 0 => "  ",
            ChangeTag::Equal => continue,
        };
        marked(text, mark, change.value());
    }
}

fn marked(text: &mut String, mark: &str, lines: &str) {
    for line in lines.lines() {
        text.push_str(mark);
        text.push_str(line);
        text.push('\n');
    }
}
