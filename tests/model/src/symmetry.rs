//! One fingerprint for all states that differ only in names.
//!
//! Nodes are alike, and so are resources; boots, processes and operation numbers are only compared and
//! counted up. So a state's fingerprint is the least over all renamings of nodes and resources, with
//! boots, processes and numbers taken relative to the current ones. The state itself keeps its names, so
//! counterexamples read naturally. Fingerprints of parts are added, which makes lists order-free.

use std::hash::{Hash, Hasher};

use crate::message::{Hardware, Kind, Message, Sender};
use crate::state::{Claim, NodeId, ResourceId, State};
use crate::world::Work;

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.fingerprint());
    }
}

/// One part of the state: its bits, and the names in it.
struct Part {
    bits: u64,
    resource: u8,
    nodes: [u8; 2],
}

/// Stands for "no name here"; renaming leaves it alone.
const NOBODY: u8 = 3;
const NOTHING: u8 = 2;

const NODE_ORDERS: [[u8; 4]; 6] =
    [[0, 1, 2, NOBODY], [1, 0, 2, NOBODY], [0, 2, 1, NOBODY], [2, 1, 0, NOBODY], [1, 2, 0, NOBODY], [2, 0, 1, NOBODY]];
const RESOURCE_ORDERS: [[u8; 3]; 2] = [[0, 1, NOTHING], [1, 0, NOTHING]];

impl Part {
    fn new(tag: u64, resource: Option<ResourceId>, nodes: &[NodeId]) -> Self {
        let name = |at: usize| nodes.get(at).map_or(NOBODY, |node| node.0);
        Self { bits: tag, resource: resource.map_or(NOTHING, |resource| resource.0), nodes: [name(0), name(1)] }
    }

    fn with(mut self, value: u8, bits: u32) -> Self {
        self.bits = (self.bits << bits) | (u64::from(value) & ((1 << bits) - 1));
        self
    }

    fn renamed(&self, nodes: &[u8; 4], resources: &[u8; 3]) -> u64 {
        let names = (resources[usize::from(self.resource)] << 4)
            | (nodes[usize::from(self.nodes[0])] << 2)
            | nodes[usize::from(self.nodes[1])];
        mix((self.bits << 6) | u64::from(names))
    }
}

