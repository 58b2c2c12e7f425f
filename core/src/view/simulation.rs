//! A transition and what is where after it: what `qrm simulate` shows, of the live cluster and of a Pacemaker CIB alike.

use super::Document;
use crate::planner::{self, Blocked};
use crate::scheduler::{self, Outcome, Role};
use crate::suppose::Supposed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What would be done from here, run in memory with every action doing well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// `simulate/1`
    pub schema: String,
    /// Nodes that are fenced.
    pub fenced: Vec<String>,
    /// Those of them that are only let to their storage (`on`), and go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfenced: Vec<String>,
    /// Where each resource is active afterwards.
    pub placement: BTreeMap<String, Vec<String>>,
    /// And as what: `Started`, `Promoted`, `Unpromoted`.
    pub roles: BTreeMap<String, BTreeMap<String, String>>,
    /// What is done.
    pub actions: Vec<SimulatedAction>,
    /// Pairs of places in `actions`: the first is done before the second begins.
    pub order: Vec<(usize, usize)>,
    /// What was not understood or is dangerous, in words.
    pub warnings: Vec<String>,
    /// Of the live cluster: what waits, and for what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// Of staged statements: what they change, in the grammar's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// One action of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedAction {
    /// start, stop, promote, demote, `migrate_to`, `migrate_from`, fence
    pub op: String,
    /// Of what; empty for a fence.
    pub resource: String,
    /// All instances that do this there.
    pub instances: Vec<String>,
    /// Where.
    pub node: String,
    /// Why.
    pub reason: String,
}

impl Document for Simulation {
    const SCHEMA: &'static str = "simulate/1";
}

/// What the live cluster, as it is supposed to be, would do.
pub fn simulation(supposed: &Supposed) -> Simulation {
    let outcome = scheduler::schedule(planner::model(&supposed.state).model);
    let mut simulation = Simulation::from(&outcome);
    simulation.warnings.splice(0..0, supposed.warnings.iter().cloned());
    simulation.blocked = planner::plan(&supposed.state).report.blocked;
    simulation.diff.clone_from(&supposed.diff);
    simulation
}

impl From<&Outcome> for Simulation {
    fn from(outcome: &Outcome) -> Self {
        let step = |step: &scheduler::Step| SimulatedAction {
            op: step.op.to_owned(),
            resource: step.resource.clone(),
            instances: step.instances.clone(),
            node: step.node.clone(),
            reason: step.reason.clone(),
        };
        let roles = |on: &BTreeMap<String, Role>| {
            on.iter().map(|(node, role)| (node.clone(), role_name(*role).to_owned())).collect()
        };
        Self {
            schema: Self::SCHEMA.to_owned(),
            fenced: outcome.fenced.keys().cloned().collect(),
            unfenced: outcome.unfenced.iter().cloned().collect(),
            placement: outcome.after.iter().map(|it| (it.resource.clone(), it.on.keys().cloned().collect())).collect(),
            roles: outcome.after.iter().map(|it| (it.resource.clone(), roles(&it.on))).collect(),
            actions: outcome.steps.iter().map(step).collect(),
            order: outcome.order.clone(),
            warnings: outcome.warnings.clone(),
            ..Self::default()
        }
    }
}

/// A role in Pacemaker's words.
fn role_name(role: Role) -> &'static str {
    match role {
        Role::Promoted => "Promoted",
        Role::Unpromoted => "Unpromoted",
        Role::Stopped | Role::Unknown => "Stopped",
        Role::Started => "Started",
    }
}
