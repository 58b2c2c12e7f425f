//! The live cluster in the scheduler's terms: the scheduler puts everything where the live planner wants it.

mod scenario_harness;

use quorate_core::planner;
use quorate_core::state::ClusterState;
use scenario_harness::file;
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
