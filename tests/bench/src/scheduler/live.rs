//! Makes the state of a live cluster by the log's own entries: what `cib` draws, with one node lost and proven off.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Result, bail};
use quorate_core::config::ConfigPatch;
use quorate_core::grammar;
use quorate_core::id::{HardwareId, Incarnation, NodeId, RaftId, ResourceId, SessionId, StoreId};
use quorate_core::state::{ClusterState, Command, Entry, Founding, Member, Outcome, Release, Seen, Spent, Verdict};
use quorate_core::time::Timestamp;

use super::Size;
use super::cib::{Cluster, LOST, guest, host};

/// A cluster of this size in which everything ran, and whose node of the CIBs is proven off since the last entry.
pub(super) fn make(size: Size, seed: u64) -> Result<ClusterState> {
    let cluster = Cluster::of(size, seed)?;
    let mut log = Log::default();
    for node in 0..size.nodes {
        log.join(&host(node))?;
    }
    let text = cluster.statements()?;
    let config =
        grammar::read(&text, &mut |name| Err(name.to_owned())).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let patch = Box::new(ConfigPatch::between(&log.state.config, &config));
    log.tell(Command::Configure { actor: "bench".to_owned(), base: log.state.revision, patch, diff: String::new() })?;
    for node in 0..size.nodes {
        let found = |vm: usize| if cluster.on[vm] == node { Seen::Running } else { Seen::Stopped };
        log.hello(&host(node), (0..size.vms).map(|vm| (guest(vm).as_str().into(), found(vm))).collect())?;
    }
    log.lose(&host(LOST))?;
    Ok(log.state)
}

/// An attribute of a node that nobody asks for.
pub(super) fn remark(state: &mut ClusterState, value: usize) -> Result<()> {
    let node = NodeId::new(host(0));
    tell(state, Command::SetAttribute { node, name: "comment".to_owned(), value: Some(value.to_string()) })
}

#[derive(Default)]
struct Log {
    state: ClusterState,
}

fn tell(state: &mut ClusterState, command: Command) -> Result<()> {
    let at = Timestamp(state.now.0 + 10);
    match state.apply(state.index + 1, &Entry { at, request: None, command }) {
        Outcome::Refused(refusal) => bail!("an entry was refused: {refusal:?}"),
        _ => Ok(()),
    }
}

impl Log {
    fn tell(&mut self, command: Command) -> Result<()> {
        tell(&mut self.state, command)
    }

    fn join(&mut self, name: &str) -> Result<()> {
        let member = Member {
            name: NodeId::new(name),
            raft_id: if self.state.identity.is_none() { RaftId(1) } else { self.state.next_raft_id },
            address: format!("{name}:5405"),
            hardware: HardwareId::new(format!("hardware of {name}")),
            hardware_is_dmi: true,
            store: StoreId::new(format!("store of {name}")),
            fingerprint: format!("key of {name}"),
            joined: Timestamp(0),
            witness: false,
        };
        if self.state.identity.is_none() {
            let [cluster_id, name, ca_certificate, ca_key] = ["bench", "bench", "", ""].map(str::to_owned);
            return self.tell(Command::Found(Founding { cluster_id, name, ca_certificate, ca_key, member }));
        }
        let (hash, expires) = (format!("token of {name}"), Timestamp(self.state.now.0 + 1000));
        self.tell(Command::CreateToken { hash: hash.clone(), expires, actor: "bench".to_owned() })?;
        self.tell(Command::Join { token: hash, member: Box::new(member) })
    }

    fn hello(&mut self, name: &str, inventory: BTreeMap<ResourceId, Seen>) -> Result<()> {
        self.tell(Command::Hello {
            node: NodeId::new(name),
            hardware: HardwareId::new(format!("hardware of {name}")),
            session: boot(name),
            follows: Incarnation(0),
            inventory,
            release: Release::this(),
        })
    }

    fn lose(&mut self, name: &str) -> Result<()> {
        let (node, session) = (NodeId::new(name), boot(name));
        let lost = Verdict::Lost { evidence: "silent".to_owned(), spent: Spent::default(), grant: None };
        for verdict in [Verdict::Suspect, lost] {
            self.tell(Command::Judge { node: node.clone(), session: session.clone(), verdict })?;
        }
        self.tell(Command::ConfirmOff { node, session, by: "bench".to_owned() })
    }
}

fn boot(name: &str) -> SessionId {
    SessionId::new(format!("boot of {name}"))
}

impl Cluster {
    /// The configuration in our words; each node has a fence device of its own.
    fn statements(&self) -> Result<String> {
        let mut text = String::from("property placement-strategy=balanced\nrsc_defaults resource-stickiness=100\n");
        for node in (0..self.size.nodes).map(host) {
            let (cpu, memory) = self.capacity;
            writeln!(text, "node {node} utilization cpu={cpu} memory={memory}")?;
            writeln!(text, "primitive fence-{node} stonith:fake params target={node}")?;
        }
        for (vm, (cpu, memory)) in self.needs.iter().enumerate() {
            let id = guest(vm);
            writeln!(text, "primitive {id} vm:fake utilization cpu={cpu} memory={memory} op monitor interval=10s")?;
        }
        for (vm, score) in &self.preferred {
            let (id, node) = (guest(*vm), host(self.on[*vm]));
            writeln!(text, "location likes-{id} {id} {score}: {node}")?;
        }
        for (vm, node) in self.banned.iter().flat_map(|(vm, nodes)| nodes.iter().map(move |node| (vm, node))) {
            let (id, node) = (guest(*vm), host(*node));
            writeln!(text, "location ban-{id}-{node} {id} -inf: {node}")?;
        }
        for (ix, (a, b)) in self.apart.iter().enumerate() {
            writeln!(text, "colocation apart-{ix} -inf: {} {}", guest(*a), guest(*b))?;
        }
        for (ix, (a, b, kind)) in self.ordered.iter().enumerate() {
            writeln!(text, "order order-{ix} {kind}: {} {}", guest(*a), guest(*b))?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::planner::plan;
    use quorate_core::state::ActionKind;

    #[test]
    fn what_ran_on_the_lost_node_is_all_there_is_to_be_done() {
        let size = Size { nodes: 8, vms: 80 };
        let mut state = make(size, 1).expect("it can be made");
        let lost = Cluster::of(size, 1).expect("it can be drawn").on.iter().filter(|node| **node == LOST).count();
        let first = plan(&state);
        let starts = first.add.iter().filter(|action| action.kind == ActionKind::Start).count();
        assert!(lost > 5 && starts == lost, "{starts} of {lost} are started: {:?}", first.report.blocked);
        remark(&mut state, 1).expect("it is an entry");
        assert_eq!(plan(&state), first);
    }
}
