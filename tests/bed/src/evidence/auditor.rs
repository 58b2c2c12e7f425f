//! Watches the evidence disks while a test runs and gives the verdict. Lives outside the cluster and trusts only the disks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use super::analysis::{Violation, judge};
use super::{Record, last, records};

const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// Well within the time a ring remembers.
const JUDGE_EVERY: Duration = Duration::from_secs(60);

/// One life of a guest on one host, from its first sign to its last.
#[derive(Debug, Clone)]
pub struct Life {
    /// The guest.
    pub vm: String,
    /// The host it wrote from.
    pub host: String,
    /// The boot id of that host.
    pub boot: String,
    /// Which life of the guest; a migration keeps it.
    pub run: String,
    /// When its first record was seen, within a tenth of a second.
    pub first: SystemTime,
    /// When its last new record was seen.
    pub last: SystemTime,
    /// Its last tick; five a second.
    pub tick: u64,
}

/// What the evidence says.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Verdict {
    /// Proofs of double runs; empty when every guest ran at most once at any time.
    pub violations: Vec<Violation>,
    /// Every life that was seen, in the order of its beginning.
    pub lives: Vec<Life>,
}

impl Verdict {
    /// Whether nothing ran twice.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Turns a double run into an error.
    ///
    /// # Errors
    /// When anything ran twice; the message has all proofs.
    pub fn require_clean(&self) -> Result<()> {
        if self.clean() {
            return Ok(());
        }
        bail!("{self}")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.clean() {
            return write!(f, "no guest ran twice (lives seen: {})", self.lives.len());
        }
        for violation in &self.violations {
            writeln!(f, "DOUBLE RUN: {violation}")?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Seen {
    lives: Vec<Life>,
    violations: BTreeSet<Violation>,
    /// Per guest: the life in sector 0, and those it has taken over from.
    current: BTreeMap<String, String>,
    superseded: BTreeMap<String, BTreeSet<String>>,
    trouble: Option<String>,
}

impl Seen {
    fn note(&mut self, vm: &str, record: Record) {
        let known = |life: &&mut Life| life.vm == vm && life.run == record.run && life.host == record.host;
        let now = SystemTime::now();
        match self.lives.iter_mut().find(known) {
            Some(life) if life.tick != record.tick => (life.tick, life.last) = (record.tick, now),
            Some(_) => {}
            None => self.lives.push(Life {
                vm: vm.to_owned(),
                host: record.host.clone(),
                boot: record.boot.clone(),
                run: record.run.clone(),
                first: now,
                last: now,
                tick: record.tick,
            }),
        }
        let Some(before) = self.current.insert(vm.to_owned(), record.run.clone()) else {
            return;
        };
        if before == record.run {
            return;
        }
        let gone = self.superseded.entry(vm.to_owned()).or_default();
        if gone.contains(&record.run) {
            let (vm, run) = (vm.to_owned(), (record.run.clone(), record.host));
            self.violations.insert(Violation::Returned { vm, run, after: before.clone() });
        }
        gone.insert(before);
    }

    fn sample(&mut self, shared: &Path) -> Result<()> {
        for (vm, disk) in disks(shared)? {
            if let Some(record) = last(&disk)? {
                self.note(&vm, record);
            }
        }
        Ok(())
    }

    fn judge(&mut self, shared: &Path) -> Result<()> {
        for (vm, disk) in disks(shared)? {
            self.violations.extend(judge(&vm, &records(&disk)?));
        }
        Ok(())
    }

    fn verdict(&self) -> Verdict {
        Verdict { violations: self.violations.iter().cloned().collect(), lives: self.lives.clone() }
    }
}

fn disks(shared: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(shared).with_context(|| format!("list {}", shared.display()))?;
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "evidence"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    found.sort();
    Ok(found)
}

/// Reads the evidence as it lies now, without having watched.
pub(crate) fn audit(shared: &Path) -> Result<Verdict> {
    let mut seen = Seen::default();
    seen.sample(shared)?;
    seen.judge(shared)?;
    Ok(seen.verdict())
}

/// Watches all guests of a bed from a thread of its own.
#[derive(Debug)]
pub struct Auditor {
    shared: PathBuf,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.verdict())
    }
}

impl Auditor {
    pub(crate) fn start(shared: PathBuf) -> Auditor {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (shared, seen, stop) = (shared.clone(), Arc::clone(&seen), Arc::clone(&stop));
            move || watch(&shared, &seen, &stop)
        });
        Auditor { shared, seen, stop, thread: Some(thread) }
    }

    /// The lives seen so far, in the order of their beginning: who ran where and when.
    #[must_use]
    pub fn lives(&self) -> Vec<Life> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).lives.clone()
    }

    /// Judges everything up to now; the watching goes on.
    ///
    /// # Errors
    /// When a disk could not be read at any time: an auditor that looked away cannot acquit.
    pub fn verdict(&self) -> Result<Verdict> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = &seen.trouble {
            bail!("the auditor could not watch: {trouble}");
        }
        seen.sample(&self.shared)?;
        seen.judge(&self.shared)?;
        Ok(seen.verdict())
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A watcher that panicked has nothing more to clean up.
            let _ = thread.join();
        }
    }
}

fn watch(shared: &Path, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut judged = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let mut outcome = seen.sample(shared);
            if outcome.is_ok() && judged.elapsed() >= JUDGE_EVERY {
                judged = Instant::now();
                outcome = seen.judge(shared);
            }
            if let Err(error) = outcome {
                seen.trouble = Some(format!("{error:#}"));
                return;
            }
        }
        std::thread::sleep(SAMPLE_EVERY);
    }
}
