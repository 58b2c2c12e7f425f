//! recover: one survivor of a lost majority is made a cluster of its own, in the next generation.
//!
//! What is asked of it is checked while it runs: that there is no majority, and that nobody hears or reads as on any
//! other member. A person says the rest, by name. It is carried out at the daemon's next start, which follows at once.

use super::clock::{boot_time, wall_clock};
use super::cluster::{Cluster, Store};
use super::member::Host;
use super::power::{Power, Time};
use super::store::begin_anew;
use crate::engine::{PowerVerb, Tag};
use crate::security::{Credentials, FilesError, Identity};
use futures::future::join_all;
use quorate_api::proto::RecoverReply;
use quorate_api::{Fault, Reason};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ClusterState, Command, Entry, Recovery, SessionState};
use quorate_raft::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpStream;

/// A device that has not answered by then does not say that the power is on.
const READING: Duration = Duration::from_secs(6);
/// A host that is on answers a connection by then, if only to refuse it.
const CONNECT: Duration = Duration::from_secs(2);
/// The answer is to leave before the daemon begins anew.
const BEFORE_ANEW: Duration = Duration::from_millis(500);

/// Checks, notes what is to be done, and has the daemon begin anew.
///
/// # Errors
/// When there is a majority, another member may live, or not every one of them was named.
pub(super) async fn prepare(host: &Host, actor: String, dead: Vec<String>) -> Result<RecoverReply, Fault> {
    let cluster = host.seat.cluster().ok_or_else(|| Fault::new(Reason::NoCluster, "this daemon is in no cluster"))?;
    if let Some(why) = cluster.removed() {
        return Err(Fault::new(Reason::Refused, why).hint("a removed member has nothing to recover"));
    }
    if cluster.fresh().await.is_ok() {
        return Err(Fault::new(Reason::Refused, "a majority of the members answers: there is nothing to recover")
            .hint("members that are lost for good: `qrm cluster remove NODE`"));
    }
    let dead: BTreeSet<NodeId> = dead.iter().map(NodeId::new).collect();
    let me = cluster.me.node.clone();
    let recovery = cluster.state(|state| plan(state, &me, actor, dead))?;
    check_silence(&cluster, &recovery.dead).await?;
    check_power(host, &cluster, &recovery.dead).await?;
    host.data.note_recovery(&recovery).map_err(files)?;
    tracing::warn!(by = recovery.actor, generation = recovery.generation, "this member goes on alone; it begins anew");
    let message = format!(
        "{me} goes on alone, as generation {}: it is the only member in a moment, and its hands are off everything. Look \
         at `qrm status`; then `qrm configure property maintenance-mode=false` has it start what is to run",
        recovery.generation
    );
    let generation = recovery.generation;
    tokio::spawn(async move {
        tokio::time::sleep(BEFORE_ANEW).await;
        begin_anew();
    });
    Ok(RecoverReply { message, generation })
}

fn plan(state: &ClusterState, me: &NodeId, actor: String, dead: BTreeSet<NodeId>) -> Result<Recovery, Fault> {
    let identity = state.identity.as_ref();
    let identity = identity.ok_or_else(|| Fault::new(Reason::NoCluster, "this cluster is still being founded"))?;
    let others: BTreeSet<NodeId> = state.members.keys().filter(|node| *node != me).cloned().collect();
    let list = |nodes: &mut dyn Iterator<Item = &NodeId>| nodes.map(NodeId::as_str).collect::<Vec<_>>().join(", ");
    if let Some(stranger) = dead.difference(&others).next() {
        let message = format!("{stranger} is no other member of this cluster: those are {}", list(&mut others.iter()));
        return Err(Fault::new(Reason::Invalid, message));
    }
    if dead != others {
        let missing = list(&mut others.difference(&dead));
        let message = format!("nothing was said of {missing}: every other member has to be off for good");
        return Err(Fault::new(Reason::Refused, message)
            .hint(format!("switch {missing} off, make sure, and name each with --lost")));
    }
    let own = state.nodes.get(me).and_then(|node| node.session.as_ref());
    if let Some(SessionState::Ended(proof)) = own.map(|session| &session.state) {
        let message = format!("{me} itself was held for dead ({}): what it had may run elsewhere", proof.words());
        return Err(Fault::new(Reason::Refused, message).hint("reboot this host, and ask again"));
    }
    let generation = state.generation + 1;
    // The id tells the generations apart wherever members meet.
    let first = identity.cluster_id.split('.').next().unwrap_or_default();
    let cluster_id = format!("{first}.{generation}");
    Ok(Recovery { actor, survivor: me.clone(), dead, generation, cluster_id })
}

