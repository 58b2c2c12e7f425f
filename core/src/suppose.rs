//! What if: a cluster as it would be after statements of the grammar and after what happens to nodes. Pure.
//!
//! It is the log's own entries, applied to a copy of the state: nothing is supposed that could not happen. Nothing
//! leaves here that could be proposed.

use crate::config::validate::{of_members, validate};
use crate::config::{ConfigPatch, secret};
use crate::grammar::{self, Mode};
use crate::id::NodeId;
use crate::state::{ClusterState, Command, DrillWord, Entry, Intent, Liveness, Outcome, Spent, Verdict, one_disk};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// What is supposed; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supposition {
    /// Statements of the configure grammar, files expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// They are the whole configuration: what is not in them goes.
    #[serde(default)]
    pub replace: bool,
    /// These nodes are lost.
    #[serde(default)]
    pub node_down: Vec<NodeId>,
    /// These nodes are in standby.
    #[serde(default)]
    pub node_standby: Vec<NodeId>,
    /// When; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The cluster as it would be.
#[derive(Clone, Debug, Default)]
pub struct Supposed {
    /// All of it.
    pub state: ClusterState,
    /// What the statements change, in the grammar's words.
    pub diff: String,
    /// What validation says of the configuration then.
    pub warnings: Vec<String>,
}

/// All that is wrong with a supposition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Impossible(pub Vec<String>);

/// The cluster as it would be, from how it is; `now` is where no time is named.
///
/// # Errors
/// Statements that would not be committed, nodes that there are none of.
pub fn suppose(state: &ClusterState, what: &Supposition, now: Timestamp) -> Result<Supposed, Impossible> {
    let named = what.node_down.iter().chain(&what.node_standby);
    let unknown: Vec<String> = named
        .filter(|node| !state.nodes.contains_key(*node))
        .map(|node| format!("there is no node '{node}': `qrm node` lists them"))
        .collect();
    if !unknown.is_empty() {
        return Err(Impossible(unknown));
    }
    let mut supposed = Supposed { state: state.clone(), ..Supposed::default() };
    let at = what.at.unwrap_or(now);
    supposed.tell(at, Command::Wake)?;
    if let Some(text) = &what.with {
        supposed.configure(at, text, if what.replace { Mode::Replace } else { Mode::Update })?;
    }
    for node in &what.node_standby {
        let actor = ACTOR.to_owned();
        supposed.tell(at, Command::SetIntent { actor, node: node.clone(), intent: Intent::Standby })?;
    }
    for node in &what.node_down {
        supposed.lose(at, node)?;
    }
    Ok(supposed)
}

/// Nobody asks for what is only supposed.
const ACTOR: &str = "simulate";

impl Supposed {
    fn tell(&mut self, at: Timestamp, command: Command) -> Result<(), Impossible> {
        let entry = Entry { at, request: None, command };
        match self.state.apply(self.state.index + 1, &entry) {
            Outcome::Refused(refusal) => Err(Impossible(vec![refusal.to_string()])),
            _ => Ok(()),
        }
    }

    /// As `qrm configure` would check and commit it.
    fn configure(&mut self, at: Timestamp, text: &str, mode: Mode) -> Result<(), Impossible> {
        let mut no_files = |name: &str| Err(format!("'{name}' is a file: put its content there"));
        let statements = grammar::parse(text, &mut no_files).map_err(|errors| impossible(&errors))?;
        let old = self.state.config.clone();
        let mut new = old.clone();
        grammar::apply_statements(&mut new, statements, mode).map_err(|errors| impossible(&errors))?;
        secret::unmask(&old, &mut new).map_err(|problems| impossible(&problems))?;
        let report = validate(&new);
        if !report.is_ok() {
            return Err(impossible(&report.errors));
        }
        let conflicts = one_disk::conflicts(&old, &self.state.owners(), &new);
        if !conflicts.is_empty() {
            return Err(impossible(&conflicts));
        }
        let members = self.state.members.keys().cloned().collect();
        let warnings = report.warnings.into_iter().chain(of_members(&new, &members));
        self.warnings.extend(warnings.map(|warning| warning.to_string()));
        let (shown, changed) = secret::masked_change(&old, &new);
        self.diff = grammar::diff(&shown, &changed);
        let patch = Box::new(ConfigPatch::between(&old, &new));
        if patch.is_empty() {
            return Ok(());
        }
        let (actor, base, diff) = (ACTOR.to_owned(), self.state.revision, self.diff.clone());
        self.tell(at, Command::Configure { actor, base, patch, diff })?;
        self.drill(at)
    }

    /// A device that is only supposed is supposed to work.
    fn drill(&mut self, at: Timestamp) -> Result<(), Impossible> {
        let (by, revision) = (NodeId::new(ACTOR), self.state.revision);
        let nodes = self.state.nodes.iter();
        let all = nodes.flat_map(|(node, at)| at.drilled.iter().map(move |(device, drilled)| (node, device, drilled)));
        let new = all.filter(|(.., drilled)| drilled.revision == revision && drilled.passed.is_none());
        let words: Vec<DrillWord> = new
            .map(|(node, device, _)| DrillWord {
                by: by.clone(),
                node: node.clone(),
                device: device.clone(),
                revision,
                outcome: Ok(()),
            })
            .collect();
        for word in words {
            self.warnings.push(format!("{} is supposed to pass its drill for {}", word.device, word.node));
            self.tell(at, Command::Drilled(word))?;
        }
        Ok(())
    }

    /// It falls silent and is judged lost; one that is off or lost already is left as it is.
    fn lose(&mut self, at: Timestamp, node: &NodeId) -> Result<(), Impossible> {
        let Some(state) = self.state.nodes.get(node) else { return Ok(()) };
        let Some(session) = state.session.as_ref().map(|session| session.id.clone()) else { return Ok(()) };
        if matches!(state.liveness, Liveness::Lost | Liveness::Off | Liveness::Joining) {
            return Ok(());
        }
        let judge = |verdict| Command::Judge { node: node.clone(), session: session.clone(), verdict };
        if state.liveness == Liveness::Online {
            self.tell(at, judge(Verdict::Suspect))?;
        }
        let evidence = "it is supposed to be".to_owned();
        self.tell(at, judge(Verdict::Lost { evidence, spent: Spent::default(), grant: None }))
    }
}

fn impossible(problems: &[impl Display]) -> Impossible {
    Impossible(problems.iter().map(ToString::to_string).collect())
}
