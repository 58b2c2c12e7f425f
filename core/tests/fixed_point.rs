//! A plan that is carried out leaves nothing to do, and nothing is carried to and fro on the way: in clusters of any
//! constraints, contradictions and circles among them.

mod scenario_harness;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use quorate_core::id::NodeId;
use quorate_core::planner::plan;
use quorate_core::state::{Intent, Standing};
use scenario_harness::world::World;
use std::collections::{BTreeMap, BTreeSet};

const NODES: usize = 4;
const VMS: usize = 5;

fn node() -> impl Strategy<Value = String> {
    (1..=NODES).prop_map(|number| format!("n{number}"))
}

fn vm() -> impl Strategy<Value = String> {
    (1..=VMS).prop_map(|number| format!("vm{number}"))
}

fn two_vms() -> impl Strategy<Value = (String, String)> {
    (vm(), vm()).prop_filter("nothing is bound to itself", |(one, other)| one != other)
}

fn score() -> impl Strategy<Value = &'static str> {
    select(vec!["-inf", "-100", "-10", "-1", "0", "1", "10", "100", "inf"])
}

/// What a VM is like.
fn meta() -> impl Strategy<Value = String> {
    let stickiness = select(vec!["", "resource-stickiness=0", "resource-stickiness=50", "resource-stickiness=inf"]);
    let priority = select(vec!["", "", "priority=5", "priority=10"]);
    let migrates = select(vec!["", "allow-migrate=true"]);
    (stickiness, priority, migrates)
        .prop_map(|(stickiness, priority, migrates)| format!("{stickiness} {priority} {migrates}"))
}

/// A constraint without its keyword's id: `location ID …`.
fn constraint() -> impl Strategy<Value = (&'static str, String)> {
    let kind = select(vec!["Mandatory", "Optional", "Serialize"]);
    prop_oneof![
        3 => (vm(), score(), node()).prop_map(|(vm, score, node)| ("location", format!("{vm} {score}: {node}"))),
        4 => (score(), two_vms()).prop_map(|(score, (vm, with))| ("colocation", format!("{score}: {vm} {with}"))),
        2 => (kind, two_vms()).prop_map(|(kind, (first, then))| ("order", format!("{kind}: {first} {then}"))),
    ]
}

/// What happens to a cluster at rest.
fn event() -> impl Strategy<Value = String> {
    let intent = select(vec!["standby", "drain", "online", "online", "maintenance"]);
    prop_oneof![
        3 => (intent, node()).prop_map(|(intent, node)| format!("{intent} {node}")),
        2 => (vm(), node()).prop_map(|(vm, node)| format!("move {vm} {node}")),
        1 => (vm(), node()).prop_map(|(vm, node)| format!("move {vm} away {node}")),
        1 => (vm(), node()).prop_map(|(vm, node)| format!("ban {vm} {node}")),
        1 => vm().prop_map(|vm| format!("clear {vm}")),
        2 => (vm(), node()).prop_map(|(vm, node)| format!("observe {vm} stopped {node} failed")),
        1 => (vm(), node()).prop_map(|(vm, node)| format!("observe {vm} started {node}")),
        2 => node().prop_map(|node| format!("lose {node}")),
        1 => node().prop_map(|node| format!("hello {node} new-boot")),
    ]
}

/// Where capacity counts: how, what each node has, what each VM needs.
#[derive(Clone, Debug)]
struct Room {
    strategy: &'static str,
    nodes: Vec<u32>,
    vms: Vec<u32>,
}

fn room() -> impl Strategy<Value = Option<Room>> {
    let strategy = select(vec!["utilization", "minimal", "balanced"]);
    let some = (strategy, vec(0..9_u32, NODES), vec(0..6_u32, VMS));
    proptest::option::of(some.prop_map(|(strategy, nodes, vms)| Room { strategy, nodes, vms }))
}

