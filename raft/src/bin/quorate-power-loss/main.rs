//! Cuts the power under the real log store, many times, and looks whether everything it had
//! acknowledged is still there.
//!
//! `quorate-power-loss --rounds 20 [--seed 1]`. Each round is a process of its own: it writes
//! on the real store (sled, its threads, our chunks and syncs) under a layer that records every
//! call to the kernel, takes power cuts at many moments of that record, builds what a disk may
//! hold after each, opens it with the real store and compares. Then it goes on writing on one
//! of the images, as a host does that got its power back.
//!
//! Exit code 0: nothing lost. 1: something acknowledged was lost, or the store would not open.
//! 2: the test itself could not run. Built with `planted-no-fdatasync` it must exit with 1.
#![allow(clippy::print_stdout)] // A command for people and CI.
#![allow(clippy::disallowed_methods, reason = "each round is a process of its own: this program again")]

mod image;
mod layer;
mod model;
mod random;
mod writer;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use image::Cruelty;
use layer::{Event, Record};
use model::{Model, Note};
use quorate_raft::probe::{Contents, Probe};
use random::Random;

const GENERATIONS: usize = 3;
const OPERATIONS: usize = 120;
const CUTS: usize = 14;
/// A round that takes longer hangs.
const ROUND_LIMIT: Duration = Duration::from_secs(120);

const LOST: u8 = 1;
const BROKEN: u8 = 2;

/// Why a round ended early.
enum Failure {
    /// The store lost something.
    Lost(String),
    /// The test could not run.
    Broken(String),
}

fn broken(what: &str) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |e| Failure::Broken(format!("{what}: {e}"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|a| a == name)?;
        Some(arguments.get(at + 1)?.parse().unwrap_or(default))
    };
    if let Some(seed) = number("--round", 0) {
        return one_round(seed);
    }
    let rounds = number("--rounds", 10).unwrap_or(10);
    let first = number("--seed", 1).unwrap_or(1);
    all_rounds(first, rounds)
}

fn all_rounds(first: u64, rounds: u64) -> ExitCode {
    let started = Instant::now();
    let mut failed = None;
    for seed in first..first + rounds {
        let code = run_child(seed);
        if code != 0 {
            println!("round {seed}: exit {code}; again with --round {seed}");
            failed = failed.max(Some(code));
            break;
        }
    }
    let took = started.elapsed().as_secs_f32();
    match failed {
        None => {
            println!("power-loss: {rounds} rounds, nothing acknowledged was lost, {took:.1} s");
            ExitCode::SUCCESS
        }
        Some(code) => {
            println!("power-loss: FAILED after {took:.1} s");
            ExitCode::from(code)
        }
    }
}

// Our own program, under the limit below; not something an agent brought.
#[allow(clippy::disallowed_methods)]
fn run_child(seed: u64) -> u8 {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(_) => return BROKEN,
    };
    let mut command = std::process::Command::new(program);
    let Ok(mut child) = command.args(["--round", &seed.to_string()]).spawn() else {
        return BROKEN;
    };
    let started = Instant::now();
    while started.elapsed() < ROUND_LIMIT {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Ok(Some(status)) => return status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(LOST),
            Err(_) => return BROKEN,
        }
    }
    println!("round {seed} hangs");
    let _ = child.kill();
    let _ = child.wait();
    LOST
}

