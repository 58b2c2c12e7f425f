//! `qrm fence test`: every device of a node is read once, from this host. Nothing is switched; what enters the log
//! is that a device has passed its first test, which arms its node.

use super::node::known;
use crate::daemon::bring;
use crate::daemon::clock::boot_time;
use crate::daemon::cluster::Cluster;
use crate::daemon::guid::{self, Whose};
use crate::daemon::power::{Power, Tested};
use futures::future::join_all;
use quorate_api::{Fault, Reason};
use quorate_core::config::Primitive;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ClusterState, Command, DrillWord, Member};
use quorate_core::time::millis;
use quorate_core::view::{self, DeviceTest, FenceTest};
use std::sync::Arc;

/// Reads each of them, all at once.
pub(super) async fn test(cluster: &Cluster, node: &str) -> Result<FenceTest, Fault> {
    let node = NodeId::new(node);
    let (member, devices, revision) = cluster.state(|state| {
        known(state, &node)?;
        let member = state.members.get(&node).cloned();
        let member = member.ok_or_else(|| Fault::new(Reason::NotFound, format!("{node} is no member")))?;
        Ok::<_, Fault>((member, devices(state, &node), state.revision))
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
    for (_, id, _, tested) in &answers {
        arm(cluster, &member, (id, revision), tested).await;
    }
    let (is_armed, arming) = cluster.state(|state| (state.is_armed(&node), view::arming(state, &node)));
    let devices = cluster.state(|state| {
        answers.into_iter().map(|(level, id, device, tested)| told(state, &member, level, id, device, tested)).collect()
    });
    Ok(FenceTest { node, from: cluster.me.node.clone(), devices, is_armed, arming })
}

/// What a person reads with success arms the node as a drill would, where another host than the node itself reads it. It says
/// something of the device as it was configured when the reading began.
async fn arm(cluster: &Cluster, member: &Member, (device, revision): (&ResourceId, u64), tested: &Tested) {
    let (node, by) = (member.name.clone(), cluster.me.node.clone());
    let is_own = matches!(tested.whose, Some(Whose::Own | Whose::Unknown(_)));
    let passed = tested.power.as_deref() == Some("on") && is_own && tested.proves;
    let counts = cluster.state(|state| {
        let is_news = state.drilled(device, &node).is_some_and(|it| it.passed.is_none() || it.failing.is_some());
        let is_online = state.nodes.get(&node).is_some_and(|at| at.is_online());
        is_news && is_online && (by != node || state.reads_own_devices(&node))
    });
    if !passed || !counts {
        return;
    }
    let word = DrillWord { by, node, device: device.clone(), revision, outcome: Ok(()) };
    if let Err(error) = bring(cluster, boot_time(), Command::Drilled(word)).await {
        tracing::warn!(%device, ?error, "that it passed its test is not in the log: the next drill says so");
    }
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
