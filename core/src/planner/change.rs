//! Parameters that were changed while a resource runs: what is to be done that it gets them?
//!
//! What its agent takes over is reloaded, everything else needs a restart, as in Pacemaker. A VM keeps what it was started
//! with until it is started again: only its owner knows when that may be.

use super::actions::Draft;
use super::rolling::Renewal;
use super::survey::Survey;
use crate::config::{Primitive, Section};
use crate::id::{NodeId, ResourceId};
use crate::state::{ActionKind, Intent, RELOAD_LEVEL, Seen};
use std::collections::BTreeSet;

/// How a resource gets its changed parameters.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// While it runs; why, in words.
    Reload(String),
    /// By a stop and a start; why, in words.
    Restart(String),
}

impl Draft<'_> {
    /// It runs where it should, and may have to hear of changed parameters.
    pub(super) fn take_over(&mut self, id: &ResourceId, node: &NodeId) {
        let activity = self.state.touched_on(id, node).and_then(|it| it.activity);
        let primitive = self.state.primitive(id);
        let is_promoted = activity.is_some_and(|it| it.seen == Seen::Promoted && it.is_at_rest());
        if is_promoted && primitive.is_some_and(|it| !it.is_promotable()) {
            let why = "it is no instance of a promotable clone any more".to_owned();
            self.add(ActionKind::Demote, id, node, why, Vec::new());
            return;
        }
        match change(self.state, id, node) {
            Some(Change::Reload(why)) => _ = self.add(ActionKind::Reload, id, node, why, Vec::new()),
            Some(Change::Restart(why)) if self.is_clone(id) => {
                self.renewals.push(Renewal { resource: id.clone(), node: node.clone(), why });
            }
            Some(Change::Restart(why)) => {
                let stop = self.add(ActionKind::Stop, id, node, why.clone(), Vec::new());
                self.add(ActionKind::Start, id, node, why, vec![stop]);
            }
            None => {}
        }
    }
}

/// What a change of its configuration asks for where it runs; `None` where nothing that its agent is given has changed.
fn change(state: &Survey<'_>, resource: &ResourceId, node: &NodeId) -> Option<Change> {
    let activity =
        state.touched_on(resource, node)?.activity.filter(|it| it.seen == Seen::Running && it.is_at_rest())?;
    let is_watched = state.node(node).is_some_and(|at| at.is_online() && at.intent != Intent::Maintenance);
    let (runs, configured) = (activity.definition.as_ref()?, state.primitive(resource)?);
    if !is_watched || !runs.is_service() || activity.stop_failed {
        return None;
    }
    if runs.agent != configured.agent {
        let (old, new) = (runs.agent.text(), configured.agent.text());
        return Some(Change::Restart(format!("it runs by {old}, and is configured as {new}: it is restarted")));
    }
    let changed = changed(runs, configured);
    if changed.is_empty() {
        return None;
    }
    let reload = activity.reload.as_ref().filter(|_| state.level >= RELOAD_LEVEL);
    let fixed = changed.iter().find(|name| reload.is_none_or(|reload| !reload.parameters.contains(**name)));
    let what = match changed.len() {
        1 => format!("its parameter {} was changed", changed[0]),
        _ => format!("its parameters {} were changed", changed.join(", ")),
    };
    Some(match (reload, fixed) {
        (Some(_), None) => Change::Reload(format!("{what}: its agent takes that over while it runs")),
        (Some(_), Some(fixed)) => Change::Restart(format!("{what}, and {fixed} needs a restart")),
        (None, _) => Change::Restart(format!("{what}, and its agent cannot reload: it is restarted")),
    })
}

fn changed<'a>(runs: &'a Primitive, configured: &'a Primitive) -> Vec<&'a str> {
    // What rules decide stays as it was at the start: an attribute or an hour that changes restarts nothing.
    let sets = configured.ruled.iter().chain(&runs.ruled).filter(|set| set.section == Section::Params);
    let ruled: BTreeSet<&String> = sets.flat_map(|set| set.pairs.keys()).collect();
    let names = runs.params.keys().chain(configured.params.keys()).filter(|name| !ruled.contains(name));
    let mut names: Vec<&str> =
        names.filter(|name| runs.params.get(*name) != configured.params.get(*name)).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}
