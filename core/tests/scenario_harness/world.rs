//! A cluster that lives through a scenario: its state, the log it came from, and what was said about it.

use super::checks;
use quorate_core::config::Primitive;
use quorate_core::id::{ActionId, NodeId, Operation, RequestId, ResourceId, SessionId};
use quorate_core::state::{Action, ClusterState, Command, Entry, Outcome, Reload, Speaker};
use quorate_core::time::Timestamp;
use std::collections::BTreeMap;

/// What a claim was granted to.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) action: Action,
    pub(crate) speaker: Speaker,
    pub(crate) operation: Operation,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: ClusterState,
    /// Every entry, as it was applied.
    pub(crate) log: Vec<Entry>,
    pub(crate) last: Option<Outcome>,
    pub(crate) clock: u64,
    pub(crate) request: Option<RequestId>,
    /// What is begun ends only after other plans were made, in an order that this number draws.
    pub(crate) pace: Option<u64>,
    /// The latest boot of each host.
    pub(crate) boots: BTreeMap<NodeId, u32>,
    /// Every action that was ever planned.
    pub(crate) planned: BTreeMap<ActionId, Action>,
    pub(crate) granted: BTreeMap<ActionId, Granted>,
    pub(crate) looks: BTreeMap<(ResourceId, NodeId), (Speaker, Operation)>,
    /// What agents take over without a restart.
    pub(super) reloads: BTreeMap<ResourceId, Reload>,
    /// A Pacemaker CIB, if the scenario is about one.
    pub(super) cib: super::cib::Cib,
    out: Vec<String>,
}

impl World {
    /// One verb of a scenario; what goes wrong is said.
    pub(crate) fn carry_out(&mut self, line: &str, body: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Err(error) = self.verb(&words, body) {
            self.say(format!("error: {error}"));
        }
        if matches!(words[..], ["configure" | "member" | "join", ..]) && !words.contains(&"untested") {
            self.pass_drills();
        }
    }

    /// An entry of the log; a refusal is said by its kind, and so is an invariant that broke.
    pub(crate) fn tell(&mut self, command: Command) -> Outcome {
        let entry = Entry { at: Timestamp(self.clock), request: self.request.take(), command };
        let before = self.state.clone();
        let outcome = self.state.apply(self.state.index + 1, &entry);
        for rule in checks::broken(&before, &self.state, &entry.command, &outcome) {
            self.say(format!("BROKEN {rule}"));
        }
        self.log.push(entry);
        if let Outcome::Refused(refusal) = &outcome {
            self.say(format!("refused {}", super::show::kind(refusal)));
        }
        self.last = Some(outcome.clone());
        outcome
    }

    pub(crate) fn say(&mut self, line: impl Into<String>) {
        self.out.push(line.into());
    }

    /// What was said since the last time.
    pub(crate) fn said(&mut self) -> String {
        match std::mem::take(&mut self.out) {
            lines if lines.is_empty() => "ok".to_owned(),
            lines => lines.join("\n"),
        }
    }

    /// VMs that are configured.
    pub(crate) fn vms(&self) -> impl Iterator<Item = (&ResourceId, &Primitive)> {
        self.state.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device())
    }

    pub(crate) fn session(&self, node: &NodeId) -> Result<SessionId, String> {
        let session = self.state.nodes.get(node).and_then(|state| state.session.as_ref());
        session.map(|session| session.id.clone()).ok_or_else(|| format!("{node} has no session"))
    }

    /// The node's current daemon.
    pub(crate) fn speaker(&self, node: &NodeId) -> Result<Speaker, String> {
        let session = self.session(node)?;
        let incarnation = self.state.nodes.get(node).map(|state| state.incarnation).unwrap_or_default();
        Ok(Speaker { node: node.clone(), session, incarnation })
    }

    pub(crate) fn operation(&self, resource: &ResourceId, node: &NodeId) -> Operation {
        self.state.activity(resource, node).map(|activity| activity.operation).unwrap_or_default()
    }
}

/// The word after `name`.
pub(crate) fn option<'w>(words: &[&'w str], name: &str) -> Option<&'w str> {
    let place = words.iter().position(|word| *word == name)?;
    words.get(place + 1).copied()
}

/// The number after `name`.
pub(crate) fn number(words: &[&str], name: &str) -> Result<Option<u64>, String> {
    option(words, name).map(|word| word.parse().map_err(|_| format!("'{word}' is no number"))).transpose()
}
