//! Small clusters short of room, drawn from a seed; what a plan does with them on any way through it; and what the best
//! plan would be, by looking at every placement.

mod referee;
mod replay;

use quorate_core::cib;
use quorate_core::scheduler::{Outcome, schedule};
use std::fmt::Write;

pub(crate) use referee::{best, value};
pub(crate) use replay::faults;

/// Where a VM is, by the node's place.
pub(crate) type Places = Vec<Option<usize>>;

/// A VM.
#[derive(Clone, Debug)]
pub(crate) struct Vm {
    pub(crate) size: [i64; 2],
    pub(crate) priority: i64,
    pub(crate) can_migrate: bool,
    pub(crate) banned: Vec<usize>,
}

/// A cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: usize,
    pub(crate) room: [i64; 2],
    pub(crate) vms: Vec<Vm>,
    pub(crate) apart: Vec<(usize, usize)>,
    /// Where each runs, the lost node's too.
    pub(crate) on: Places,
    /// Proven off already.
    pub(crate) is_off: bool,
}

/// This node is lost.
pub(crate) const LOST: usize = 1;

/// Numbers that depend on a seed alone.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit.max(1)
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for ix in (1..all.len()).rev() {
            all.swap(ix, self.below(ix + 1));
        }
    }
}

impl Cluster {
    /// The cluster of a seed: what remains of it has hardly more room than its VMs need.
    pub(crate) fn drawn(seed: u64) -> Option<Self> {
        let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        (0..20).for_each(|_| _ = draw.below(2));
        let (nodes, count) = (3 + draw.below(3), 5 + draw.below(4));
        let has_priorities = draw.below(3) == 0;
        let vm = |draw: &mut Draw| Vm {
            size: [[1, 1], [1, 2], [2, 4], [2, 8], [4, 8], [4, 16]][draw.below(6)],
            priority: if has_priorities { i64::try_from(draw.below(3)).expect("small") * 10 } else { 0 },
            can_migrate: draw.below(6) > 0,
            banned: if draw.below(5) == 0 { vec![draw.below(nodes)] } else { Vec::new() },
        };
        let vms: Vec<Vm> = (0..count).map(|_| vm(&mut draw)).collect();
        let total = |kind: usize| vms.iter().map(|vm| vm.size[kind]).sum::<i64>();
        let left = i64::try_from(nodes - 1).expect("small");
        let slack = i64::try_from(draw.below(3)).expect("small");
        let room = [total(0) / left + slack, total(1) / left + slack * 2];
        let apart = (0..draw.below(3)).map(|_| (draw.below(count), draw.below(count)));
        let apart = apart.filter(|(a, b)| a != b).collect();
        let mut cluster = Self { nodes, room, vms, apart, on: vec![None; count], is_off: false };
        for ix in 0..count {
            let fits: Vec<usize> = (0..nodes).filter(|node| cluster.may_be(&cluster.on, ix, *node)).collect();
            cluster.on[ix] = Some(*fits.get(draw.below(fits.len()))?);
        }
        Some(cluster)
    }

    /// Whether a VM may be there beside those that are.
    pub(crate) fn may_be(&self, places: &[Option<usize>], vm: usize, node: usize) -> bool {
        let here = |other: usize| other != vm && places[other] == Some(node);
        let is_apart = |(a, b): &(usize, usize)| !((*a == vm && here(*b)) || (*b == vm && here(*a)));
        let used = |kind: usize| (0..self.vms.len()).filter(|o| here(*o)).map(|o| self.vms[o].size[kind]).sum::<i64>();
        !self.vms[vm].banned.contains(&node)
            && self.apart.iter().all(is_apart)
            && (0..2).all(|kind| used(kind) + self.vms[vm].size[kind] <= self.room[kind])
    }

    /// It runs on a node that is there.
    pub(crate) fn is_healthy(&self, vm: usize) -> bool {
        self.on[vm].is_some_and(|node| node != LOST)
    }

