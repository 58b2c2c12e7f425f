//! The live cluster in the scheduler's terms: the scheduler puts everything where the live planner wants it.

mod scenario_harness;

use quorate_core::planner;
use quorate_core::state::ClusterState;
use quorate_core::suppose::{Supposition, suppose};
use quorate_core::view::simulation;
use scenario_harness::file;
use scenario_harness::world::World;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Compares after every entry of every scenario's log.
#[test]
fn in_every_scenario_the_scheduler_places_as_the_live_planner_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut wrong = String::new();
    let mut compared = 0;
    for entry in fs::read_dir(&folder).expect("the folder of scenarios is there") {
        let path = entry.expect("it can be listed").path();
        let (world, _) = file::lived(&fs::read_to_string(&path).expect("it can be read"));
        let mut state = ClusterState::default();
        let mut seen = BTreeSet::new();
        for entry in &world.log {
            state.apply(state.index + 1, entry);
            let placement = planner::plan(&state).report.placement;
            for (id, node) in planner::wanted(&state) {
                if !state.config.primitives.contains_key(&id) || state.config.is_hands_off(&id) {
                    continue;
                }
                compared += 1;
                let live = placement.get(&id);
                let line = format!("{id}: live {live:?}, scheduler {node:?}");
                if live != node.as_ref() && seen.insert(line.clone()) {
                    let name = path.file_name().expect("it has one").to_string_lossy();
                    writeln!(wrong, "{name} entry {}: {line}", state.index).expect("to a text");
                }
            }
        }
    }
    assert!(compared > 1000, "only {compared} places were compared");
    assert!(wrong.is_empty(), "\n{wrong}");
}

const HOUSEHOLD: &str = "node n1\nnode n2\nnode n3\nprimitive ipmi stonith:fake params pcmk_host_list=\"n1 n2 n3\"\n\
                         primitive vm1 vm:fake\nprimitive vm2 vm:fake\nprimitive vm3 vm:fake\n";

fn household(constraints: &str) -> World {
    let mut world = World::default();
    world.carry_out("configure", &format!("{HOUSEHOLD}{constraints}"));
    assert_eq!(world.said(), "ok");
    world
}

#[test]
fn a_drain_leaves_together_what_belongs_together() {
    let mut world = household(
        "location l1 vm1 10: n1\nlocation l2 vm2 -inf: n2\nlocation l3 vm2 -inf: n3\ncolocation c inf: vm2 vm1\n",
    );
    world.come_to_rest().expect("it comes to rest");
    world.carry_out("drain n1", "");
    let wanted = planner::wanted(&world.state);
    for id in ["vm1", "vm2"] {
        assert_eq!(wanted[&id.into()], Some("n1".into()), "{id} has no other place, or what it belongs to has none");
    }
    assert_ne!(wanted[&"vm3".into()], Some("n1".into()));
}

/// With a say in each other's place, vm2 would leave for n1 as soon as it ran on n3, and come back when it had stopped.
#[test]
fn what_follows_in_a_circle_does_not_chase_itself() {
    let mut world = household("colocation c2 -inf: vm2 vm3\ncolocation c3 10: vm3 vm2\n");
    let places = [("vm1", "n1"), ("vm2", "n3"), ("vm3", "n2")];
    for (vm, node) in places {
        world.carry_out(&format!("observe {vm} started {node}"), "");
    }
    let wanted = planner::wanted(&world.state);
    for (vm, node) in places {
        assert_eq!(wanted[&vm.into()], Some(node.into()), "{vm} is drawn away from {node}");
    }
}

#[test]
fn a_simulation_says_where_the_cluster_would_do_otherwise() {
    let world = household("");
    let shown = |with: &str| {
        let what = Supposition { with: Some(with.to_owned()), ..Supposition::default() };
        simulation(&suppose(&world.state, &what, world.state.now).expect("it can be committed"))
    };
    assert!(shown("location l1 vm1 100: n2").warnings.is_empty());
    let nowhere = shown("location l1 vm1 -100: n1\nlocation l2 vm1 -100: n2\nlocation l3 vm1 -100: n3");
    assert!(nowhere.warnings[0].contains("vm1: the cluster itself would want it on n"), "{:?}", nowhere.warnings);
}
