//! Small clusters in words: what a CIB of two or three nodes with these resources and this history is planned to.

#![allow(dead_code, reason = "each test file uses its part")]

use quorate_core::cib;
use quorate_core::scheduler::{Outcome, schedule};

/// A cluster of n1, n2, n3; built up, then planned.
#[derive(Clone, Default)]
pub(crate) struct Story {
    options: String,
    resources: String,
    constraints: String,
    nodes: [Vec<String>; 3],
    attributes: [String; 3],
    lost: Option<usize>,
    tickets: String,
}

/// When every test happens, seconds since 1970.
pub(crate) const NOW: i64 = 1_000_000;

impl Story {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options += &format!(r#"<nvpair id="o-{name}" name="{name}" value="{value}"/>"#);
        self
    }

    /// Anything below `<resources>`.
    pub(crate) fn resources(mut self, xml: &str) -> Self {
        self.resources += xml;
        self
    }

    /// A primitive with these meta attributes.
    pub(crate) fn primitive(self, id: &str, meta: &[(&str, &str)]) -> Self {
        let xml = primitive(id, meta);
        self.resources(&xml)
    }

    /// Anything below `<constraints>`.
    pub(crate) fn constraint(mut self, xml: &str) -> Self {
        self.constraints += xml;
        self
    }

    /// It was started there, and runs.
    pub(crate) fn runs(self, id: &str, node: usize) -> Self {
        self.did(id, node, "start", 0, 0, 0)
    }

    /// An operation ended there: with this code where that one was due.
    pub(crate) fn did(mut self, id: &str, node: usize, task: &str, interval: u32, code: u32, due: u32) -> Self {
        let call = self.nodes.iter().map(Vec::len).sum::<usize>() + 1;
        let op = format!(
            r#"<lrm_rsc_op id="{id}_{task}_{interval}_{call}" operation="{task}" interval="{interval}" rc-code="{code}"
            op-status="0" call-id="{call}" last-rc-change="900000" transition-key="1:1:{due}:x"/>"#
        );
        self.nodes[node - 1]
            .push(format!(r#"<lrm_resource id="{id}" class="ocf" provider="x" type="y">{op}</lrm_resource>"#));
        self
    }

    /// A transient attribute of a node.
    pub(crate) fn attribute(mut self, node: usize, name: &str, value: &str) -> Self {
        self.attributes[node - 1] += &format!(r#"<nvpair id="t{node}-{name}" name="{name}" value="{value}"/>"#);
        self
    }

    /// The node vanished from the cluster.
    pub(crate) fn lost(mut self, node: usize) -> Self {
        self.lost = Some(node - 1);
        self
    }

    /// A ticket this site holds, or does not.
    pub(crate) fn ticket(mut self, id: &str, is_granted: bool) -> Self {
        self.tickets += &format!(r#"<ticket_state id="{id}" granted="{is_granted}"/>"#);
        self
    }

    pub(crate) fn xml(&self) -> String {
        let nodes: String = (1..=3).map(|n| format!(r#"<node id="{n}" uname="n{n}"/>"#)).collect();
        let state = |ix: usize| {
            let seen = if self.lost == Some(ix) {
                r#"in_ccm="false" crmd="offline" join="down" expected="member""#
            } else {
                r#"in_ccm="true" crmd="online" join="member" expected="member""#
            };
            let (number, attributes, history) = (ix + 1, &self.attributes[ix], self.nodes[ix].concat());
            format!(
                r#"<node_state id="{number}" uname="n{number}" {seen}>
                <transient_attributes id="{number}"><instance_attributes id="s{number}">{attributes}</instance_attributes>
                </transient_attributes><lrm id="{number}"><lrm_resources>{history}</lrm_resources></lrm></node_state>"#
            )
        };
        let states: String = (0..3).map(state).collect();
        format!(
            r#"<cib have-quorum="1" crm_feature_set="3.16.2"><configuration><crm_config><cluster_property_set id="the-options">{}</cluster_property_set></crm_config>
            <nodes>{nodes}</nodes><resources>{}</resources><constraints>{}</constraints></configuration>
            <status>{states}<tickets>{}</tickets></status></cib>"#,
            self.options, self.resources, self.constraints, self.tickets
        )
    }

    pub(crate) fn plan(&self) -> Plan {
        let model = cib::read(&self.xml(), None, NOW).expect("the story is a CIB");
        Plan(schedule(model))
    }
}

/// `<primitive>` with these meta attributes.
pub(crate) fn primitive(id: &str, meta: &[(&str, &str)]) -> String {
    let pairs = |(name, value): &(&str, &str)| format!(r#"<nvpair id="{id}-{name}" name="{name}" value="{value}"/>"#);
    let meta: String = meta.iter().map(pairs).collect();
    format!(
        r#"<primitive id="{id}" class="ocf" provider="x" type="y"><meta_attributes id="{id}-m">{meta}</meta_attributes></primitive>"#
    )
}

/// What was planned.
pub(crate) struct Plan(pub(crate) Outcome);

impl Plan {
    /// `start vm1 n2`, in words, sorted.
    pub(crate) fn steps(&self) -> Vec<String> {
        let words = |step: &quorate_core::scheduler::Step| {
            format!("{} {} {}", step.op, step.base, step.node).replace("  ", " ")
        };
        let mut steps: Vec<String> = self.0.steps.iter().map(words).collect();
        steps.sort();
        steps
    }

    /// Where a primitive's instances are afterwards, with their roles.
    pub(crate) fn after(&self, base: &str) -> Vec<String> {
        let is_of = |id: &str| id == base || id.split(':').next() == Some(base);
        let of = self.0.after.iter().filter(|done| is_of(&done.resource));
        let mut on: Vec<String> = of.flat_map(|done| &done.on).map(|(node, role)| format!("{node} {role:?}")).collect();
        on.sort();
        on
    }

    /// Whether one step is done before another begins.
    pub(crate) fn is_before(&self, first: &str, then: &str) -> bool {
        let find = |words: &str| {
            let fits = |step: &quorate_core::scheduler::Step| {
                format!("{} {} {}", step.op, step.base, step.node).replace("  ", " ") == words
            };
            self.0.steps.iter().position(fits).unwrap_or_else(|| panic!("no step {words:?} in {:?}", self.steps()))
        };
        let (first, then) = (find(first), find(then));
        let (mut seen, mut todo) = (Vec::new(), vec![first]);
        while let Some(at) = todo.pop() {
            for (one, other) in &self.0.order {
                if *one == at && !seen.contains(other) {
                    seen.push(*other);
                    todo.push(*other);
                }
            }
        }
        seen.contains(&then)
    }
}
