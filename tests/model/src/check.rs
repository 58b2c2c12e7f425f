//! Runs one exploration and says what it found, completely or not.

use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use crate::Protocol;
use crate::action::Action;
use crate::state::State;
use crate::story;

/// How to explore.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Threads. With one, counterexamples are the shortest there are.
    pub threads: usize,
    /// Give up after this long; `None` runs to the end.
    pub limit: Option<Duration>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Different states, up to renaming.
    pub unique: usize,
    /// Steps taken.
    pub total: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// Every reachable state was seen.
    pub complete: bool,
    /// How long it took.
    pub took: Duration,
    /// Invariants that broke, each with the story of how.
    pub broken: Vec<Story>,
    /// What must be reachable and was reached, with how.
    pub reached: Vec<Story>,
    /// What must be reachable and was not.
    pub missed: Vec<&'static str>,
}

/// A property and the steps that lead to it.
#[derive(Clone, Debug)]
pub struct Story {
    /// The property's name.
    pub property: &'static str,
    /// The steps, in words.
    pub steps: Vec<String>,
}

impl Report {
    /// All was seen, nothing broke, and everything that must be reachable was reached.
    pub fn holds(&self) -> bool {
        self.complete && self.broken.is_empty() && self.missed.is_empty()
    }

    /// The numbers on one line.
    pub fn summary(&self) -> String {
        let end = match (self.broken.is_empty(), self.complete) {
            (false, _) => "broken",
            (true, true) => "complete",
            (true, false) => "NOT COMPLETE",
        };
        format!(
            "{:>9} states {:>10} steps depth {:>2} {:>6.1} s  {end}",
            self.unique,
            self.total,
            self.depth,
            self.took.as_secs_f32()
        )
    }
}

/// Explores breadth first until everything is seen, an invariant breaks or time is up.
pub fn explore(protocol: Protocol, effort: Effort) -> Report {
    let begun = Instant::now();
    let mut builder = protocol.checker().threads(effort.threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(limit) = effort.limit {
        builder = builder.timeout(limit);
    }
    let checker = builder.spawn_bfs().join();
    let took = begun.elapsed();
    let mut report = Report {
        unique: checker.unique_state_count(),
        total: checker.state_count(),
        depth: checker.max_depth(),
        complete: false,
        took,
        broken: Vec::new(),
        reached: Vec::new(),
        missed: Vec::new(),
    };
    let found = checker.discoveries();
    for property in protocol.properties() {
        let path = found.get(property.name).cloned();
        match (property.expectation, path) {
            (Expectation::Always, Some(path)) => report.broken.push(tell(property.name, path)),
            (Expectation::Sometimes, Some(path)) => report.reached.push(tell(property.name, path)),
            (Expectation::Sometimes, None) => report.missed.push(property.name),
            _ => {}
        }
    }
    report.broken.sort_by_key(|story| story.steps.len());
    // Stateright calls a run that hit its time limit done as well.
    let in_time = effort.limit.is_none_or(|limit| took < limit);
    report.complete = in_time && report.broken.is_empty();
    report
}

fn tell(property: &'static str, path: Path<State, Action>) -> Story {
    let states = path.into_vec();
    let steps = states
        .windows(2)
        .filter_map(|pair| {
            let [(before, Some(action)), (after, _)] = pair else { return None };
            Some(story::tell(before, *action, after))
        })
        .collect();
    Story { property, steps }
}