/// The finaliser of splitmix64.
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl State {
    /// Equal for states that are equal up to renaming.
    pub fn fingerprint(&self) -> u64 {
        let mut parts = Vec::with_capacity(40);
        self.node_parts(&mut parts);
        self.slot_parts(&mut parts);
        self.world_parts(&mut parts);
        parts.extend(self.network.iter().map(|message| self.message_part(*message)));
        let node_orders = match self.size.nodes {
            0 | 1 => 1,
            2 => 2,
            _ => NODE_ORDERS.len(),
        };
        let mut least = u64::MAX;
        for nodes in &NODE_ORDERS[..node_orders] {
            for resources in &RESOURCE_ORDERS[..usize::from(self.size.resources.clamp(1, 2))] {
                let sum = parts.iter().fold(0u64, |sum, part| sum.wrapping_add(part.renamed(nodes, resources)));
                least = least.min(sum);
            }
        }
        mix(least ^ self.nameless())
    }

    /// What carries no names: budgets and harm.
    fn nameless(&self) -> u64 {
        let left = &self.left;
        let counts = [
            left.claims,
            left.migrations,
            left.monitors,
            left.restarts,
            left.cuts,
            left.boots,
            left.losses,
            left.grants,
            left.call_offs,
            left.confirms,
            left.lies,
            left.vm_deaths,
            left.failures,
            left.impostors,
        ];
        let harm =
            [self.harm.executed_twice, self.harm.off_hit_open_session, self.harm.bad_copy_resumed, self.harm.lied];
        let counts = counts.iter().fold(0, |bits, count| (bits << 4) | u64::from(*count));
        mix(harm.iter().fold(counts, |bits, flag| (bits << 1) | u64::from(*flag)))
    }

    fn node_parts(&self, parts: &mut Vec<Part>) {
        for node in self.size.nodes() {
            let (member, host) = (self.log.member(node), self.world.host(node));
            let part = Part::new(1, None, &[node])
                .with(member.standing as u8, 2)
                .with(u8::from(member.maybe_sent), 1)
                .with(u8::from(host.up), 1)
                .with(host.boot.0.wrapping_sub(member.session.0), 8)
                .with(host.process.0.wrapping_sub(member.incarnation.0), 8);
            parts.push(part);
        }
        for grant in &self.log.grants {
            let age = self.world.host(grant.target).boot.0.wrapping_sub(grant.session.0);
            parts.push(Part::new(2, None, &[grant.executor, grant.target]).with(age, 8));
        }
    }

    fn slot_parts(&self, parts: &mut Vec<Part>) {
        for resource in self.size.resources() {
            for node in self.size.nodes() {
                let slot = self.log.slot(resource, node);
                let (claim, other) = match slot.claim {
                    Claim::None => (0, None),
                    Claim::Start => (1, None),
                    Claim::Stop => (2, None),
                    Claim::Migrate { to } => (3, Some(to)),
                    Claim::Incoming { from, gone: false } => (4, Some(from)),
                    Claim::Incoming { from, gone: true } => (5, Some(from)),
                    Claim::Handover => (6, None),
                };
                let begun = self.world.begun[resource.index()][node.index()] == slot.number;
                let names = [node, other.unwrap_or(NodeId(NOBODY))];
                let part = Part::new(3, Some(resource), &names)
                    .with(claim, 3)
                    .with(u8::from(slot.active), 1)
                    .with(u8::from(begun), 1)
                    .with(self.world.vm(resource, node) as u8, 3);
                parts.push(part);
            }
        }
    }

    fn world_parts(&self, parts: &mut Vec<Part>) {
        for job in &self.world.jobs {
            let (work, other) = match job.work {
                Work::Start => (0, None),
                Work::Stop => (1, None),
                Work::Resume => (2, None),
                Work::Migrate { to, copied: false } => (3, Some(to)),
                Work::Migrate { to, copied: true } => (4, Some(to)),
            };
            let names = [job.node, other.unwrap_or(NodeId(NOBODY))];
            let number = self.log.slot(job.resource, job.node).number.0;
            let process = self.world.host(job.node).process.0;
            let part = Part::new(4, Some(job.resource), &names)
                .with(work, 3)
                .with(number.wrapping_sub(job.number.0), 8)
                .with(process.wrapping_sub(job.process.0), 8);
            parts.push(part);
        }
        for task in &self.world.tasks {
            let grant = task.grant;
            let age = self.world.host(grant.target).boot.0.wrapping_sub(grant.session.0);
            let part = Part::new(5, None, &[grant.executor, grant.target]).with(age, 8).with(task.off as u8, 2);
            parts.push(part);
        }
    }

    /// A sender relative to the host it speaks for.
    fn sender_part(&self, tag: u64, from: Sender, to: Option<NodeId>, r: Option<ResourceId>) -> Part {
        let host = self.world.host(from.node);
        Part::new(tag, r, &[from.node, to.unwrap_or(NodeId(NOBODY))])
            .with(host.boot.0.wrapping_sub(from.boot.0), 8)
            .with(host.process.0.wrapping_sub(from.process.0), 8)
    }

    fn message_part(&self, message: Message) -> Part {
        let behind = |node: NodeId, resource: ResourceId, number: u8| {
            self.log.slot(resource, node).number.0.wrapping_sub(number)
        };
        match message {
            Message::Claim { from, resource, kind } => {
                let (kind, to, number) = match kind {
                    Kind::Start => (0, None, 0),
                    Kind::Stop => (1, None, 0),
                    Kind::Migrate { to } => (2, Some(to), 0),
                    Kind::Handover { number } => (3, None, behind(from.node, resource, number.0)),
                };
                self.sender_part(6, from, to, Some(resource)).with(kind, 2).with(number, 8)
            }
            Message::Result { from, resource, number, found } => self
                .sender_part(7, from, None, Some(resource))
                .with(behind(from.node, resource, number.0), 8)
                .with(found as u8, 2),
            Message::Observation { from, resource, number, found } => self
                .sender_part(8, from, None, Some(resource))
                .with(behind(from.node, resource, number.0), 8)
                .with(found as u8, 2),
            Message::Hello { from, follows, hardware } => self
                .sender_part(9, from, None, None)
                .with(self.world.host(from.node).process.0.wrapping_sub(follows.0), 8)
                .with(u8::from(hardware == Hardware::Other), 1),
            Message::PowerOff { target, session } => {
                let age = session.map_or(0x80, |s| self.world.host(target).boot.0.wrapping_sub(s.0));
                Part::new(10, None, &[target]).with(age, 8)
            }
            Message::ConfirmOff { target, session } => {
                let age = self.world.host(target).boot.0.wrapping_sub(session.0);
                Part::new(11, None, &[target]).with(age, 8)
            }
            // Committed at once, never on their way.
            Message::Lost { target } | Message::CallOff { target } => Part::new(12, None, &[target]),
            Message::Grant(grant) | Message::Withdraw(grant) | Message::Expire(grant) => {
                Part::new(13, None, &[grant.executor, grant.target])
            }
        }
    }
}
