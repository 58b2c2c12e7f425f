//! `qrm fence test`: every device of a node is read once, from this host. Nothing is switched, nothing enters the log.

use super::node::known;
use crate::daemon::cluster::Cluster;
use crate::daemon::guid::{self, Whose};
use crate::daemon::power::{Power, Tested};
use futures::future::join_all;
use quorate_api::{Fault, Reason};
use quorate_core::config::Primitive;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ClusterState, Member};
use quorate_core::time::millis;
use quorate_core::view::{DeviceTest, FenceTest};
use std::sync::Arc;

/// Reads each of them, all at once.
pub(super) async fn test(cluster: &Cluster, node: &str) -> Result<FenceTest, Fault> {
    let node = NodeId::new(node);
    let (member, devices) = cluster.state(|state| {
        known(state, &node)?;
        let member = state.members.get(&node).cloned();
        let member = member.ok_or_else(|| Fault::new(Reason::NotFound, format!("{node} is no member")))?;
        Ok::<_, Fault>((member, devices(state, &node)))
    })?;
    if devices.is_empty() {
        return Err(Fault::new(Reason::Refused, format!("no fence device is for {node}"))
            .hint(format!("add one: `qrm configure primitive fence-{node} stonith:ipmi params target={node} …`")));
    }
    let power = Power::new(Arc::new(cluster.agents.processes().clone()));
    let asked = devices.iter().map(|(level, id, definition)| {
        let (power, member) = (&power, &member);
        async move { (*level, id, definition, power.test(id, definition, member).await) }
    });
    let answers = join_all(asked).await;
    let devices = cluster.state(|state| {
        answers.into_iter().map(|(level, id, device, tested)| told(state, &member, level, id, device, tested)).collect()
    });
    Ok(FenceTest { node, from: cluster.me.node.clone(), devices })
}

fn devices(state: &ClusterState, node: &NodeId) -> Vec<(usize, ResourceId, Primitive)> {
    let levels = state.fence_levels(node).into_iter().enumerate();
    let ids = levels.flat_map(|(level, ids)| ids.into_iter().map(move |id| (level + 1, id)));
    ids.filter_map(|(level, id)| Some((level, id.clone(), state.config.primitives.get(&id)?.clone()))).collect()
}

fn told(
    state: &ClusterState,
    member: &Member,
    level: usize,
    id: &ResourceId,
    definition: &Primitive,
    tested: Tested,
) -> DeviceTest {
    let others = || {
        let shown = tested.guid.as_deref();
        let is_theirs = |other: &&Member| {
            other.name != member.name && guid::whose(shown, Some(&other.hardware), None) == Whose::Own
        };
        state.members.values().find(is_theirs).map(|other| other.name.clone())
    };
    let (own, whose) = match &tested.whose {
        None => (None, "not known: it did not answer".to_owned()),
        Some(Whose::Own) => (Some(true), format!("{}'s own, by the system GUID it shows", member.name)),
        Some(Whose::Unknown(why)) => (None, format!("not known: {why}")),
        Some(Whose::Others) => match others() {
            Some(other) => (Some(false), format!("{other}'s, by the system GUID it shows: addresses are swapped")),
            None => (Some(false), "another host's, by the system GUID it shows".to_owned()),
        },
    };
    DeviceTest {
        device: id.clone(),
        agent: definition.agent.text(),
        level,
        power: tested.power,
        error: tested.error,
        guid: tested.guid,
        own,
        whose,
        strength: tested.strength,
        proves: tested.proves,
        took_ms: millis(tested.took),
    }
}
