//! All daemons die at once, again and again, while changes are being made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use quorate_api::{Change, Client, ClientOptions, Reason};
use quorate_bed::{Bed, DaemonFault};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::stage::Stage;

const ROUNDS: u32 = 50;
/// So many changes are acknowledged in each round before the daemons die.
const ACKNOWLEDGED: u64 = 4;
const WRITERS: u32 = 4;

#[derive(Default)]
struct Tally {
    acknowledged: Mutex<BTreeSet<String>>,
    /// For each writer the number of the change it has asked for and has no answer to, or 0.
    asked: [AtomicU64; WRITERS as usize],
    count: AtomicU64,
    stop: AtomicBool,
}

pub(crate) fn survive(stage: &mut Stage) -> Result<()> {
    let host = stage.cluster.follower()?;
    // It must not notice anything of all this.
    stage.cluster.run_vms(&stage.auditor, &["vm1"], &host)?;
    let before = stage.cluster.processes()?;
    let runtime = Runtime::new()?;
    let (mut in_flight, mut least) = (0, usize::MAX);
    let tally = Arc::new(Tally::default());
    let writers = write(stage.bed(), &runtime, &tally, &host)?;
    for round in 1..=ROUNDS {
        let already = tally.count.load(Ordering::SeqCst);
        let begin = Instant::now();
        while tally.count.load(Ordering::SeqCst) < already + ACKNOWLEDGED {
            ensure!(begin.elapsed() < Duration::from_secs(30), "round {round}: no change is acknowledged any more");
            std::thread::sleep(Duration::from_millis(1));
        }
        let found = kill_all(stage.bed(), &tally).with_context(|| format!("round {round}"))?;
        ensure!(found > 0, "round {round}: no write was in flight");
        (in_flight, least) = (in_flight + found, least.min(found));
        for host in stage.bed().hosts() {
            stage.bed().daemon_start(&host)?;
        }
    }
    tally.stop.store(true, Ordering::SeqCst);
    for writer in writers {
        runtime.block_on(writer)??;
    }
    stage.cluster.wait_complete()?;

    let acknowledged = tally.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for host in stage.bed().hosts() {
        let there = shown(stage, &host)?;
        let lost: Vec<&String> = acknowledged.difference(&there).collect();
        ensure!(
            lost.is_empty(),
            "{} of {} acknowledged writes are lost on {host}: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
    }
    ensure!(stage.cluster.processes()?["vm1"].pid == before["vm1"].pid, "the VM was touched");
    stage.note(format!(
        "{ROUNDS} rounds, {} writes acknowledged and all there, {in_flight} in flight at the kills (at least {least} each)",
        acknowledged.len()
    ));
    stage.ensure_no_fence()
}

/// Writers on every host's socket: each change adds a constraint with a name of its own.
fn write(bed: &Bed, runtime: &Runtime, tally: &Arc<Tally>, node: &str) -> Result<Vec<JoinHandle<Result<()>>>> {
    let hosts = bed.hosts();
    let sockets = hosts.iter().map(|host| bed.layout().home(host).join("run/quorate/quorated.sock"));
    let sockets: Vec<PathBuf> = sockets.collect();
    let one = |writer: u32| {
        let socket = sockets.get(writer as usize % sockets.len()).cloned().context("there are hosts")?;
        let (tally, node) = (tally.clone(), node.to_owned());
        Ok(runtime.spawn(async move { write_on(&socket, writer, &tally, &node).await }))
    };
    (0..WRITERS).map(one).collect()
}

async fn write_on(socket: &Path, writer: u32, tally: &Tally, node: &str) -> Result<()> {
    let mut number = 0;
    let patience = ClientOptions { patience: Duration::from_secs(60), ..ClientOptions::default() };
    while !tally.stop.load(Ordering::SeqCst) {
        // The daemon may be away: then there is nothing in flight.
        let Ok(client) = Client::connect_socket(socket, patience).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while !tally.stop.load(Ordering::SeqCst) {
            number += 1;
            let name = format!("write-{writer}-{number}");
            let change = Change { text: format!("location {name} vm1 0: {node}"), ..Change::default() };
            tally.asked[writer as usize].store(number, Ordering::SeqCst);
            let answer = client.configure(change).await;
            tally.asked[writer as usize].store(0, Ordering::SeqCst);
            // A retry carries the same request: what was done is not refused as there already.
            match answer {
                Ok(_) => {}
                // Not acknowledged: others were faster, or patience ended.
                Err(fault) if fault.reason == Reason::Stale || fault.reason.is_passing() => continue,
                Err(fault) => return Err(fault).with_context(|| format!("{name} was refused")),
            }
            tally.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
            tally.count.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// Kills all daemons at the same time; how many writes were in flight.
fn kill_all(bed: &Bed, tally: &Tally) -> Result<usize> {
    let asked = || tally.asked.each_ref().map(|number| number.load(Ordering::SeqCst));
    let hosts = bed.hosts();
    let before = asked();
    std::thread::scope(|scope| {
        let killers: Vec<_> = hosts.iter().map(|host| scope.spawn(|| bed.daemon(host, DaemonFault::Kill))).collect();
        for killer in killers {
            killer.join().map_err(|_| anyhow::anyhow!("a killer panicked"))??;
        }
        anyhow::Ok(())
    })?;
    // Asked for before the first signal, and without an answer after the last daemon's end.
    Ok(before.into_iter().zip(asked()).filter(|(before, after)| *before != 0 && before == after).count())
}

fn shown(stage: &Stage, host: &str) -> Result<BTreeSet<String>> {
    let config: quorate_core::view::ConfigView = stage.cluster.document(host, &["configure", "show"])?;
    let name = |line: &str| Some(line.strip_prefix("location ")?.split(' ').next()?.to_owned());
    Ok(config.text.lines().filter_map(name).collect())
}