/// Who is heard, or whose kernel answers at its address in whatever way, is not off.
async fn check_silence(cluster: &Cluster, dead: &BTreeSet<NodeId>) -> Result<(), Fault> {
    let live = cluster.own_live();
    let addresses: Vec<(NodeId, String)> = cluster.state(|state| {
        let of = |node: &NodeId| Some((node.clone(), state.members.get(node)?.address.clone()));
        dead.iter().filter_map(of).collect()
    });
    let answers = join_all(addresses.iter().map(|(_, address)| answers(address))).await;
    for ((node, _), answers) in addresses.iter().zip(answers) {
        let is_heard = live.hearers.get(node).is_some_and(|by| !by.is_empty());
        if is_heard || answers {
            return Err(Fault::new(Reason::Refused, format!("{node} is not off: its host answers"))
                .hint(format!("switch {node} off, make sure, and say so again; or bring its daemon back")));
        }
    }
    Ok(())
}

async fn answers(address: &str) -> bool {
    match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.kind() == ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

/// No device may read the power of any of them as on.
async fn check_power(host: &Host, cluster: &Cluster, dead: &BTreeSet<NodeId>) -> Result<(), Fault> {
    let asked = cluster.state(|state| {
        let of = |node: &NodeId| {
            let member = state.members.get(node)?.clone();
            let devices = state.fence_levels(node).into_iter().flatten();
            let trusted = devices.filter(|device| !state.distrusted.contains_key(device));
            let defined =
                trusted.filter_map(|device| Some((device.clone(), state.config.primitives.get(&device)?.clone())));
            // A slot is nobody's power.
            let defined = defined.filter(|(_, definition)| !definition.is_pill());
            Some((member, defined.collect::<BTreeMap<ResourceId, _>>()))
        };
        dead.iter().filter_map(of).collect::<Vec<_>>()
    });
    let power = Power::new(host.processes.clone());
    let time = Time { send_by: boot_time(), timeout: READING };
    let power = &power;
    let readings = asked.iter().flat_map(|(member, devices)| devices.iter().map(move |device| (member, device)));
    let readings = readings.enumerate().map(|(number, (member, (device, definition)))| async move {
        let tag = Tag(u64::MAX - number as u64);
        let read = power.ask(tag, device, definition, member, PowerVerb::Read, time);
        let answer = tokio::time::timeout(READING, read).await;
        (matches!(answer, Ok(answer) if answer.result == Ok(true)), &member.name, device)
    });
    let on = join_all(readings).await.into_iter().find(|(is_on, ..)| *is_on);
    let Some((_, node, device)) = on else { return Ok(()) };
    Err(Fault::new(Reason::Refused, format!("{node} is not off: {device} reads its power as on"))
        .hint(format!("switch {node} off, make sure, and say so again")))
}

/// What was noted is done: from here on this member's cluster is its own.
///
/// # Errors
/// When store or files cannot be changed.
pub(super) fn carry_out(host: &Host, identity: Identity, credentials: &Credentials) -> Result<Identity, Fault> {
    let Some(recovery) = host.data.recovery().map_err(files)? else { return Ok(identity) };
    let node = Node { name: identity.node.to_string(), address: identity.address.clone() };
    let entry = Entry { at: wall_clock(), request: None, command: Command::Recover(Box::new(recovery.clone())) };
    let store = host.data.store_dir();
    let belongs = (recovery.cluster_id.as_str(), identity.store.as_str());
    let index =
        quorate_raft::recover::<Store>(&store, (identity.raft_id.0, node), belongs, &entry).map_err(|error| {
            Fault::new(Reason::Failed, format!("the store in {} cannot be recovered: {error}", store.display()))
        })?;
    let identity = Identity { cluster_id: recovery.cluster_id.clone(), ..identity };
    host.data.save(&identity, credentials).map_err(files)?;
    host.data.save_peers(&BTreeMap::new()).map_err(files)?;
    host.data.forget_recovery().map_err(files)?;
    tracing::warn!(generation = recovery.generation, index, "this member is a cluster of its own");
    Ok(identity)
}

fn files(error: FilesError) -> Fault {
    Fault::new(Reason::Failed, error.to_string())
}
