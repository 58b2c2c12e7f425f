//! Whatever changes between two plans, the kept planner answers what a plan from scratch does.

mod cib_story;

use cib_story::{NOW, Story, primitive};
use proptest::prelude::*;
use quorate_core::cib;
use quorate_core::scheduler::{Model, Planner, schedule};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Attributes of nodes: nobody reads the first; then what rules, scores, colocations, promotion and the cluster read.
const NAMES: &[&str] =
    &["comment", "zone", "weight", "rack", "master-s", "fail-count-a", "standby", "#health-disk", "maintenance"];
const VALUES: &[&str] = &["1", "2", "true", "red"];

#[derive(Clone, Debug, Default)]
struct Cluster {
    attributes: [BTreeMap<&'static str, &'static str>; 3],
    lost: Option<usize>,
    is_a_stopped: bool,
    /// Where a and b run.
    on: [Option<usize>; 2],
    has_stranger: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Attribute(usize, &'static str, Option<&'static str>),
    Lose(Option<usize>),
    StopA(bool),
    Run(usize, Option<usize>),
    /// A constraint that names what is not there: a warning and nothing else.
    NameStranger(bool),
}

impl Cluster {
    fn model(&self) -> Model {
        let target = if self.is_a_stopped { "Stopped" } else { "Started" };
        let mut story = Story::new()
            .option("node-health-strategy", "migrate-on-red")
            .primitive("a", &[("resource-stickiness", "10"), ("target-role", target), ("migration-threshold", "2")])
            .primitive("b", &[])
            .resources(&format!(
                r#"<clone id="s-clone"><meta_attributes id="sm"><nvpair id="sp" name="promotable" value="true"/>
                </meta_attributes>{}</clone>"#,
                primitive("s", &[])
            ))
            .constraint(
                r#"<rsc_location id="l1" rsc="a"><rule id="r1" score="50"><expression id="e1" attribute="zone"
                operation="eq" value="1"/></rule></rsc_location>"#,
            )
            .constraint(
                r#"<rsc_location id="l2" rsc="b"><rule id="r2" score-attribute="weight"><expression id="e2"
                attribute="weight" operation="defined"/></rule></rsc_location>"#,
            )
            .constraint(r#"<rsc_colocation id="c" rsc="b" with-rsc="a" score="30" node-attribute="rack"/>"#);
        for (node, attributes) in self.attributes.iter().enumerate() {
            for (name, value) in attributes {
                story = story.attribute(node + 1, name, value);
            }
        }
        for (id, on) in ["a", "b"].into_iter().zip(self.on) {
            if let Some(node) = on {
                story = story.runs(id, node + 1);
            }
        }
        if let Some(node) = self.lost {
            story = story.lost(node + 1);
        }
        if self.has_stranger {
            story = story.constraint(r#"<rsc_location id="l3" rsc="stranger" node="n1" score="1"/>"#);
        }
        cib::read(&story.xml(), None, NOW).expect("the story is a CIB")
    }

    fn apply(&mut self, change: &Change) {
        match *change {
            Change::Attribute(node, name, value) => match value {
                Some(value) => _ = self.attributes[node].insert(name, value),
                None => _ = self.attributes[node].remove(name),
            },
            Change::Lose(node) => self.lost = node,
            Change::StopA(is_stopped) => self.is_a_stopped = is_stopped,
            Change::Run(which, node) => self.on[which] = node,
            Change::NameStranger(has) => self.has_stranger = has,
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let node = || prop::option::of(0..3_usize);
    let attribute = (0..3_usize, prop::sample::select(NAMES), prop::option::of(prop::sample::select(VALUES)));
    prop_oneof![
        6 => attribute.prop_map(|(node, name, value)| Change::Attribute(node, name, value)),
        1 => node().prop_map(Change::Lose),
        1 => any::<bool>().prop_map(Change::StopA),
        1 => (0..2_usize, node()).prop_map(|(which, node)| Change::Run(which, node)),
        1 => any::<bool>().prop_map(Change::NameStranger),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_planner_answers_as_a_plan_from_scratch_does(changes in prop::collection::vec(change(), 1..12)) {
        let mut cluster = Cluster::default();
        let (mut told, mut given) = (Planner::default(), Planner::default());
        told.plan(cluster.model());
        for change in changes {
            cluster.apply(&change);
            let scratch = schedule(cluster.model());
            let at_once = match change {
                Change::Attribute(node, name, value) => told.attribute(&format!("n{}", node + 1), name, value),
                _ => None,
            };
            let answer = at_once.unwrap_or_else(|| told.plan(cluster.model()));
            prop_assert_eq!(&*answer, &scratch, "told of {:?}", change);
            prop_assert_eq!(&*given.plan(cluster.model()), &scratch, "given {:?}", change);
        }
    }
}

#[test]
fn what_nobody_reads_costs_no_plan_and_what_a_rule_reads_needs_a_new_model() {
    let mut cluster = Cluster { on: [Some(0), Some(1)], ..Cluster::default() };
    let mut planner = Planner::default();
    assert!(planner.attribute("n1", "comment", Some("1")).is_none(), "there is no plan yet");
    let first = planner.plan(cluster.model());
    let next = planner.attribute("n1", "comment", Some("1")).expect("nobody reads it");
    assert!(Arc::ptr_eq(&first, &next), "it is the same plan");
    cluster.apply(&Change::Attribute(0, "comment", Some("1")));
    assert!(Arc::ptr_eq(&first, &planner.plan(cluster.model())), "the model was kept up to date");
    assert!(planner.attribute("n2", "zone", Some("1")).is_none(), "a rule reads it");
    assert!(planner.attribute("n2", "comment", Some("1")).is_none(), "the plan before that is not answered any more");
    cluster.apply(&Change::Attribute(1, "zone", Some("1")));
    assert_ne!(planner.plan(cluster.model()), first);
}
