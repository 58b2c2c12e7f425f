//! What a trail does to a plan, and what ends it (decision 0051).

mod scenario_harness;

use quorate_core::id::NodeId;
use quorate_core::planner::{Plan, plan};
use quorate_core::state::{ActionKind, Command, Entry};
use scenario_harness::world::World;

const HOUSEHOLD: &str = "node n1\nnode n2\nprimitive ipmi stonith:fake params pcmk_host_list=\"n1 n2\"\n\
                         primitive vm1 vm:fake\nlocation l1 vm1 100: n1";

fn at_rest() -> World {
    let mut world = World::default();
    world.carry_out("configure", HOUSEHOLD);
    world.carry_out("settle", "");
    assert!(world.said().contains("start vm1 n1"));
    world
}

/// Runs on n1, and would be on n2 by what it scores.
fn called_away() -> World {
    let mut world = at_rest();
    world.carry_out("configure", "location l2 vm1 200: n2");
    assert_eq!(world.said(), "ok");
    assert!(is_moved(&plan(&world.state)), "without a trail it goes");
    world
}

fn walk(world: &mut World, nodes: &[&str]) {
    let trail = nodes.iter().map(|node| NodeId::from(*node)).collect();
    world.state.trails.insert("vm1".into(), trail);
}

fn is_moved(plan: &Plan) -> bool {
    plan.add.iter().any(|action| matches!(action.kind, ActionKind::Stop | ActionKind::Migrate))
}

#[test]
fn it_is_not_called_to_where_it_came_twice() {
    let mut world = called_away();
    walk(&mut world, &["n2", "n1", "n2", "n1"]);
    assert!(!is_moved(&plan(&world.state)));
    walk(&mut world, &["n1", "n2", "n1"]);
    assert!(is_moved(&plan(&world.state)), "once is not twice");
}

#[test]
fn who_came_four_times_clings_to_where_it_runs() {
    let mut world = called_away();
    walk(&mut world, &["n1"; 4]);
    assert!(!is_moved(&plan(&world.state)));
    walk(&mut world, &["n1"; 3]);
    assert!(is_moved(&plan(&world.state)));
}

/// It clings by a score: what a rule forbids it leaves, however long its trail is.
#[test]
fn a_rule_calls_away_whoever_clings_or_is_left() {
    for many in [4, 8, 20] {
        let mut world = at_rest();
        world.carry_out("standby n1", "");
        walk(&mut world, &vec!["n1"; many]);
        assert!(is_moved(&plan(&world.state)), "{many}");
    }
}

#[test]
fn who_came_eight_times_is_started_no_more() {
    let mut world = at_rest();
    world.carry_out("observe vm1 stopped n1", "");
    walk(&mut world, &["n1"; 8]);
    let after = plan(&world.state);
    assert!(after.add.is_empty(), "{after:?}");
    assert!(after.report.blocked[0].why.contains("again and again"), "{:?}", after.report.blocked);
    world.carry_out("cleanup vm1", "");
    world.said();
    world.carry_out("settle", "");
    assert!(world.said().contains("start vm1 n1"));
}

#[test]
fn whatever_else_changes_ends_trails_and_own_work_does_not() {
    let others = ["standby n2", "observe vm1 stopped n1 failed", "ban vm1 n2", "observe n2 suspect", "cleanup vm1"];
    for verb in others {
        let mut world = at_rest();
        walk(&mut world, &["n1"; 3]);
        world.carry_out(verb, "");
        assert!(world.state.trails.is_empty(), "{verb}: {}", world.said());
    }
    let mut world = at_rest();
    walk(&mut world, &["n1"; 3]);
    let wake = Entry { at: world.state.now, request: None, command: Command::Wake };
    world.state.apply(world.state.index + 1, &wake);
    assert!(world.state.trails.is_empty(), "what lapses ends them");
    let mut world = called_away();
    assert!(world.state.trails.is_empty(), "a configuration ends them");
    world.carry_out("settle", "");
    let trail: Vec<&str> = world.state.trails[&"vm1".into()].iter().map(NodeId::as_str).collect();
    assert_eq!(trail, ["n1", "n2"]);
}

/// A plan that is taken back may have stopped others on the way to it.
#[test]
fn a_departure_that_is_cancelled_counts() {
    let mut world = called_away();
    world.carry_out("plan", "");
    assert!(world.state.trails.is_empty());
    world.state.config.locations.remove("l2");
    world.carry_out("plan", "");
    let trail: Vec<&str> = world.state.trails[&"vm1".into()].iter().map(NodeId::as_str).collect();
    assert_eq!(trail, ["n1"]);
}

/// Older members would not write them.
#[test]
fn below_its_feature_level_there_are_no_trails() {
    let mut world = called_away();
    world.state.level = 27;
    world.carry_out("settle", "");
    assert!(world.state.trails.is_empty());
}
