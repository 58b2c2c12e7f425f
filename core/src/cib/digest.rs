//! Whether a resource's definition has changed since it was started, by the digests that the history keeps of its
//! parameters: what changed is reloaded where its agent can, else restarted. It never changes where anything runs.

use super::Reader;
use super::status::{History, Op};
use crate::scheduler::{Change, RscIx};
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::fmt::Write;

type Pairs = BTreeMap<String, String>;

impl<'a> Reader<'a> {
    /// Finds what changed of a resource since it was started on the node of this history.
    pub(super) fn read_changes(&mut self, rsc: RscIx, history: &History<'a>) {
        let resource = &self.model.resources[rsc];
        if resource.is_orphan || !resource.active_on.contains(&history.node) {
            return;
        }
        let changes = since_start(&history.ops).iter().filter_map(|op| self.change(rsc, op));
        if let Some(change) = changes.max() {
            self.model.resources[rsc].changed_on.insert(history.node, change);
        }
    }

    /// What one recorded operation says.
    fn change(&self, rsc: RscIx, op: &Op<'a>) -> Option<Change> {
        let is_start = matches!(op.task, "monitor" | "start" | "promote" | "migrate_from");
        if op.interval > 0 || !is_start || op.digest.is_empty() {
            return None;
        }
        let params = self.params.get(&rsc)?;
        // A probe, a promotion and an arrival say as much of the start's parameters as a start.
        let starts = |name: &str| name == "start";
        let extra = self.model.resources[rsc].operations.iter().find(|op| starts(&op.name) && op.interval == 0);
        let extra = extra.map(|op| op.parameters.clone()).unwrap_or_default();
        let mut all = params.clone();
        all.extend(extra.clone());
        if let Some((names, digest)) = op.restart {
            let is_named = |name: &String| names.is_none_or(|names| names.split_whitespace().any(|one| one == name));
            let binding =
                all.iter().filter(|(name, _)| is_named(name)).map(|(name, value)| (name.clone(), value.clone()));
            if of(&binding.collect()) != digest {
                return Some(Change::Restart);
            }
        }
        if of(&all) == op.digest {
            return None;
        }
        let can_reload = op.restart.is_some() && extra.is_empty();
        Some(if can_reload { Change::Reload } else { Change::Restart })
    }
}

/// What was recorded since the last start, or what stands for one; nothing after a stop.
fn since_start<'a, 'o>(ops: &'o [Op<'a>]) -> &'o [Op<'a>] {
    let last = |fits: &dyn Fn(&Op<'a>) -> bool| ops.iter().rposition(fits);
    let stop = last(&|op| op.task == "stop" && op.status == 0);
    let start = last(&|op| matches!(op.task, "start" | "migrate_from"));
    let role = || last(&|op| matches!(op.task, "promote" | "demote"));
    let found = || ops.iter().position(|op| op.task == "monitor" && matches!(op.code, 0 | 8));
    let Some(start) = start.or_else(role).or_else(found) else { return &[] };
    if stop.is_some_and(|stop| stop > start) { &[] } else { &ops[start..] }
}

/// The digest that Pacemaker keeps of parameters: of an element with them as attributes, by name.
fn of(params: &Pairs) -> String {
    let mut text = " <parameters".to_owned();
    for (name, value) in params {
        write!(text, " {name}=\"{}\"", escaped(value)).expect("to a text");
    }
    text.push_str("/>\n");
    let mut digest = String::new();
    for byte in Md5::digest(text) {
        write!(digest, "{byte:02x}").expect("to a text");
    }
    digest
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_that_a_history_keeps() {
        assert_eq!(of(&Pairs::new()), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
    }
}
