//! What makes the machine busy: threads that compute, memory that is taken and given back, and a disk that is written and
//! synced all the time. It also measures what that does to a small synced write.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Threads that compute, for each processor.
const PER_CORE: usize = 2;
/// What a disk hog writes before it syncs.
const BURST: usize = 64 << 20;
const DISK_HOGS: usize = 2;
/// Between two small synced writes.
const PROBE_EVERY: Duration = Duration::from_millis(200);
const PAGE: usize = 4096;

/// Threads that keep the machine busy until they are stopped.
pub(super) struct Hogs {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    syncs: Arc<Mutex<Vec<f64>>>,
}

impl Hogs {
    /// Writes into `dir`, and takes no more than `memory` bytes.
    pub(super) fn start(dir: &Path, memory: u64) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let syncs = Arc::new(Mutex::new(Vec::new()));
        let mut threads = Vec::new();
        let cores = thread::available_parallelism().context("count processors")?.get();
        for _ in 0..cores * PER_CORE {
            let stop = stop.clone();
            threads.push(thread::spawn(move || compute(&stop)));
        }
        let most = usize::try_from(memory.min(available()? / 2)).unwrap_or(usize::MAX);
        threads.push(thread::spawn({
            let stop = stop.clone();
            move || eat(&stop, most)
        }));
        for number in 0..DISK_HOGS {
            let file = File::create(dir.join(format!("hog-{number}"))).context("create a file to write to")?;
            let stop = stop.clone();
            threads.push(thread::spawn(move || write(&stop, file)));
        }
        let file = File::create(dir.join("probe")).context("create a file to write to")?;
        threads.push(thread::spawn({
            let (stop, syncs) = (stop.clone(), syncs.clone());
            move || probe(&stop, file, &syncs)
        }));
        Ok(Self { stop, threads, syncs })
    }

    /// Ends them; how long each small synced write took, in milliseconds.
    pub(super) fn stop(mut self) -> Vec<f64> {
        self.end();
        let syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        syncs.clone()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that failed made the machine less busy, which the figures show.
            let _ = thread.join();
        }
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.end();
    }
}

fn compute(stop: &AtomicBool) {
    let mut number = 1_u64;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..100_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

/// Takes the memory page by page, holds it for a moment, gives it back, and begins again.
fn eat(stop: &AtomicBool, most: usize) {
    while !stop.load(Ordering::Relaxed) {
        let mut held: Vec<Vec<u8>> = Vec::new();
        while held.len() * BURST < most && !stop.load(Ordering::Relaxed) {
            let mut block = vec![0_u8; BURST];
            block.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
            held.push(block);
        }
        sleep(Duration::from_secs(1));
    }
}

fn write(stop: &AtomicBool, mut file: File) {
    let block = vec![7_u8; 1 << 20];
    while !stop.load(Ordering::Relaxed) {
        // A full disk ends it; what it did so far was seen.
        if file.rewind().is_err() || (0..BURST / block.len()).any(|_| file.write_all(&block).is_err()) {
            return;
        }
        if file.sync_all().is_err() {
            return;
        }
    }
}

fn probe(stop: &AtomicBool, mut file: File, syncs: &Mutex<Vec<f64>>) {
    let block = [1_u8; PAGE];
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        if file.write_all(&block).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        syncs.lock().unwrap_or_else(PoisonError::into_inner).push(begin.elapsed().as_secs_f64() * 1000.0);
        sleep(PROBE_EVERY);
    }
}

/// Memory that is available, in bytes.
fn available() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).context("no MemAvailable in /proc/meminfo")
}

/// How busy the processors were, counted from a moment on.
pub(super) struct Busy {
    busy: u64,
    all: u64,
}

/// Begins to count.
pub(super) fn busy_percent() -> Result<Busy> {
    let text = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    Busy::read(&text).context("no times in /proc/stat")
}

impl Busy {
    fn read(stat: &str) -> Option<Self> {
        let times: Vec<u64> = stat
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        // idle and iowait; guest time is in user time already.
        let idle = times.get(3)? + times.get(4)?;
        let all: u64 = times.iter().take(8).sum();
        Some(Self { busy: all - idle, all })
    }

    /// In percent, from the beginning until now.
    pub(super) fn since(&self) -> Result<f64> {
        Ok(self.until(&busy_percent()?))
    }

    fn until(&self, now: &Self) -> f64 {
        100.0 * (now.busy - self.busy) as f64 / (now.all - self.all) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_not_busy() {
        let before = Busy::read("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n").expect("times");
        let after = Busy::read("cpu  190 0 50 805 55 0 0 0 7 0\n").expect("times");
        assert!((before.until(&after) - 90.0).abs() < 1e-9);
    }

    #[test]
    fn hogs_are_busy_and_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let hogs = Hogs::start(dir.path(), 128 << 20).expect("they start");
        sleep(Duration::from_millis(700));
        let syncs = hogs.stop();
        assert!(!syncs.is_empty() && syncs.iter().all(|ms| *ms > 0.0), "{syncs:?}");
    }
}
