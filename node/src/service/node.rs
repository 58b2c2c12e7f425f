//! What people want of a node, and what they know of it.

use super::asker::Asker;
use super::{fault, membership};
use crate::daemon::cluster::LeaderLive;
use quorate_api::proto::{ChangeReply, NodeRequest, NodeVerb};
use quorate_api::{Fault, Reason};
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::{ClusterState, Command, Intent, NodeState, SessionState};

/// Answers `Node`.
pub(super) async fn node(asker: &Asker, request: &NodeRequest) -> Result<ChangeReply, Fault> {
    asker.settle().await?;
    let node = NodeId::new(&request.node);
    match request.verb() {
        NodeVerb::Standby => intend(asker, &node, Intent::Standby, "runs nothing from now on").await,
        NodeVerb::Online | NodeVerb::Ready => intend(asker, &node, Intent::Active, "takes part").await,
        NodeVerb::Maintenance => {
            intend(asker, &node, Intent::Maintenance, "is in maintenance: nobody touches what it has").await
        }
        NodeVerb::Drain => intend(asker, &node, Intent::Drain, "is left by all that has another place").await,
        NodeVerb::ConfirmOff => confirm_off(asker, &node, request.session.as_deref()).await,
        NodeVerb::Shutdown => membership::shutdown(asker, &node).await,
        NodeVerb::Remove => membership::remove(asker, &node).await,
        NodeVerb::Release => release(asker, &node).await,
        NodeVerb::Unspecified => {
            Err(fault::invalid("the request does not say what to do with the node", "name a verb"))
        }
    }
}

async fn intend(asker: &Asker, node: &NodeId, intent: Intent, words: &str) -> Result<ChangeReply, Fault> {
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message: format!("{node} {words}") });
    }
    let (now, index) = asker.cluster.state(|state| Ok::<_, Fault>((known(state, node)?.intent, state.index)))?;
    if now == intent {
        return Ok(ChangeReply {
            index,
            message: format!("{node} is set to {} already: nothing was changed", intent.word()),
        });
    }
    let command = Command::SetIntent { actor: asker.actor.clone(), node: node.clone(), intent };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message: format!("{node} {words}") })
}

/// quarantine, breathing: a person knows better, or has mended what was wrong.
async fn release(asker: &Asker, node: &NodeId) -> Result<ChangeReply, Fault> {
    let message = format!("{node} gets resources again as any other");
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    asker.cluster.state(|state| known(state, node).map(drop))?;
    let command = Command::Release { actor: Some(asker.actor.clone()), node: node.clone() };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}

async fn confirm_off(asker: &Asker, node: &NodeId, session: Option<&str>) -> Result<ChangeReply, Fault> {
    let message = format!("{node} is taken to be off on the word of {}", asker.actor);
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message });
    }
    let session = SessionId::new(session.unwrap_or_default());
    asker.cluster.state(|state| check_confirmation(state, node, &session))?;
    let live = asker.cluster.leader_live().await.map_err(|error| {
        Fault::new(
            Reason::NoLeader,
            format!("nobody can say whether {node} is heard, for the leader does not answer: {error}"),
        )
        .hint("try again in a moment")
    })?;
    let own = asker.cluster.own_live();
    check_silence(node, &[&live, &own])?;
    let distrusted = asker.cluster.state(|state| state.distrusted.clone());
    check_power(node, &[&live, &own], |device| distrusted.contains_key(device))?;
    let command = Command::ConfirmOff { node: node.clone(), session, by: asker.actor.clone() };
    let (index, _) = asker.propose(command).await?;
    Ok(ChangeReply { index, message })
}

/// The node of this name.
pub(super) fn known<'s>(state: &'s ClusterState, node: &NodeId) -> Result<&'s NodeState, Fault> {
    let unknown = || fault::unknown("node", node.as_str(), state.nodes.keys().map(NodeId::as_str));
    state.nodes.get(node).ok_or_else(unknown)
}