fn one_round(seed: u64) -> ExitCode {
    let dir = std::env::temp_dir().join(format!("quorate-power-loss-{}-{seed}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(round(&dir, seed)),
        Err(e) => Err(Failure::Broken(e.to_string())),
    };
    let _ = std::fs::remove_dir_all(&dir);
    match result {
        Ok(told) => {
            println!("round {seed}: {told}");
            ExitCode::SUCCESS
        }
        Err(Failure::Lost(why)) => {
            println!("round {seed}: LOST: {why}");
            ExitCode::from(LOST)
        }
        Err(Failure::Broken(why)) => {
            println!("round {seed}: the test is broken: {why}");
            ExitCode::from(BROKEN)
        }
    }
}

async fn round(dir: &Path, seed: u64) -> Result<String, Failure> {
    let mut random = Random::new(seed);
    let mut root = dir.join("live-0");
    std::fs::create_dir_all(&root).map_err(broken("create"))?;
    let mut before = Contents::default();
    let (mut cuts, mut bytes, mut acknowledged) = (0, 0, 0);
    for generation in 0..GENERATIONS {
        let record = write_recorded(&root, &before, random.next()).await?;
        let everything = image::after_cut(&record, record.events.len(), Cruelty::KeepAll, &mut random);
        everything.matches_disk().map_err(Failure::Broken)?;
        bytes += written(&record);
        let mut next = None;
        for number in 0..CUTS {
            let cut = choose_cut(&record, &mut random);
            let cruelty = Cruelty::any(&mut random);
            let target = dir.join(format!("cut-{generation}-{number}"));
            let image = image::after_cut(&record, cut, cruelty, &mut random);
            image.put(&root, &target).map_err(broken("image"))?;
            let model = Model::new(&before, notes(&record, cut));
            acknowledged += model.acknowledged;
            cuts += 1;
            let found = look(&target, &model).await.map_err(|why| {
                let total = record.events.len();
                let last = last_events(&record, cut);
                Failure::Lost(format!("generation {generation}, cut {cut} of {total}, {cruelty:?}: {why}{last}"))
            })?;
            if next.is_none() && number * 2 >= CUTS {
                next = Some((target, found));
            } else {
                std::fs::remove_dir_all(&target).map_err(broken("remove"))?;
            }
        }
        let _ = std::fs::remove_dir_all(&root);
        if let Some((target, found)) = next {
            root = target;
            before = found;
        }
    }
    let average = acknowledged / cuts.max(1);
    Ok(format!("{cuts} power cuts, {average} operations acknowledged before each, {} KiB written", bytes / 1024))
}

async fn write_recorded(root: &Path, before: &Contents, seed: u64) -> Result<Record<Note>, Failure> {
    layer::start(root).map_err(broken("record"))?;
    let opened = Probe::open(&root.join("log")).await;
    let (probe, found) = opened.map_err(|e| Failure::Lost(format!("does not open: {e}")))?;
    if found != *before {
        return Err(Failure::Lost("opened twice, the store holds two different things".to_owned()));
    }
    let written = writer::write(probe, before, OPERATIONS, Random::new(seed)).await;
    let record = layer::stop().ok_or_else(|| Failure::Broken("nothing was recorded".to_owned()))?;
    written.map_err(broken("write"))?;
    Ok(record)
}

/// Most cuts come right after an acknowledgement: there the promise is youngest.
fn choose_cut(record: &Record<Note>, random: &mut Random) -> usize {
    let length = record.events.len();
    let at = usize::try_from(random.below(length as u64)).unwrap_or(0);
    if random.below(4) == 0 {
        return at + 1;
    }
    let acknowledged = |(_, event): &(usize, &Event<Note>)| matches!(event, Event::Note(Note::Acknowledged(_)));
    let later = record.events.iter().enumerate().skip(at).find(acknowledged);
    later.map_or(length, |(found, _)| found + 1)
}

fn notes(record: &Record<Note>, cut: usize) -> impl Iterator<Item = &Note> {
    record.events[..cut].iter().filter_map(|event| match event {
        Event::Note(note) => Some(note),
        Event::Create { .. }
        | Event::Mkdir { .. }
        | Event::Rename { .. }
        | Event::Unlink { .. }
        | Event::Write { .. }
        | Event::Truncate { .. }
        | Event::Sync { .. }
        | Event::SyncDir { .. } => None,
    })
}

/// What happened just before a cut, for whoever looks into a loss.
fn last_events(record: &Record<Note>, cut: usize) -> String {
    let mut text = String::new();
    for (at, event) in record.events.iter().enumerate().take(cut).skip(cut.saturating_sub(40)) {
        let line = match event {
            Event::Write { file, offset, data } => format!("write {file} at {offset}, {} bytes", data.len()),
            Event::Note(Note::Begun(number, operation)) => format!("begun {number} {}", operation.name()),
            other => format!("{other:?}"),
        };
        text.push_str(&format!("\n  {at}: {line}"));
    }
    text
}

fn written(record: &Record<Note>) -> usize {
    let size = |event: &Event<Note>| if let Event::Write { data, .. } = event { data.len() } else { 0 };
    record.events.iter().map(size).sum()
}

async fn look(target: &Path, model: &Model<'_>) -> Result<Contents, String> {
    let opened = Probe::open(&target.join("log")).await;
    let (_, found) = opened.map_err(|e| format!("does not open: {e}"))?;
    model.check(&found)?;
    Ok(found)
}
