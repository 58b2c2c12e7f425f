//! What only a person can answer: is a node off that no device can prove off?
//!
//! It is asked once every fence level has failed, or where nobody may try: no device, fencing disabled, the storm brake.
//! The tries go on meanwhile.

use crate::id::{NodeId, ResourceId, SessionId};
use crate::state::{ClusterState, Matter, Standing};
use crate::view::{Fencing, Tried};
use serde::{Deserialize, Serialize};

/// One clear question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// About which node.
    pub node: NodeId,
    /// About which boot: the answer is good for no other.
    pub session: SessionId,
    /// The question, short.
    pub title: String,
    /// What else is to be known.
    pub remark: Option<String>,
    /// The question in words.
    pub text: String,
    /// What was tried and failed: each devices' last error, with how often.
    pub tried: Vec<Tried>,
    /// Why nobody tries now, if so.
    pub held: Option<String>,
    /// Resources that wait for the answer.
    pub waiting: Vec<ResourceId>,
    /// What to type when one has made sure.
    pub answer: String,
}

pub(super) fn questions(state: &ClusterState, fencing: &[Fencing]) -> Vec<Question> {
    let unsettled = fencing.iter().filter(|fence| !fence.settling);
    let open = state.nodes.iter().filter(|(node, _)| !state.intents.contains_key(*node));
    let asked = open.filter_map(|(node, at)| asked(state, node, at.asked.as_ref()?.matter));
    unsettled.filter_map(|fence| question(state, fence)).chain(asked).collect()
}

/// A node that is left alone until somebody says what is to become of it.
fn asked(state: &ClusterState, node: &NodeId, matter: Matter) -> Option<Question> {
    let (title, remark) = match matter {
        Matter::AwayTooLong => (
            format!("{node} was stopped in order and did not come back: is it to be recovered from?"),
            format!("If it is to come back, start quorated on {node}. What it runs is left alone until then."),
        ),
        Matter::LostInMaintenance => (
            format!("{node} fell silent in maintenance: is it to be recovered from?"),
            format!(
                "If somebody works on it, nothing is to be done. What {node} had is started nowhere else until then."
            ),
        ),
    };
    let answer = format!("qrm fence {node}");
    let waiting = state.resources.keys().filter(|id| state.standing(id, node) != Standing::NotActive);
    Some(Question {
        node: node.clone(),
        session: state.nodes.get(node)?.session.as_ref()?.id.clone(),
        text: format!("{title} {remark} To have it proven off and what it ran started elsewhere: {answer}"),
        title,
        remark: Some(remark),
        tried: Vec::new(),
        held: None,
        waiting: waiting.cloned().collect(),
        answer,
    })
}

fn question(state: &ClusterState, fence: &Fencing) -> Option<Question> {
    let node = &fence.target;
    let tried = fence.failed.clone();
    let levels = state.fence_levels(node);
    let has_failed = |level: &Vec<ResourceId>| tried.iter().any(|tried| tried.devices == *level);
    // A watchdog needs nobody's answer: it is waited for.
    let bites = state.watchdog_due(node).is_ok();
    // What was left for a host whose watchdog proves nothing is for its own good.
    let in_vain = state.sent_pill(node).and_then(|_| state.watchdog_due(node).err());
    if bites || (in_vain.is_none() && fence.held.is_none() && !levels.iter().all(has_failed)) {
        return None;
    }
    let held = in_vain.or_else(|| fence.held.clone());
    let waiting = state.resources.keys().filter(|id| state.standing(id, node) != Standing::NotActive);
    let answer = format!("qrm node confirm-off {node}");
    let text = format!("Is {node} really off? {} If you have made sure: {answer}", effort(&tried, held.as_deref()));
    Some(Question {
        node: node.clone(),
        session: fence.session.clone(),
        title: format!("Is {node} really off?"),
        remark: None,
        text,
        tried,
        held,
        waiting: waiting.cloned().collect(),
        answer,
    })
}

fn effort(tried: &[Tried], held: Option<&str>) -> String {
    let held = held.map(|held| format!("Nobody tries to prove it now: {held}."));
    if tried.is_empty() {
        return held.unwrap_or_default();
    }
    let one = |tried: &Tried| {
        let devices: Vec<&str> = tried.devices.iter().map(ResourceId::as_str).collect();
        let times = match tried.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        format!("{} {times} ({})", devices.join(" and "), tried.error)
    };
    let tried = format!("Tried: {}.", tried.iter().map(one).collect::<Vec<_>>().join("; "));
    held.map_or(tried.clone(), |held| format!("{tried} {held}"))
}
