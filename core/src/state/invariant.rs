//! Named safety rules of the state itself; asserted in tests, checked after every entry in the simulation.

use super::{ClusterState, SessionState};

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {what}")]
pub struct Broken {
    /// Which rule.
    pub rule: &'static str,
    /// What breaks it.
    pub what: String,
}

/// All rules of the state that do not hold.
pub fn broken(state: &ClusterState) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (resource, nodes) in &state.resources {
        let starts: Vec<_> = nodes
            .iter()
            .filter(|(_, activity)| activity.claim.as_ref().is_some_and(|claim| claim.kind == super::ActionKind::Start))
            // Of a clone each node has its own, however many were granted by now.
            .filter(|(_, activity)| activity.definition.as_ref().is_none_or(|it| it.clone_spec().is_none()))
            .map(|(node, _)| node)
            .collect();
        // Where a person waived the proof of a lost node, what was begun there stands beside the next start.
        if starts.len() > 1 && !state.is_proof_waived(resource) {
            broken.push(Broken { rule: "one-copy", what: format!("{resource} is being started on {starts:?}") });
        }
    }
    for (node, state_of) in &state.nodes {
        let ended = state_of.session.as_ref().is_some_and(|session| matches!(session.state, SessionState::Ended(_)));
        for (resource, nodes) in &state.resources {
            if ended && nodes.get(node).is_some_and(|activity| activity.claim.is_some()) {
                broken.push(Broken { rule: "no claim on an ended session", what: format!("{resource} on {node}") });
            }
        }
    }
    for (resource, nodes) in &state.resources {
        for (node, activity) in nodes {
            let Some(claim) = &activity.claim else { continue };
            let current = state.nodes.get(node).map(|of| of.incarnation);
            if current != Some(claim.incarnation) {
                let what = format!(
                    "{resource} on {node} is claimed by incarnation {}, which is not its daemon",
                    claim.incarnation
                );
                broken.push(Broken { rule: "incarnation", what });
            }
        }
    }
    for (resource, places) in &state.resources {
        // A plan looks at no other places.
        if !places.is_sound() {
            broken.push(Broken { rule: "touched", what: format!("where there is anything of {resource}") });
        }
        if let Some(node) = places.keys().find(|node| !state.nodes.contains_key(*node)) {
            broken.push(Broken { rule: "members", what: format!("{resource} is known on {node}, which is none") });
        }
    }
    for action in state.actions.values() {
        if action.after.contains(&action.id) {
            broken.push(Broken { rule: "acyclic", what: format!("action {} waits for itself", action.id) });
        }
    }
    broken
}