/// confirm-off: it answers one question, about one session that is to be proven dead and is not.
pub(super) fn check_confirmation(state: &ClusterState, node: &NodeId, session: &SessionId) -> Result<(), Fault> {
    let at = known(state, node)?;
    if session.as_str().is_empty() {
        return Err(fault::invalid(
            format!("the request does not say in which session {node} is off"),
            "`qrm status --json` has it in its question",
        ));
    }
    let current = at.session.as_ref();
    if let Some(SessionState::Ended(proof)) = current.filter(|it| it.id == *session).map(|it| &it.state) {
        return Err(Fault::new(Reason::Refused, format!("{node} needs no confirmation: {}", proof.words()))
            .hint("`qrm fence history` shows how it ended"));
    }
    if current.is_none_or(|current| current.id != *session) {
        let message = format!("{node} is not in session {session} any more: what you were asked about is over");
        return Err(Fault::new(Reason::Stale, message).hint("look at `qrm status` again"));
    }
    if state.intents.get(node).is_none_or(|intent| intent.session != *session) {
        return Err(Fault::new(Reason::Refused, format!("nobody asks whether {node} is off: it is not being fenced"))
            .hint(format!("if it has to be: `qrm fence {node}`")));
    }
    Ok(())
}

/// confirm-off is refused while anybody hears the node: it is not off then, whatever a person thinks.
fn check_silence(node: &NodeId, views: &[&LeaderLive]) -> Result<(), Fault> {
    let mut hearers: Vec<&str> =
        views.iter().filter_map(|live| live.hearers.get(node)).flatten().map(NodeId::as_str).collect();
    hearers.sort_unstable();
    hearers.dedup();
    if hearers.is_empty() {
        return Ok(());
    }
    let message = format!("{node} is not off: it was heard by {} within the last second", hearers.join(", "));
    Err(Fault::new(Reason::Refused, message).hint(format!("switch {node} off, make sure, and say so again")))
}

/// confirm-off is refused while a device says that the power is on.
fn check_power(node: &NodeId, views: &[&LeaderLive], is_distrusted: impl Fn(&ResourceId) -> bool) -> Result<(), Fault> {
    let mut reads_on = views.iter().filter_map(|live| live.reads_on.get(node));
    let Some(device) = reads_on.find(|device| !is_distrusted(device)) else { return Ok(()) };
    let message = format!("{node} is not off: {device} reads its power as on");
    Err(Fault::new(Reason::Refused, message).hint(format!(
        "switch {node} off, make sure, and say so again; if {device} is wrong: qrm fence distrust {device}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_whose_power_reads_on_is_not_off() {
        let mut live = LeaderLive::default();
        live.reads_on.insert(NodeId::from("n1"), "ipmi-n1".into());
        assert_eq!(check_power(&NodeId::from("n2"), &[&live], |_| false), Ok(()));
        let views = [&LeaderLive::default(), &live];
        assert_eq!(check_power(&NodeId::from("n1"), &views, |_| true), Ok(()), "a person said that it is wrong");
        let fault = check_power(&NodeId::from("n1"), &views, |_| false).unwrap_err();
        assert!(fault.message.contains("ipmi-n1"), "{fault:?}");
    }

    #[test]
    fn a_node_that_anybody_hears_is_not_off() {
        let (n1, n2) = (NodeId::from("n1"), NodeId::from("n2"));
        let nobody = LeaderLive::default();
        let mut somebody = LeaderLive::default();
        somebody.hearers.insert(n1.clone(), vec![n2.clone()]);
        somebody.hearers.insert(n2.clone(), Vec::new());
        assert_eq!(check_silence(&n1, &[&nobody, &nobody]), Ok(()));
        assert_eq!(check_silence(&n2, &[&nobody, &somebody]), Ok(()));
        for views in [[&somebody, &nobody], [&nobody, &somebody]] {
            let fault = check_silence(&n1, &views).unwrap_err();
            assert_eq!(fault.reason, Reason::Refused);
            assert!(fault.message.contains("heard by n2"), "{fault:?}");
        }
    }
}
