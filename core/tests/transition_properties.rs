//! What holds of every transition planned from a CIB, whatever is configured and wherever it runs: its order has no circle,
//! nothing that may be active on a lost node starts before that node's fence, and on every way through it no hard rule breaks.

mod cib_story;

use cib_story::{NOW, Story, primitive};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::cib;
use quorate_core::scheduler::{Outcome, schedule};
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Never(&'static str, usize),
    Likes(&'static str, usize, i32),
    Together(&'static str, &'static str),
    Apart(&'static str, &'static str),
    Order(&'static str, &'static str),
}

#[derive(Clone, Debug)]
struct Cluster {
    /// Where each of `NAMES` runs, and whether it migrates live.
    runs: Vec<(Option<usize>, bool)>,
    rules: Vec<Rule>,
    lost: Option<usize>,
    has_clone: bool,
    /// In which order rules are written, and which step comes first where there is a choice.
    turns: Vec<u8>,
}

fn name() -> impl Strategy<Value = &'static str> {
    select(NAMES.to_vec())
}

fn pair() -> impl Strategy<Value = (&'static str, &'static str)> {
    // One way only: circles are named at commit, and mean nothing.
    (name(), name()).prop_filter("two, in one direction", |(one, other)| one > other)
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let rule = prop_oneof![
        2 => (name(), 1..=3_usize).prop_map(|(id, node)| Rule::Never(id, node)),
        1 => (name(), 1..=3_usize, -20..20).prop_map(|(id, node, score)| Rule::Likes(id, node, score)),
        1 => pair().prop_map(|(id, with)| Rule::Together(id, with)),
        1 => pair().prop_map(|(id, with)| Rule::Apart(id, with)),
        2 => pair().prop_map(|(then, first)| Rule::Order(first, then)),
    ];
    let runs = (prop::option::of(1..=3_usize), any::<bool>());
    let lost = prop::option::of(1..=3_usize);
    (vec(runs, NAMES.len()), vec(rule, 0..6), lost, any::<bool>(), vec(any::<u8>(), 64))
        .prop_map(|(runs, rules, lost, has_clone, turns)| Cluster { runs, rules, lost, has_clone, turns })
}

