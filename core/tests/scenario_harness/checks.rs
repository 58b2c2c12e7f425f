//! What must hold after every entry, whatever it was: the state's own invariants, and rules between two states.

use quorate_core::config::AgentClass;
use quorate_core::config::shorthand::Group;
use quorate_core::id::NodeId;
use quorate_core::state::{Action, ActionKind, ClusterState, Command, Outcome, Seen, SessionState, invariant};

/// The rules that do not hold between the state before an entry and the one after it.
pub(super) fn broken(before: &ClusterState, after: &ClusterState, command: &Command, outcome: &Outcome) -> Vec<String> {
    let mut broken: Vec<String> = invariant::broken(after).iter().map(|broken| broken.rule.to_owned()).collect();
    if matches!(outcome, Outcome::Refused(_)) && !is_unchanged(before, after, command) {
        broken.push("a refusal changed the state".to_owned());
    }
    if matches!(outcome, Outcome::Granted(_)) && !was_alone(before, command) {
        broken.push("a start was granted beside what may be active".to_owned());
    }
    if after.now < before.now {
        broken.push("time went back".to_owned());
    }
    for (resource, nodes) in &before.resources {
        for (node, activity) in nodes {
            let now = after.activity(resource, node).map(|activity| activity.operation);
            if now.is_some_and(|now| now < activity.operation) {
                broken.push("an operation number went back".to_owned());
            }
        }
    }
    broken
}

/// Apart from what every entry moves; a claim that is refused for good takes its action out of the plan.
fn is_unchanged(before: &ClusterState, after: &ClusterState, command: &Command) -> bool {
    let mut expected = before.clone();
    expected.index = after.index;
    expected.moved = after.moved;
    expected.now = after.now;
    expected.moved = after.moved;
    expected.clients.clone_from(&after.clients);
    if matches!(command, Command::Claim { .. }) {
        expected.actions.clone_from(&after.actions);
    }
    expected == *after
}

/// claim-check, told in other words than `apply` tells it.
/// A person said that it is not there, and nothing of it was ever seen there or begun.
fn is_never_looked_for(before: &ClusterState, action: &Action, node: &NodeId) -> bool {
    let said = before.config.shorthand.looked_for.get(&action.resource);
    let here = before.activity(&action.resource, node);
    let is_nothing_known = here.is_none_or(|here| {
        let is_blank = matches!(here.seen, Seen::Stopped | Seen::Unknown(_));
        is_blank && here.claim.is_none() && here.definition.is_none()
    });
    said.is_some_and(|said| said.forbids(node).is_some()) && is_nothing_known
}

fn was_alone(before: &ClusterState, command: &Command) -> bool {
    let Command::Claim { speaker, action, .. } = command else { return true };
    let Some(action) = before.actions.get(action) else { return false };
    let is_open = |name| {
        let session = before.nodes.get(name).and_then(|node| node.session.as_ref());
        session.is_some_and(|session| session.state == SessionState::Open && session.id == speaker.session)
    };
    if !is_open(&speaker.node) || action.node != speaker.node {
        return false;
    }
    // A person's waiver of the proof, which no VM can have.
    let waived = before.config.primitives.get(&action.resource).is_some_and(|primitive| {
        let requires = primitive.meta.get("requires").map_or("fencing", String::as_str);
        primitive.agent.class != AgentClass::Vm && requires != "fencing"
    });
    if action.kind == ActionKind::Promote {
        return may_be_promoted(before, action);
    }
    if !matches!(action.kind, ActionKind::Start | ActionKind::Handover) {
        return true;
    }
    let may_have_it = before.nodes.iter().filter(|(name, node)| {
        let is_clear = name == &&action.node && has_arrived(before, action)
            || match &node.session {
                None => true,
                Some(_) if before.is_witness(name) => true,
                Some(session) if matches!(session.state, SessionState::Ended(_)) => true,
                Some(session) if waived && session.state == SessionState::Lost => true,
                Some(_) if *name != &action.node && is_never_looked_for(before, action, name) => true,
                Some(_) => before
                    .resources
                    .get(&action.resource)
                    .and_then(|nodes| nodes.get(*name))
                    .is_some_and(|activity| activity.claim.is_none() && activity.seen == Seen::Stopped),
            };
        !is_clear
    });
    let names: Vec<_> = may_have_it.map(|(name, _)| name).collect();
    !names.contains(&&action.node) && names.len() < most(before, action)
}

/// The clone that names it, or the group that it is in.
fn clone_of<'s>(before: &'s ClusterState, action: &Action) -> Option<&'s Group> {
    let groups = &before.config.shorthand.groups;
    let names = |it: &Group, id: &str| it.members.iter().any(|member| member.as_str() == id);
    let group = groups.iter().find(|(_, it)| !it.is_clone() && names(it, action.resource.as_str()));
    let (id, group) = (action.resource.as_str(), group.map(|(name, _)| name.as_str()));
    groups.values().find(|it| it.is_clone() && (names(it, id) || group.is_some_and(|group| names(it, group))))
}

/// How many of it there may be: of what a clone names so many, of anything else one.
fn most(before: &ClusterState, action: &Action) -> usize {
    let clone = clone_of(before, action);
    let written = clone.map(|clone| clone.meta.get("clone-max").and_then(|text| text.parse().ok()));
    written.map_or(1, |written| written.unwrap_or(before.nodes.len()))
}

/// Fewer than promoted-max of it are promoted elsewhere, or may be on a session that is not over.
fn may_be_promoted(before: &ClusterState, action: &Action) -> bool {
    let promoted = before.nodes.iter().filter(|(name, node)| {
        let is_over = node.session.as_ref().is_none_or(|session| matches!(session.state, SessionState::Ended(_)));
        let activity = before.resources.get(&action.resource).and_then(|nodes| nodes.get(*name));
        let moves = |kind: ActionKind| matches!(kind, ActionKind::Promote | ActionKind::Demote);
        let is_known = activity.is_some_and(|activity| {
            let is_moving = activity.claim.as_ref().is_some_and(|claim| moves(claim.kind));
            !is_moving && matches!(activity.seen, Seen::Stopped | Seen::Running)
        });
        !is_over && !before.is_witness(name) && !is_known
    });
    let names: Vec<_> = promoted.map(|(name, _)| name).collect();
    let clone = clone_of(before, action);
    let written = clone.and_then(|clone| clone.meta.get("promoted-max")).and_then(|text| text.parse().ok());
    !names.contains(&&action.node) && names.len() < written.unwrap_or(1)
}

/// handover: what is let run came by a migration that said itself that its source is gone.
fn has_arrived(before: &ClusterState, action: &Action) -> bool {
    let claim = before.activity(&action.resource, &action.node).and_then(|here| here.claim.as_ref());
    action.kind == ActionKind::Handover
        && claim.and_then(|claim| claim.migration.as_ref()).is_some_and(|migration| migration.gone.is_some())
}
