//! The configuration as people typed it, and its history.

use super::Document;
use crate::config::{Config, secret};
use crate::grammar::{SINGLE_OBJECTS, print, print_kind, print_object};
use crate::state::{ClusterState, Revision};
use serde::{Deserialize, Serialize};

/// The configuration, or some objects of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigView {
    /// The revision it is of: the base of a change made from it.
    pub revision: u64,
    /// Valid input of the configure grammar.
    pub text: String,
}

/// The last changes of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The current revision.
    pub revision: u64,
    /// Oldest first.
    pub revisions: Vec<Revision>,
}

/// Objects were asked for that are not configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not configured: {}", .0.join(", "))]
pub struct UnknownObject(pub Vec<String>);

impl Document for ConfigView {
    const SCHEMA: &'static str = "config/1";
}

impl Document for History {
    const SCHEMA: &'static str = "history/1";
}

/// The objects named in `ids`, with blanks between them, `type:KEYWORD`,
/// `tag:TAG` and `changed` among them; everything where none is named. Passwords are masked.
///
/// # Errors
/// All the names that nothing has.
pub fn config(state: &ClusterState, ids: &str) -> Result<ConfigView, UnknownObject> {
    show(&secret::masked(&state.config), state, ids)
}

/// The same with the passwords themselves.
///
/// # Errors
/// All the names that nothing has.
pub fn config_with_secrets(state: &ClusterState, ids: &str) -> Result<ConfigView, UnknownObject> {
    show(&state.config, state, ids)
}

fn show(config: &Config, state: &ClusterState, ids: &str) -> Result<ConfigView, UnknownObject> {
    let revision = state.revision;
    let named: Vec<&str> = ids.split_whitespace().collect();
    if named.is_empty() {
        return Ok(ConfigView { revision, text: print(config) });
    }
    let mut text = String::new();
    let mut unknown = Vec::new();
    for id in named {
        let last = || (id == CHANGED).then(|| changed(config, state));
        match shown(config, id).or_else(last) {
            Some(object) => text.push_str(&object),
            None => unknown.push(id.to_owned()),
        }
    }
    if !unknown.is_empty() {
        return Err(UnknownObject(unknown));
    }
    Ok(ConfigView { revision, text })
}

/// Stands for the objects that the last commit changed, as they are now; nothing is ever staged.
const CHANGED: &str = "changed";

fn changed(config: &Config, state: &ClusterState) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let diff = state.revisions.back().map_or("", |last| last.diff.as_str());
    // Each object's first line, whatever became of it, stands at the edge.
    for line in diff.lines().filter_map(|line| line.get(2..)).filter(|line| !line.starts_with('\t')) {
        let mut words = line.split_whitespace();
        let (keyword, id) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let id = if SINGLE_OBJECTS.contains(&keyword) { keyword } else { id };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.into_iter().filter_map(|id| print_object(config, id)).collect()
}

/// An object; of `type:KEYWORD` all of this kind, of `tag:TAG` the tag and what it names.
fn shown(config: &Config, what: &str) -> Option<String> {
    if let Some(keyword) = what.strip_prefix("type:") {
        return print_kind(config, keyword);
    }
    let Some(tag) = what.strip_prefix("tag:") else { return print_object(config, what) };
    let members = config.shorthand.tags.get(tag)?;
    let named = std::iter::once(tag).chain(members.iter().map(String::as_str));
    Some(named.filter_map(|id| print_object(config, id)).collect())
}

/// The last changes.
pub fn history(state: &ClusterState) -> History {
    History { revision: state.revision, revisions: state.revisions.iter().cloned().collect() }
}
