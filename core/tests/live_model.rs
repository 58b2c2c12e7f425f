//! The live cluster in the scheduler's terms: what the plan and a simulation answer with it.

mod scenario_harness;

use quorate_core::id::ResourceId;
use quorate_core::planner;
use quorate_core::score::Score;
use quorate_core::state::ClusterState;
use quorate_core::suppose::Supposed;
use quorate_core::view::simulation;
use scenario_harness::file;
use scenario_harness::world::World;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Where nothing is to be fenced first: a simulation runs on from there.
#[test]
fn in_every_scenario_a_simulation_ends_where_the_live_plan_puts_everything() {
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
            let report = planner::plan(&state).report;
            let shown = simulation(&Supposed { state: state.clone(), ..Supposed::default() });
            let is_blocked = |id: &ResourceId| report.blocked.iter().any(|blocked| blocked.resource == *id);
            let is_free = |id: &&ResourceId| !state.is_left_alone(id) && !is_blocked(id);
            for id in state.config.primitives.keys().filter(is_free) {
                let Some(places) = shown.placement.get(id.as_str()).filter(|_| shown.fenced.is_empty()) else {
                    continue;
                };
                compared += 1;
                let of_clone = report.clones.get(id).into_iter().flatten();
                let live: Vec<String> = of_clone.chain(report.placement.get(id)).map(ToString::to_string).collect();
                let line = format!("{id}: live {live:?}, simulated {places:?}");
                if live != *places && seen.insert(line.clone()) {
                    let name = path.file_name().expect("it has one").to_string_lossy();
                    writeln!(wrong, "{name} entry {}: {line}", state.index).expect("to a text");
                }
            }
        }
    }
    assert!(compared > 1000, "only {compared} places were compared");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Most nodes are alike to most resources and are scored once for all of them.
#[test]
fn what_each_node_scores_is_what_its_terms_come_to() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let (mut wrong, mut compared) = (String::new(), 0);
    for entry in fs::read_dir(&folder).expect("the folder of scenarios is there") {
        let path = entry.expect("it can be listed").path();
        let (World { state, .. }, _) = file::lived(&fs::read_to_string(&path).expect("it can be read"));
        let sketch = planner::model(&state);
        let single = state.config.primitives.iter().filter(|(_, primitive)| primitive.clone_spec().is_none());
        for (id, rsc) in single.filter_map(|(id, _)| sketch.resources.get_key_value(id)) {
            let standpoint = planner::standpoint(&state, id).expect("it is configured");
            for (ix, node) in sketch.nodes.iter().enumerate() {
                let sum = standpoint.terms[node].iter().fold(Score::ZERO, |sum, term| sum + term.score);
                let score = sketch.model.resources[*rsc].scores.or_never(ix);
                let is_kept_back = score.forbids() && standpoint.last_resorts.contains_key(node);
                compared += 1;
                if score != sum && !is_kept_back {
                    let name = path.file_name().expect("it has one").to_string_lossy();
                    writeln!(wrong, "{name}: {id} on {node}: {score}, its terms {sum}").expect("to a text");
                }
            }
        }
    }
    assert!(compared > 1000, "only {compared} scores were compared");
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
    let wanted = planner::plan(&world.state).report.placement;
    for id in ["vm1", "vm2"] {
        assert_eq!(wanted[&id.into()], "n1".into(), "{id} has no other place, or what it belongs to has none");
    }
    assert_ne!(wanted[&"vm3".into()], "n1".into());
}

/// With a say in each other's place, vm2 would leave for n1 as soon as it ran on n3, and come back when it had stopped.
#[test]
fn what_follows_in_a_circle_does_not_chase_itself() {
    let mut world = household("colocation c2 -inf: vm2 vm3\ncolocation c3 10: vm3 vm2\n");
    let places = [("vm1", "n1"), ("vm2", "n3"), ("vm3", "n2")];
    for (vm, node) in places {
        world.carry_out(&format!("observe {vm} started {node}"), "");
    }
    let wanted = planner::plan(&world.state).report.placement;
    for (vm, node) in places {
        assert_eq!(wanted[&vm.into()], node.into(), "{vm} is drawn away from {node}");
    }
}
