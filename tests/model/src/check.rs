//! Runs one exploration and says what it found, completely or not.

use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path, Property};

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
///
/// Time is kept by the model's boundary: Stateright's own limit is not looked at by a single thread,
/// and a run that hit it calls itself done like any other.
pub fn explore(protocol: Protocol, effort: Effort) -> Report {
    let begun = Instant::now();
    let deadline = effort.limit.map(|limit| begun + limit);
    let protocol = Protocol { deadline, ..protocol };
    let mut report = once(protocol, effort.threads, None);
    if effort.threads == 1 {
        shorten(&mut report, protocol);
    }
    report.took = begun.elapsed();
    report.complete = report.broken.is_empty() && deadline.is_none_or(|deadline| Instant::now() < deadline);
    report
}

/// Stateright keeps the last counterexample of a batch; looks for a shorter one until there is none.
fn shorten(report: &mut Report, protocol: Protocol) {
    while let Some(shortest) = report.broken.first() {
        let shorter = once(protocol, 1, Some(shortest.steps.len()));
        if shorter.broken.is_empty() {
            break;
        }
        report.broken = shorter.broken;
    }
}

/// One run, over all states or those fewer than `below` steps away.
fn once(protocol: Protocol, threads: usize, below: Option<usize>) -> Report {
    let mut builder = protocol.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(below) = below {
        // Depth counts states, and the deepest are not looked at.
        builder = builder.target_max_depth(below + 1);
    }
    let checker = builder.spawn_bfs().join();
    let mut report = Report {
        unique: checker.unique_state_count(),
        total: checker.state_count(),
        depth: checker.max_depth(),
        complete: false,
        took: Duration::ZERO,
        broken: Vec::new(),
        reached: Vec::new(),
        missed: Vec::new(),
    };
    let found = checker.discoveries();
    for property in protocol.properties() {
        let path = found.get(property.name).cloned();
        match (&property.expectation, path) {
            (Expectation::Always, Some(path)) => report.broken.push(tell(&protocol, &property, path)),
            (Expectation::Sometimes, Some(path)) => report.reached.push(tell(&protocol, &property, path)),
            (Expectation::Sometimes, None) => report.missed.push(property.name),
            _ => {}
        }
    }
    report.broken.sort_by_key(|story| story.steps.len());
    report
}

/// The steps up to the first state in which the property shows.
fn tell(protocol: &Protocol, property: &Property<Protocol>, path: Path<State, Action>) -> Story {
    let wanted = matches!(property.expectation, Expectation::Sometimes);
    let mut steps = Vec::new();
    let mut states = path.into_vec().into_iter().peekable();
    while let (Some((before, Some(action))), Some((after, _))) = (states.next(), states.peek()) {
        steps.push(story::tell(&before, action, after));
        if (property.condition)(protocol, after) == wanted {
            break;
        }
    }
    Story { property: property.name, steps }
}