impl Cluster {
    fn story(&self, rules: &[Rule]) -> Story {
        let mut story = Story::new();
        for (id, (on, migrates)) in NAMES.into_iter().zip(&self.runs) {
            let allow = if *migrates { "true" } else { "false" };
            story = story.primitive(id, &[("resource-stickiness", "1"), ("allow-migrate", allow)]);
            story = on.map_or(story.clone(), |node| story.runs(id, node));
        }
        if self.has_clone {
            story = story.resources(&format!(r#"<clone id="s-clone">{}</clone>"#, primitive("s", &[]))).runs("s", 1);
        }
        // What is said twice is said.
        for (_, rule) in rules.iter().enumerate().filter(|(place, rule)| !rules[..*place].contains(rule)) {
            story = story.constraint(&constraint(rule));
        }
        self.lost.map_or(story.clone(), |node| story.lost(node))
    }

    fn plan(&self, rules: &[Rule]) -> Outcome {
        schedule(cib::read(&self.story(rules).xml(), None, NOW).expect("it is a CIB"))
    }

    /// The same rules in another order.
    fn shuffled(&self) -> Vec<Rule> {
        let mut rules: Vec<(u8, Rule)> = self.turns.iter().copied().zip(self.rules.iter().cloned()).collect();
        rules.sort_by_key(|(turn, _)| *turn);
        rules.into_iter().map(|(_, rule)| rule).collect()
    }
}

/// Its id says what it is: equal rules are equal constraints.
fn constraint(rule: &Rule) -> String {
    match rule {
        Rule::Never(id, node) => {
            format!(r#"<rsc_location id="n-{id}-{node}" rsc="{id}" node="n{node}" score="-INFINITY"/>"#)
        }
        Rule::Likes(id, node, score) => {
            format!(r#"<rsc_location id="l-{id}-{node}-{score}" rsc="{id}" node="n{node}" score="{score}"/>"#)
        }
        Rule::Together(id, with) => {
            format!(r#"<rsc_colocation id="t-{id}-{with}" rsc="{id}" with-rsc="{with}" score="INFINITY"/>"#)
        }
        Rule::Apart(id, with) => {
            format!(r#"<rsc_colocation id="a-{id}-{with}" rsc="{id}" with-rsc="{with}" score="-INFINITY"/>"#)
        }
        Rule::Order(first, then) => format!(r#"<rsc_order id="o-{first}-{then}" first="{first}" then="{then}"/>"#),
    }
}

/// Some order in which the steps may happen; none where they wait for each other.
fn way(outcome: &Outcome, turns: &[u8]) -> Option<Vec<usize>> {
    let mut left: BTreeSet<usize> = (0..outcome.steps.len()).collect();
    let mut way = Vec::new();
    while !left.is_empty() {
        let waits = |at: &usize| outcome.order.iter().any(|(first, then)| then == at && left.contains(first));
        let ready: Vec<usize> = left.iter().copied().filter(|at| !waits(at)).collect();
        let turn = turns.get(way.len() % turns.len().max(1)).copied().unwrap_or_default();
        let next = *ready.get(usize::from(turn) % ready.len().max(1))?;
        left.remove(&next);
        way.push(next);
    }
    Some(way)
}

/// Where each primitive is active, as steps happen.
type Active = BTreeMap<String, BTreeSet<String>>;

/// What a step must not meet; what is there before it is as the history says, right or wrong.
fn check(cluster: &Cluster, active: &Active, op: &str, id: &str, node: &str) -> Result<(), TestCaseError> {
    let on = |id: &str| active.get(id).cloned().unwrap_or_default();
    if !matches!(op, "start" | "migrate_from") || id == "s" {
        return Ok(());
    }
    prop_assert!(op != "start" || on(id).is_empty(), "{id} is started on {node} beside {:?}", on(id));
    for rule in &cluster.rules {
        match rule {
            Rule::Never(of, at) => prop_assert!(*of != id || format!("n{at}") != node, "{id} on {node}: {rule:?}"),
            Rule::Apart(one, other) if *one == id || *other == id => {
                let foe = if *one == id { other } else { one };
                prop_assert!(!on(foe).contains(node), "{id} comes to {node}: {rule:?}");
            }
            Rule::Order(first, then) if *then == id && op == "start" => {
                prop_assert!(!on(first).is_empty(), "{id} starts on {node}: {rule:?}");
            }
            _ => {}
        }
    }
    Ok(())
}

fn walk(cluster: &Cluster, outcome: &Outcome) -> Result<(), TestCaseError> {
    let way = way(outcome, &cluster.turns);
    let words =
        || outcome.steps.iter().map(|step| format!("{} {} {}", step.op, step.base, step.node)).collect::<Vec<_>>();
    prop_assert!(way.is_some(), "they wait for each other: {:?}, by {:?}", words(), outcome.order);
    let runs = NAMES.into_iter().zip(&cluster.runs);
    let mut active: Active =
        runs.map(|(id, (on, _))| (id.to_owned(), on.iter().map(|node| format!("n{node}")).collect())).collect();
    for at in way.unwrap_or_default() {
        let step = &outcome.steps[at];
        check(cluster, &active, step.op, &step.base, &step.node)?;
        match step.op {
            "fence" => active.values_mut().for_each(|on| _ = on.remove(&step.node)),
            "start" | "migrate_from" => _ = active.entry(step.base.clone()).or_default().insert(step.node.clone()),
            "stop" => _ = active.entry(step.base.clone()).or_default().remove(&step.node),
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_hard_rule_breaks_on_any_way_through_a_transition(cluster in cluster()) {
        walk(&cluster, &cluster.plan(&cluster.rules))?;
    }

    #[test]
    fn what_may_be_active_on_a_lost_node_starts_after_its_fence(cluster in cluster(), lost in 1..=3_usize) {
        let cluster = Cluster { lost: Some(lost), ..cluster };
        let outcome = cluster.plan(&cluster.rules);
        let node = format!("n{lost}");
        let fence = outcome.steps.iter().position(|step| step.op == "fence" && step.node == node);
        prop_assert!(fence.is_some(), "{node} is not fenced: {:?}", outcome.steps);
        let mut after: BTreeSet<usize> = fence.into_iter().collect();
        // The order is closed by going on until nothing is added.
        loop {
            let more: Vec<usize> =
                outcome.order.iter().filter(|(first, then)| after.contains(first) && !after.contains(then)).map(|(_, then)| *then).collect();
            if more.is_empty() {
                break;
            }
            after.extend(more);
        }
        for (at, step) in outcome.steps.iter().enumerate() {
            let ran_there = NAMES.iter().zip(&cluster.runs).any(|(id, (on, _))| *id == step.base && *on == Some(lost));
            let begins = matches!(step.op, "start" | "migrate_from");
            prop_assert!(!begins || !ran_there || after.contains(&at), "{step:?} does not wait for the fence of {node}");
        }
    }

    #[test]
    fn the_order_of_constraints_changes_nothing(cluster in cluster()) {
        let (one, other) = (cluster.plan(&cluster.rules), cluster.plan(&cluster.shuffled()));
        prop_assert_eq!(&one.after, &other.after);
        let steps = |outcome: &Outcome| {
            let words = |at: usize| format!("{} {} {}", outcome.steps[at].op, outcome.steps[at].base, outcome.steps[at].node);
            let order: BTreeSet<(String, String)> = outcome.order.iter().map(|(a, b)| (words(*a), words(*b))).collect();
            ((0..outcome.steps.len()).map(words).collect::<BTreeSet<String>>(), order)
        };
        prop_assert_eq!(steps(&one), steps(&other));
    }
}
