//! Makes a CIB as Pacemaker keeps it: nodes, VMs that run on them, constraints, and one node lost. From a seed, so that
//! everybody measures the same. It plans nothing.

use std::fmt::Write;

use anyhow::{Context, Result};
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Size;

/// What VMs need: processors, MiB.
const FLAVOURS: &[(i64, i64)] = &[(1, 1024), (1, 2048), (2, 4096), (2, 8192), (4, 8192), (4, 16_384), (8, 16_384)];
/// Capacity over what is needed when one node is lost.
const HEADROOM: f64 = 1.5;
/// The node that is lost.
pub(super) const LOST: usize = 1;

/// What is drawn of a seed, whatever it is written as.
pub(super) struct Cluster {
    pub(super) size: Size,
    pub(super) capacity: (i64, i64),
    pub(super) needs: Vec<(i64, i64)>,
    /// Where each VM runs.
    pub(super) on: Vec<usize>,
    pub(super) apart: Vec<(usize, usize)>,
    pub(super) banned: Vec<(usize, Vec<usize>)>,
    pub(super) preferred: Vec<(usize, i64)>,
    pub(super) ordered: Vec<(usize, usize, &'static str)>,
}

/// A CIB of this size: a tenth of the VMs in pairs that must be apart, a tenth with a preference, a twentieth banned from
/// some nodes, a twentieth in orders; everything runs, and one node is lost.
pub(super) fn make(size: Size, seed: u64) -> Result<String> {
    let cluster = Cluster::of(size, seed)?;
    let mut text = String::with_capacity(size.vms * 1600);
    cluster.configuration(&mut text)?;
    cluster.status(&mut text)?;
    Ok(text)
}

impl Cluster {
    pub(super) fn of(size: Size, seed: u64) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ ((size.nodes as u64) << 32) ^ size.vms as u64);
        Self::draw(size, &mut random)
    }

    fn draw(size: Size, random: &mut ChaCha8Rng) -> Result<Self> {
        let Size { nodes, vms } = size;
        let needs: Vec<(i64, i64)> = (0..vms).filter_map(|_| FLAVOURS.choose(random).copied()).collect();
        let share = HEADROOM / (nodes - 1) as f64;
        let room = |total: i64| (total as f64 * share) as i64;
        let total = needs.iter().fold((0, 0), |sum, need| (sum.0 + need.0, sum.1 + need.1));
        let capacity = (room(total.0) + 8, room(total.1) + 16_384);
        let mut drawn: Vec<usize> = (0..vms).collect();
        drawn.shuffle(random);
        let apart: Vec<(usize, usize)> = drawn.chunks_exact(2).take(vms / 20).map(|pair| (pair[0], pair[1])).collect();
        let banned: Vec<(usize, Vec<usize>)> = index::sample(random, vms, vms / 20)
            .into_iter()
            .map(|vm| (vm, index::sample(random, nodes, (nodes / 8).clamp(1, nodes - 2)).into_vec()))
            .collect();
        let on = place(size, capacity, &needs, &drawn, &apart, &banned)?;
        let preferred = index::sample(random, vms, vms / 10).into_iter();
        let preferred = preferred.map(|vm| (vm, *[50, 100, 200].choose(random).unwrap_or(&50))).collect();
        let ordered = (0..vms / 20).map(|_| {
            let (a, b) = (random.random_range(0..vms), random.random_range(0..vms));
            (a.min(b), a.max(b), if random.random() { "Mandatory" } else { "Optional" })
        });
        let ordered = ordered.filter(|(a, b, _)| a != b).collect();
        Ok(Self { size, capacity, needs, on, apart, banned, preferred, ordered })
    }

    fn configuration(&self, text: &mut String) -> Result<()> {
        text.push_str(concat!(
            r#"<cib validate-with="pacemaker-3.7" epoch="1" num_updates="0" admin_epoch="0" "#,
            r#"have-quorum="1" dc-uuid="1"><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">"#,
        ));
        let options = [
            ("stonith-enabled", "true"),
            ("no-quorum-policy", "stop"),
            ("placement-strategy", "balanced"),
            ("enable-startup-probes", "false"),
        ];
        for (name, value) in options {
            writeln!(text, r#"<nvpair id="option-{name}" name="{name}" value="{value}"/>"#)?;
        }
        text.push_str("</cluster_property_set></crm_config>\n<nodes>\n");
        for node in 0..self.size.nodes {
            let (id, (cpu, memory)) = (node + 1, self.capacity);
            write!(text, r#"<node id="{id}" uname="{}"><utilization id="n{id}-u">"#, host(node))?;
            write!(text, r#"<nvpair id="n{id}-cpu" name="cpu" value="{cpu}"/>"#)?;
            writeln!(text, r#"<nvpair id="n{id}-mem" name="memory" value="{memory}"/></utilization></node>"#)?;
        }
        text.push_str("</nodes>\n<resources>\n<primitive id=\"fencing\" class=\"stonith\" type=\"fence_ipmilan\"/>\n");
        for (vm, (cpu, memory)) in self.needs.iter().enumerate() {
            let id = guest(vm);
            write!(text, r#"<primitive id="{id}" class="ocf" provider="heartbeat" type="VirtualDomain">"#)?;
            write!(text, r#"<instance_attributes id="{id}-p"><nvpair id="{id}-config" name="config" "#)?;
            write!(text, r#"value="/etc/libvirt/qemu/{id}.xml"/></instance_attributes><meta_attributes id="{id}-m">"#)?;
            write!(text, r#"<nvpair id="{id}-migrate" name="allow-migrate" value="true"/></meta_attributes>"#)?;
            write!(text, r#"<operations><op id="{id}-monitor" name="monitor" interval="10s" timeout="30s"/>"#)?;
            write!(text, r#"<op id="{id}-start" name="start" interval="0" timeout="90s"/></operations>"#)?;
            write!(text, r#"<utilization id="{id}-u"><nvpair id="{id}-cpu" name="cpu" value="{cpu}"/>"#)?;
            writeln!(text, r#"<nvpair id="{id}-mem" name="memory" value="{memory}"/></utilization></primitive>"#)?;
        }
        text.push_str("</resources>\n<constraints>\n");
        self.constraints(text)?;
        text.push_str("</constraints>\n<rsc_defaults><meta_attributes id=\"defaults\">");
        text.push_str(r#"<nvpair id="defaults-stickiness" name="resource-stickiness" value="100"/></meta_attributes>"#);
        text.push_str("</rsc_defaults></configuration>\n");
        Ok(())
    }

    fn constraints(&self, text: &mut String) -> Result<()> {
        for (vm, score) in &self.preferred {
            let (id, node) = (guest(*vm), host(self.on[*vm]));
            writeln!(text, r#"<rsc_location id="likes-{id}" rsc="{id}" node="{node}" score="{score}"/>"#)?;
        }
        for (vm, nodes) in &self.banned {
            let id = guest(*vm);
            for node in nodes {
                let node = host(*node);
                writeln!(text, r#"<rsc_location id="ban-{id}-{node}" rsc="{id}" node="{node}" score="-INFINITY"/>"#)?;
            }
        }
        for (ix, (a, b)) in self.apart.iter().enumerate() {
            let (a, b) = (guest(*a), guest(*b));
            writeln!(text, r#"<rsc_colocation id="apart-{ix}" rsc="{a}" with-rsc="{b}" score="-INFINITY"/>"#)?;
        }
        for (ix, (a, b, kind)) in self.ordered.iter().enumerate() {
            let (a, b) = (guest(*a), guest(*b));
            writeln!(text, r#"<rsc_order id="order-{ix}" first="{a}" then="{b}" kind="{kind}"/>"#)?;
        }
        Ok(())
    }

    fn status(&self, text: &mut String) -> Result<()> {
        let mut running: Vec<Vec<usize>> = vec![Vec::new(); self.size.nodes];
        for (vm, node) in self.on.iter().enumerate() {
            running[*node].push(vm);
        }
        text.push_str("<status>\n");
        for (node, vms) in running.iter().enumerate() {
            let (id, name) = (node + 1, host(node));
            let seen = if node == LOST { r#"in_ccm="false" crmd="offline""# } else { r#"in_ccm="true" crmd="online""# };
            write!(text, r#"<node_state id="{id}" uname="{name}" {seen} join="member" expected="member">"#)?;
            writeln!(text, r#"<lrm id="{id}"><lrm_resources>"#)?;
            if node == 0 {
                lived(text, "fencing", r#"class="stonith" type="fence_ipmilan""#, &name, 2)?;
            }
            for (call, vm) in vms.iter().enumerate() {
                let agent = r#"class="ocf" provider="heartbeat" type="VirtualDomain""#;
                lived(text, &guest(*vm), agent, &name, 2 * call + 10)?;
            }
            text.push_str("</lrm_resources></lrm></node_state>\n");
        }
        text.push_str("</status>\n</cib>\n");
        Ok(())
    }
}

/// The least loaded node that is allowed, for one VM after another.
fn place(
    size: Size,
    capacity: (i64, i64),
    needs: &[(i64, i64)],
    drawn: &[usize],
    apart: &[(usize, usize)],
    banned: &[(usize, Vec<usize>)],
) -> Result<Vec<usize>> {
    let mut mate = vec![None; size.vms];
    for (a, b) in apart {
        (mate[*a], mate[*b]) = (Some(*b), Some(*a));
    }
    let mut bans: Vec<&[usize]> = vec![&[]; size.vms];
    for (vm, nodes) in banned {
        bans[*vm] = nodes;
    }
    let (mut used, mut on) = (vec![(0, 0); size.nodes], vec![usize::MAX; size.vms]);
    for vm in drawn.iter().copied() {
        let need = needs[vm];
        let fits = |node: &usize| {
            let (cpu, memory): (i64, i64) = used[*node];
            let is_apart = mate[vm].is_none_or(|mate| on[mate] != *node);
            is_apart && cpu + need.0 <= capacity.0 && memory + need.1 <= capacity.1 && !bans[vm].contains(node)
        };
        let load = |node: &usize| {
            let (cpu, memory) = used[*node];
            (cpu * 1_000_000 / capacity.0).max(memory * 1_000_000 / capacity.1)
        };
        let node =
            (0..size.nodes).filter(fits).min_by_key(load).context("there is no room for every VM to begin with")?;
        (on[vm], used[node]) = (node, (used[node].0 + need.0, used[node].1 + need.1));
    }
    Ok(on)
}

/// The record of something that was started and watched since.
fn lived(text: &mut String, id: &str, agent: &str, node: &str, call: usize) -> Result<()> {
    writeln!(text, r#"<lrm_resource id="{id}" {agent}>"#)?;
    for (name, task, interval, call) in [("last_0", "start", 0, call), ("monitor_10000", "monitor", 10_000, call + 1)] {
        const UUID: &str = "6f1d4c1e-3f0a-4d5b-8f0e-5b1c2d3e4f50";
        write!(text, r#"<lrm_rsc_op id="{id}_{name}" operation_key="{id}_{task}_{interval}" operation="{task}" "#)?;
        write!(text, r#"transition-key="1:1:0:{UUID}" transition-magic="0:0;1:1:0:{UUID}" "#)?;
        write!(text, r#"on_node="{node}" call-id="{call}" rc-code="0" op-status="0" interval="{interval}" "#)?;
        writeln!(text, r#"last-rc-change="1795300000" exec-time="20" queue-time="0"/>"#)?;
    }
    text.push_str("</lrm_resource>\n");
    Ok(())
}

pub(super) fn host(node: usize) -> String {
    format!("node{:04}", node + 1)
}

pub(super) fn guest(vm: usize) -> String {
    format!("vm{:05}", vm + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::{cib, scheduler};

    #[test]
    fn a_made_cib_is_one_lost_node_whose_vms_all_find_a_place() {
        let size = Size { nodes: 8, vms: 80 };
        let text = make(size, 1).expect("it can be made");
        assert_eq!(text, make(size, 1).expect("it can be made"), "the same seed, the same CIB");
        assert_ne!(text, make(size, 2).expect("it can be made"));
        let model = cib::read(&text, None, 0).expect("it is a CIB");
        let lost = model.resources.iter().filter(|one| one.active_on == [LOST]).count();
        let outcome = scheduler::schedule(model);
        assert_eq!(outcome.fenced.keys().collect::<Vec<_>>(), [&host(LOST)]);
        assert_eq!(outcome.after.len(), size.vms);
        assert!(outcome.after.iter().all(|done| done.on.len() == 1), "{:?}", outcome.after);
        assert!(lost > 5 && outcome.steps.iter().filter(|step| step.op == "start").count() >= lost);
    }
}