    /// As a Pacemaker CIB, everything in an order drawn from a seed.
    pub(crate) fn cib(&self, order: u64) -> String {
        let mut draw = Draw(order);
        let mut nodes: Vec<String> = (0..self.nodes).map(|node| self.node(node)).collect();
        let mut vms: Vec<String> = (0..self.vms.len()).map(|vm| self.primitive(vm)).collect();
        let mut constraints: Vec<String> = self.apart.iter().enumerate().map(apart).collect();
        for (ix, vm) in self.vms.iter().enumerate() {
            constraints.extend(vm.banned.iter().map(|node| {
                format!(r#"<rsc_location id="ban-{ix}-{node}" rsc="vm{ix}" node="n{node}" score="-INFINITY"/>"#)
            }));
        }
        let mut states: Vec<String> = (0..self.nodes).map(|node| self.state(node)).collect();
        if order > 0 {
            draw.shuffle(&mut nodes);
            draw.shuffle(&mut vms);
            draw.shuffle(&mut constraints);
            draw.shuffle(&mut states);
        }
        format!(
            r#"<cib have-quorum="1"><configuration><crm_config><cluster_property_set id="p">
            <nvpair id="p-s" name="placement-strategy" value="balanced"/></cluster_property_set></crm_config>
            <nodes>{}</nodes><resources>{}</resources><constraints>{}</constraints>
            <rsc_defaults><meta_attributes id="d"><nvpair id="d-s" name="resource-stickiness" value="100"/>
            </meta_attributes></rsc_defaults></configuration><status>{}</status></cib>"#,
            nodes.concat(),
            vms.concat(),
            constraints.concat(),
            states.concat()
        )
    }

    fn node(&self, node: usize) -> String {
        let [cpu, memory] = self.room;
        let room = amounts(&format!("n{node}"), cpu, memory);
        format!(r#"<node id="{}" uname="n{node}">{room}</node>"#, node + 1)
    }

    fn primitive(&self, ix: usize) -> String {
        let vm = &self.vms[ix];
        let id = format!("vm{ix}");
        format!(
            r#"<primitive id="{id}" class="ocf" provider="x" type="y"><meta_attributes id="{id}-m">
            <nvpair id="{id}-a" name="allow-migrate" value="{}"/><nvpair id="{id}-p" name="priority" value="{}"/>
            </meta_attributes>{}</primitive>"#,
            vm.can_migrate,
            vm.priority,
            amounts(&id, vm.size[0], vm.size[1])
        )
    }

    fn state(&self, node: usize) -> String {
        let seen = match node {
            LOST if self.is_off => r#"in_ccm="false" crmd="offline" join="down" expected="down""#,
            LOST => r#"in_ccm="false" crmd="offline" join="down" expected="member""#,
            _ => r#"in_ccm="true" crmd="online" join="member" expected="member""#,
        };
        let mut history = String::new();
        for vm in (0..self.vms.len()).filter(|vm| self.on[*vm] == Some(node)) {
            let op = format!(
                r#"<lrm_rsc_op id="vm{vm}_last_0" operation="start" interval="0" rc-code="0" op-status="0" call-id="{}"
                last-rc-change="900000" transition-key="1:1:0:x"/>"#,
                vm + 1
            );
            write!(history, r#"<lrm_resource id="vm{vm}" class="ocf" provider="x" type="y">{op}</lrm_resource>"#)
                .expect("a string takes everything");
        }
        format!(
            r#"<node_state id="{0}" uname="n{node}" {seen}><lrm id="{0}"><lrm_resources>{history}</lrm_resources></lrm></node_state>"#,
            node + 1
        )
    }

    /// What is planned.
    pub(crate) fn plan(&self, order: u64) -> Outcome {
        schedule(cib::read(&self.cib(order), None, 1_000_000).expect("a drawn cluster is a CIB"))
    }

    /// Where everything is after a plan.
    pub(crate) fn after(&self, outcome: &Outcome) -> Places {
        let mut places = vec![None; self.vms.len()];
        for done in &outcome.after {
            let (vm, nodes) = (number(&done.resource), done.on.keys().map(|node| number(node)).collect::<Vec<_>>());
            assert!(nodes.len() <= 1, "{} is on {nodes:?}", done.resource);
            places[vm] = nodes.first().copied();
        }
        places
    }
}

fn apart((ix, (a, b)): (usize, &(usize, usize))) -> String {
    format!(r#"<rsc_colocation id="apart-{ix}" rsc="vm{a}" with-rsc="vm{b}" score="-INFINITY"/>"#)
}

fn amounts(id: &str, cpu: i64, memory: i64) -> String {
    format!(
        r#"<utilization id="{id}-u"><nvpair id="{id}-c" name="cpu" value="{cpu}"/><nvpair id="{id}-r" name="memory" value="{memory}"/></utilization>"#
    )
}

/// The number in a name.
pub(crate) fn number(name: &str) -> usize {
    name.trim_start_matches(char::is_alphabetic).parse().expect("names here end in numbers")
}
