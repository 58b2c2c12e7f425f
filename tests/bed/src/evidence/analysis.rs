//! Judges the chain of records of one guest. Pure: records in, violations out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Record;

/// Proof that a guest ran twice at the same time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A life found another one writing after its own beginning.
    Interleaved {
        /// The guest.
        vm: String,
        /// The life that was running, with the host it was on.
        running: (String, String),
        /// The life that wrote in between.
        intruder: String,
        /// The tick of the running life that saw it.
        tick: u64,
    },
    /// Two records follow the same one: both lives ran at that moment.
    Forked {
        /// The guest.
        vm: String,
        /// The lives, each with its host.
        lives: [(String, String); 2],
        /// The record both follow.
        after: (String, u64),
    },
    /// One life ran on two hosts: both sides of a migration went on.
    BothSidesOfMigration {
        /// The guest.
        vm: String,
        /// The life.
        run: String,
        /// The two hosts.
        hosts: [String; 2],
        /// The tick that both executed.
        tick: u64,
    },
    /// Someone who watched sector 0 saw a life return after another had taken over.
    Returned {
        /// The guest.
        vm: String,
        /// The life that came back, with its host.
        run: (String, String),
        /// The life that had taken over.
        after: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interleaved { vm, running: (run, host), intruder, tick } => {
                write!(f, "{vm} ran twice: {run} on {host} found {intruder} writing beside it at tick {tick}")
            }
            Self::Forked { vm, lives: [(a, on_a), (b, on_b)], after: (run, tick) } => {
                write!(f, "{vm} ran twice: {a} on {on_a} and {b} on {on_b} both went on after {run} tick {tick}")
            }
            Self::BothSidesOfMigration { vm, run, hosts: [a, b], tick } => {
                write!(f, "{vm} ran twice: tick {tick} of {run} was executed on {a} and on {b}")
            }
            Self::Returned { vm, run: (run, host), after } => {
                write!(f, "{vm} ran twice: {run} on {host} wrote again after {after} had taken over")
            }
        }
    }
}

/// All violations the records prove. Each kind is reported once per pair of lives.
pub(crate) fn judge(vm: &str, records: &[Record]) -> Vec<Violation> {
    let mut found = BTreeSet::new();
    interleaved(vm, records, &mut found);
    forked(vm, records, &mut found);
    both_sides(vm, records, &mut found);
    found.into_iter().collect()
}

fn interleaved(vm: &str, records: &[Record], found: &mut BTreeSet<Violation>) {
    let mut first = BTreeMap::new();
    for record in records.iter().filter(|record| record.tick > 0) {
        // Only the first tick of a life may follow somebody else's record.
        let Some((before, _)) = record.prev.as_ref().filter(|(run, _)| *run != record.run) else {
            continue;
        };
        let tick = first.entry((record.run.clone(), before.clone())).or_insert((record.tick, record.host.clone()));
        if record.tick < tick.0 {
            *tick = (record.tick, record.host.clone());
        }
    }
    for ((run, intruder), (tick, host)) in first {
        found.insert(Violation::Interleaved { vm: vm.to_owned(), running: (run, host), intruder, tick });
    }
}

fn forked(vm: &str, records: &[Record], found: &mut BTreeSet<Violation>) {
    let mut successors: BTreeMap<&(String, u64), &Record> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for record in records {
        let Some(prev) = &record.prev else { continue };
        let Some(other) = successors.insert(prev, record) else {
            continue;
        };
        if other.run != record.run && seen.insert((other.run.clone(), record.run.clone())) {
            let mut lives = [(other.run.clone(), other.host.clone()), (record.run.clone(), record.host.clone())];
            lives.sort();
            found.insert(Violation::Forked { vm: vm.to_owned(), lives, after: prev.clone() });
        }
    }
}

fn both_sides(vm: &str, records: &[Record], found: &mut BTreeSet<Violation>) {
    let mut executed: BTreeMap<(&str, u64), &Record> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for record in records {
        let Some(other) = executed.insert((&record.run, record.tick), record) else {
            continue;
        };
        if other.host != record.host && seen.insert(record.run.clone()) {
            let mut hosts = [other.host.clone(), record.host.clone()];
            hosts.sort();
            let (vm, run, tick) = (vm.to_owned(), record.run.clone(), record.tick);
            found.insert(Violation::BothSidesOfMigration { vm, run, hosts, tick });
        }
    }
}

#[cfg(test)]
#[path = "analysis_tests.rs"]
mod tests;
