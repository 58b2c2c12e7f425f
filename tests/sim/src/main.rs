//! `quorate-sim`: runs seeds, replays one, or sees that every planted mistake is caught.

use clap::Parser;
use quorate_sim::{Counts, Mistake, Options, Run, run};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

/// Of a mistake that no seed of these catches it is said that none does.
const ENOUGH: u64 = 5000;

/// Simulates clusters: one seed, one run.
#[derive(Parser)]
#[command(name = "quorate-sim")]
struct Arguments {
    /// How many seeds to run; 200, or with --plant and --mistakes 5000 at most, when not given.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many at once.
    #[arg(long)]
    jobs: Option<usize>,
    /// How many hosts; by the seed when not given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(3..=9))]
    nodes: Option<u8>,
    /// Replay this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Show everything that happens in the replay.
    #[arg(long)]
    verbose: bool,
    /// Seeds that are known to fail (docs/simulation.md): those must fail, all others must pass.
    #[arg(long, value_delimiter = ',')]
    known: Vec<u64>,
    /// Plant this mistake: some seed must fail.
    #[arg(long, value_parser = mistake)]
    plant: Option<Mistake>,
    /// Plant every mistake, one after the other: each must be caught.
    #[arg(long)]
    mistakes: bool,
}

fn mistake(name: &str) -> Result<Mistake, String> {
    let names = || Mistake::ALL.iter().map(|mistake| mistake.name()).collect::<Vec<_>>().join(", ");
    let found = Mistake::ALL.iter().find(|mistake| mistake.name() == name);
    found.copied().ok_or_else(|| format!("there is no such mistake; there are {}", names()))
}

/// What a stretch of seeds came to.
struct Stretch {
    failed: Vec<Run>,
    passed: u64,
    counts: Counts,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_good = match arguments.seed {
        Some(seed) => replay(seed, &arguments),
        None if arguments.mistakes => all_mistakes(&arguments),
        None => many(&arguments),
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    // Nobody reads any more when this fails.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn options(arguments: &Arguments) -> Options {
    Options { nodes: arguments.nodes.map(usize::from), mistake: arguments.plant, trace: false }
}

fn replay(seed: u64, arguments: &Arguments) -> bool {
    let run = run(seed, Options { trace: arguments.verbose, ..options(arguments) });
    for line in &run.trace {
        say(line);
    }
    say(&format!("{}", run.counts));
    say(&format!("fingerprint {:016x}", run.fingerprint));
    match &run.failure {
        Some(failure) => say(&format!("seed {seed} FAILED: {failure}")),
        None => say(&format!("seed {seed} passed")),
    }
    run.failure.is_none()
}

fn many(arguments: &Arguments) -> bool {
    let began = Instant::now();
    let stretch = run_stretch(arguments, options(arguments), arguments.plant.is_some());
    for run in &stretch.failed {
        if let Some(failure) = &run.failure {
            say(&format!("seed {} FAILED: {failure}", run.seed));
        }
    }
    say(&format!("{}", stretch.counts));
    let took = began.elapsed().as_secs_f64();
    let all = stretch.passed + stretch.failed.len() as u64;
    say(&format!(
        "{} passed, {} failed in {took:.1} s ({:.1} seeds/s)",
        stretch.passed,
        stretch.failed.len(),
        all as f64 / took
    ));
    if arguments.plant.is_some() {
        // A planted mistake must be caught.
        return !stretch.failed.is_empty();
    }
    let failed: BTreeSet<u64> = stretch.failed.iter().map(|run| run.seed).collect();
    let known: BTreeSet<u64> = arguments.known.iter().copied().collect();
    for seed in known.difference(&failed) {
        say(&format!(
            "seed {seed} is known to fail and passed: take it out of the list, and out of docs/simulation.md"
        ));
    }
    // Without a mistake nothing may fail but what is known to.
    failed == known
}

/// The seeds that caught each mistake when they were last looked for.
const CAUGHT: &str = include_str!("../caught.txt");

/// The seed that is written to catch a mistake.
fn written(mistake: Mistake) -> Option<u64> {
    CAUGHT.lines().find_map(|line| line.strip_prefix(mistake.name())?.strip_prefix(' ')?.parse().ok())
}

fn all_mistakes(arguments: &Arguments) -> bool {
    let mut caught = 0;
    for mistake in Mistake::ALL {
        let (began, name) = (Instant::now(), mistake.name());
        let options = Options { mistake: Some(*mistake), ..options(arguments) };
        // Some are caught by one seed in thousands. Where the engine has changed so that it is another one now, all are tried.
        let known = written(*mistake).map(|seed| run_one(seed, options)).filter(|run| run.failure.is_some());
        let is_news = known.is_none();
        let run = known.or_else(|| run_stretch(arguments, options, true).failed.into_iter().next());
        match run.and_then(|run| Some((run.seed, run.failure?))) {
            Some((seed, failure)) => {
                caught += 1;
                say(&format!("{name:<22} seed {seed:<5} {:>5.1} s  {failure}", began.elapsed().as_secs_f64()));
                if is_news {
                    say(&format!("    tests/sim/caught.txt should have it: {name} {seed}"));
                }
            }
            None => say(&format!("{name:<22} NOT CAUGHT in {} seeds", arguments.seeds.unwrap_or(ENOUGH))),
        }
    }
    say(&format!("{caught} of {} mistakes caught", Mistake::ALL.len()));
    caught == Mistake::ALL.len()
}

/// Runs a seed; what fails without the planted mistake as well does not catch it.
fn run_one(seed: u64, options: Options) -> Run {
    let run = run(seed, options);
    let fails_anyway = || quorate_sim::run(seed, Options { mistake: None, ..options }).failure.is_some();
    if run.failure.is_some() && options.mistake.is_some() && fails_anyway() {
        return Run { failure: None, ..run };
    }
    run
}

/// Runs the seeds on several threads; with `until_first`, no more are begun once one has failed.
fn run_stretch(arguments: &Arguments, options: Options, until_first: bool) -> Stretch {
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let (next, enough) = (AtomicU64::new(arguments.from), AtomicBool::new(false));
    let seeds = arguments.seeds.unwrap_or(if until_first { ENOUGH } else { 200 });
    let end = arguments.from.saturating_add(seeds);
    let mut stretch = Stretch { failed: Vec::new(), passed: 0, counts: Counts::default() };
    std::thread::scope(|scope| {
        let (send, runs) = mpsc::channel();
        for _ in 0..jobs.max(1) {
            let (send, next, enough) = (send.clone(), &next, &enough);
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || send.send(run_one(seed, options)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for run in runs {
            stretch.counts += run.counts;
            if run.failure.is_some() {
                enough.store(until_first, Ordering::Relaxed);
                stretch.failed.push(run);
            } else {
                stretch.passed += 1;
            }
        }
    });
    stretch.failed.sort_by_key(|run| run.seed);
    stretch
}
