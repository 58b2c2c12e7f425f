//! What only a person can answer: is a node off that no device can prove off?
//!
//! It is asked once every fence level has failed, or where nobody may try: no device, fencing disabled, the storm brake.
//! The tries go on meanwhile.

use crate::id::{NodeId, ResourceId, SessionId};
use crate::state::{ClusterState, Standing};
use crate::view::{Fencing, Tried};
use serde::{Deserialize, Serialize};

/// One clear question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// About which node.
    pub node: NodeId,
    /// About which boot: the answer is good for no other.
    pub session: SessionId,
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
    unsettled.filter_map(|fence| question(state, fence)).collect()
}

fn question(state: &ClusterState, fence: &Fencing) -> Option<Question> {
    let node = &fence.target;
    let tried = fence.failed.clone();
    let levels = state.fence_levels(node);
    let has_failed = |level: &Vec<ResourceId>| tried.iter().any(|tried| tried.devices == *level);
    if fence.held.is_none() && !levels.iter().all(has_failed) {
        return None;
    }
    let waiting = state.resources.keys().filter(|id| state.standing(id, node) != Standing::NotActive);
    let answer = format!("qrm node confirm-off {node}");
    let text =
        format!("Is {node} really off? {} If you have made sure: {answer}", effort(&tried, fence.held.as_deref()));
    Some(Question {
        node: node.clone(),
        session: fence.session.clone(),
        text,
        tried,
        held: fence.held.clone(),
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