#[derive(Clone, Debug)]
struct Story {
    room: Option<Room>,
    metas: Vec<String>,
    constraints: Vec<(&'static str, String)>,
    /// What nobody could commit counts too: a cluster of before the check, or of a time when it meant something else.
    is_checked: bool,
    events: Vec<String>,
}

fn story() -> impl Strategy<Value = Story> {
    (room(), vec(meta(), VMS), vec(constraint(), 0..9), any::<bool>(), vec(event(), 0..6)).prop_map(
        |(room, metas, constraints, is_checked, events)| Story { room, metas, constraints, is_checked, events },
    )
}

impl Story {
    fn begin(&self) -> World {
        let amount = |of: fn(&Room) -> &Vec<u32>, place: usize| {
            self.room.as_ref().map(|room| format!(" utilization memory={}", of(room)[place])).unwrap_or_default()
        };
        let mut text: Vec<String> =
            (0..NODES).map(|node| format!("node n{}{}", node + 1, amount(|room| &room.nodes, node))).collect();
        text.extend(self.room.as_ref().map(|room| format!("property placement-strategy={}", room.strategy)));
        let hosts: Vec<String> = (1..=NODES).map(|number| format!("n{number}")).collect();
        text.push(format!("primitive ipmi stonith:fake params pcmk_host_list=\"{}\"", hosts.join(" ")));
        for (place, meta) in self.metas.iter().enumerate() {
            // Not held yet: where room is short, one that may be moved for balance may go to and fro.
            let meta = if self.room.is_some() { meta.replace("resource-stickiness=0", "") } else { meta.clone() };
            let meta = if meta.trim().is_empty() { String::new() } else { format!(" meta {meta}") };
            text.push(format!("primitive vm{} vm:fake{meta}{}", place + 1, amount(|room| &room.vms, place)));
        }
        let mut world = World::default();
        world.carry_out("configure", &text.join("\n"));
        assert_eq!(world.said(), "ok");
        let how = if self.is_checked { "configure" } else { "configure unchecked" };
        for (place, (keyword, rest)) in self.constraints.iter().enumerate() {
            world.carry_out(how, &format!("{keyword} x{place} {rest}"));
            world.said();
        }
        world
    }
}

/// Comes to rest; no VM is brought back on the way to where it was brought away from.
fn settle(world: &mut World, told: &str) -> Result<Vec<String>, TestCaseError> {
    let is_slow = world.pace.is_some();
    let steps = world.come_to_rest();
    let said = world.said();
    prop_assert!(!said.contains("BROKEN"), "{told}: {said}");
    let steps = steps.map_err(|error| TestCaseError::fail(format!("{told}: {error}")))?;
    let last = plan(&world.state);
    prop_assert!(last.is_idle(), "{told}: not at rest: {last:?}");
    let mut arrivals: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for step in &steps {
        if let ["start" | "migrate", vm, node] = step.split(' ').collect::<Vec<_>>()[..] {
            arrivals.entry(vm).or_default().push(node);
        }
    }
    for (vm, nodes) in &mut arrivals {
        nodes.dedup();
        let each: BTreeSet<&&str> = nodes.iter().collect();
        // What is amid its stop when the next plan is made may be called back.
        prop_assert!(is_slow || each.len() == nodes.len(), "{told}: {vm} goes to and fro among {steps:?}");
    }
    Ok(steps)
}

/// Nothing says anything of it, and it does not say that it may be moved for balance. Where room is short, it is not moved
/// live for others either, and no other is more important.
fn is_left_alone(story: &Story, place: usize) -> bool {
    let priority = |meta: &String| (meta.contains("priority=10"), meta.contains("priority=5"));
    let may_make_room = |meta: &String| {
        meta.contains("allow-migrate") || story.metas.iter().any(|other| priority(other) > priority(meta))
    };
    if story.room.is_some() && may_make_room(&story.metas[place]) {
        return false;
    }
    let vm = format!("vm{}", place + 1);
    let texts = story.constraints.iter().map(|(_, text)| text).chain(&story.events);
    !story.metas[place].contains("stickiness=0") && texts.into_iter().all(|text| !text.contains(&vm))
}

/// Whoever was started has room beside all that runs there.
fn has_room(story: &Story, world: &World, steps: &[String], told: &str) -> Result<(), TestCaseError> {
    let runs_on = |vm: &str| {
        let runs = |node: &&NodeId| world.state.standing(&vm.into(), node) == Standing::Active;
        world.state.nodes.keys().find(runs).map(NodeId::as_str)
    };
    let is_new = |vm: &str| runs_on(vm).is_some_and(|node| steps.contains(&format!("start {vm} {node}")));
    for (place, has) in story.room.iter().flat_map(|room| room.nodes.iter().enumerate()) {
        let node = format!("n{}", place + 1);
        let needs = |vm: &usize| story.room.as_ref().map_or(0, |room| room.vms[*vm]);
        let name = |vm: &usize| format!("vm{}", vm + 1);
        let there: Vec<usize> = (0..VMS).filter(|vm| runs_on(&name(vm)) == Some(&node)).collect();
        let used: u32 = there.iter().map(needs).sum();
        let comes = |vm: &usize| needs(vm) > 0 && is_new(&name(vm));
        prop_assert!(used <= *has || !there.iter().any(comes), "{told}: {node} is overfull after {steps:?}");
    }
    Ok(())
}

fn live(story: &Story, pace: Option<u64>) -> Result<(), TestCaseError> {
    let is_slow = pace.is_some();
    let mut world = story.begin();
    world.pace = pace;
    let steps = settle(&mut world, "the first start")?;
    has_room(story, &world, &steps, "the first start")?;
    for (place, event) in story.events.iter().enumerate() {
        let mut undisturbed = Vec::new();
        for vm in (0..VMS).filter(|vm| is_left_alone(story, *vm)).map(|vm| format!("vm{}", vm + 1)) {
            let runs = |node: &&NodeId| world.state.standing(&vm.as_str().into(), node) == Standing::Active;
            let home = world.state.nodes.keys().find(runs).filter(|node| !event.contains(node.as_str()));
            // What is still said to run on a node that waits for its fence is recovered when that comes.
            let is_well = |node: &NodeId| {
                let at = &world.state.nodes[node];
                at.intent == Intent::Active && at.is_online()
            };
            if home.is_some_and(is_well) {
                undisturbed.push(vm);
            }
        }
        match event.strip_prefix("lose ") {
            Some(node) => {
                ["suspect", "lost"].iter().for_each(|how| world.carry_out(&format!("observe {node} {how}"), ""))
            }
            None => world.carry_out(event, ""),
        }
        world.said();
        let steps = settle(&mut world, &format!("event {place}, {event}"))?;
        has_room(story, &world, &steps, event)?;
        for vm in undisturbed {
            let touches = |step: &String| step.split(' ').nth(1) == Some(&vm) && !step.starts_with("probe");
            prop_assert!(is_slow || !steps.iter().any(touches), "{event} disturbs {vm}: {steps:?}");
        }
    }
    Ok(())
}

/// A number given by hand.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Numbers of cases that went on for ever before there were trails; they are others when what is drawn changes.
const ONCE_RESTLESS: [u64; 9] = [2681, 5838, 11270, 32789, 35937, 39433, 52571, 55767, 131_508];

/// The same 200 every time and those that once failed; more, or others, by hand (`FROM=1000 CASES=3000`). Each is drawn for
/// itself, by its number, and lived twice: each action done before the next plan, and many at once that end in any order.
#[test]
fn a_plan_that_is_carried_out_leaves_nothing_to_do() {
    let from = asked("FROM").unwrap_or(0);
    let fails = |number: &u64| {
        let config = ProptestConfig {
            cases: 1,
            rng_seed: RngSeed::Fixed(*number),
            failure_persistence: None,
            max_shrink_iters: 3000,
            ..ProptestConfig::default()
        };
        let ended = TestRunner::new(config)
            .run(&story(), |story| live(&story, None).and_then(|()| live(&story, Some(*number))));
        if let Err(why) = &ended {
            println!("case {number}: {why}");
        }
        ended.is_err()
    };
    let drawn = from..from + asked("CASES").unwrap_or(200);
    let failed: Vec<u64> = drawn.chain(ONCE_RESTLESS).filter(fails).collect();
    assert!(failed.is_empty(), "{} cases: {failed:?}", failed.len());
}
