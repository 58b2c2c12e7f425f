//! A transition and what is where after it: what `qrm simulate` shows, of the live cluster and of a Pacemaker CIB alike.

use super::Document;
use crate::planner::{self, Blocked};
use crate::scheduler::{self, Outcome, Role};
use crate::suppose::Supposed;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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

impl Simulation {
    /// The actions as they can be done one after another: each behind all that comes before it by `order`, and else as
    /// they are listed.
    pub fn in_turn(&self) -> Vec<&SimulatedAction> {
        let mut waits_for = vec![0_usize; self.actions.len()];
        let mut then = vec![Vec::new(); self.actions.len()];
        for (first, second) in &self.order {
            if let (Some(behind), Some(many)) = (then.get_mut(*first), waits_for.get_mut(*second)) {
                behind.push(*second);
                *many += 1;
            }
        }
        let mut ready: BTreeSet<usize> = (0..self.actions.len()).filter(|ix| waits_for[*ix] == 0).collect();
        let mut turn = Vec::with_capacity(self.actions.len());
        while let Some(ix) = ready.pop_first() {
            turn.push(ix);
            for behind in &then[ix] {
                waits_for[*behind] -= 1;
                if waits_for[*behind] == 0 {
                    ready.insert(*behind);
                }
            }
        }
        // No plan has a circle; should a document have one, what is in it is shown all the same.
        turn.extend((0..self.actions.len()).filter(|ix| waits_for[*ix] > 0));
        turn.into_iter().map(|ix| &self.actions[ix]).collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_shown_behind_what_they_wait_for() {
        let action = |op: &str| SimulatedAction {
            op: op.to_owned(),
            resource: String::new(),
            instances: Vec::new(),
            node: "n1".to_owned(),
            reason: String::new(),
        };
        let actions = ["start", "promote", "fence", "stop"].map(action).to_vec();
        let of = |order: &[(usize, usize)]| {
            let simulation = Simulation { actions: actions.clone(), order: order.to_vec(), ..Simulation::default() };
            simulation.in_turn().iter().map(|action| action.op.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&[]), "start promote fence stop", "as they are listed");
        assert_eq!(of(&[(2, 0), (0, 1)]), "fence start promote stop");
        assert_eq!(of(&[(2, 0), (0, 2), (9, 1)]), "promote stop start fence", "nothing is lost");
    }
}
