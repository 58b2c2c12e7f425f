//! Rows about a store in a place where it does not belong, and about one that comes by itself: whole, over the wire.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use quorate_api::proto::ViewKind;
use quorate_api::{Client, ClientOptions};
use quorate_bed::{DaemonFault, wait_for};
use quorate_core::state::EventKind;
use quorate_core::view::{Status, StoreView};
use tokio::runtime::Runtime;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
/// A copy is found out within this.
const SOON: Duration = Duration::from_secs(20);
/// A twin that nobody has heard of by then is kept out.
const LOOK: Duration = Duration::from_secs(8);
/// So many members' logs are written to at once.
const WRITERS: usize = 64;

/// A host is started with a copy of another member's whole disk; then it looks like that machine in every way.
pub(crate) fn cloned(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    let leader = stage.cluster.leader()?;
    let mut others = hosts.into_iter().filter(|host| *host != leader);
    let (original, twin) = (others.next().context("three hosts")?, others.next().context("three hosts")?);
    stage.cluster.run_vms(&stage.auditor, VMS, &original)?;
    let (before, member) = (stage.pids()?, raft_id(stage, &original)?);
    let daemon = stage.bed().daemon_pid(&original)?;
    stage.bed().daemon(&twin, DaemonFault::Stop)?;
    let layout = stage.bed().layout().clone();
    let home = |host: &str| layout.home(host);
    let set_aside = "cp -aT /var/lib/quorate /run/quorate-bed/own && find /var/lib/quorate -mindepth 1 -delete";
    in_host(stage, &twin, set_aside)?;
    copy(&home(&original).join("state"), &home(&twin).join("state"))?;
    stage.note(started_in_vain(stage, &twin, "a copied or moved disk")?);

    // A virtual machine's clone has its hardware id as well, and here even its address.
    fs::copy(home(&original).join("product_uuid"), home(&twin).join("run/quorate-bed/product_uuid"))?;
    let address = stage.bed().layout().address(&original)?;
    // Others must not take it for where that address is: that would be a fault of the network, and another row.
    let twice = format!("echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore; ip addr add {address}/32 dev lo");
    in_host(stage, &twin, &twice)?;
    stage.bed().daemon_start(&twin)?;
    stage.note(told(stage, &twin, "another daemon")?);
    std::thread::sleep(LOOK);
    let status = stage.cluster.status()?;
    let node = |name: &str| status.nodes.iter().find(|node| node.id.as_str() == name);
    let of = node(&original).context("the original is gone")?;
    ensure!(of.is_voter && of.liveness == "online" && of.raft_id == member, "the original is {of:?}");
    ensure!(stage.bed().daemon_pid(&original)? == daemon, "the original's daemon ended");
    stop(stage, &twin)?;

    // Nor can a new host take the name of one that is there.
    in_host(stage, &twin, "find /var/lib/quorate -mindepth 1 -delete")?;
    fs::copy(home(&twin).join("product_uuid"), home(&twin).join("run/quorate-bed/product_uuid"))?;
    in_host(stage, &twin, &format!("ip addr del {address}/32 dev lo"))?;
    stage.bed().daemon_start(&twin)?;
    let token = stage.cluster.qrm(&leader, &["cluster", "token"])?;
    let place = quorate_e2e::Site::address(stage.bed(), &twin)?;
    let reached = || Ok(stage.bed().qrm(&twin, &["status"])?.code != Some(5));
    wait_for("the empty daemon", SOON, reached)?;
    let join = ["cluster", "join", token.trim(), "--node", &original, "--address", &place];
    let refused = stage.bed().qrm(&twin, &join)?;
    let is_told = !refused.success() && refused.stderr.contains("already");
    ensure!(is_told, "a join under a member's name says: {}{}", refused.stdout, refused.stderr);
    stage.note(refused.stderr.trim());

    stop(stage, &twin)?;
    in_host(stage, &twin, "find /var/lib/quorate -mindepth 1 -delete; cp -aT /run/quorate-bed/own /var/lib/quorate")?;
    stage.bed().daemon_start(&twin)?;
    stage.cluster.wait_complete()?;
    ensure!(stage.pids()? == before, "VM processes changed");
    stage.ensure_no_fence()
}

/// Starts a daemon that ends by itself; the line of its log with these words.
fn started_in_vain(stage: &Stage, host: &str, words: &str) -> Result<String> {
    // It may have ended before anybody saw it run.
    drop(stage.bed().daemon_start(host));
    let line = told(stage, host, words)?;
    wait_for("the daemon to end", SOON, || Ok(stage.bed().daemon_pid(host)?.is_none()))?;
    Ok(line)
}

/// The last line of a daemon's log with these words.
fn told(stage: &Stage, host: &str, words: &str) -> Result<String> {
    let path = stage.bed().layout().daemon_log(host);
    let mut found = None;
    let waited = wait_for(&format!("the daemon of {host} to tell of '{words}'"), SOON, || {
        let log = fs::read_to_string(&path).unwrap_or_default();
        found = log.lines().rev().find(|line| line.contains(words)).map(str::to_owned);
        Ok(found.is_some())
    });
    waited.and_then(|()| found.context("it was just there"))
}

fn stop(stage: &Stage, host: &str) -> Result<()> {
    match stage.bed().daemon_pid(host)? {
        Some(_) => stage.bed().daemon(host, DaemonFault::Kill),
        None => Ok(()),
    }
}

/// A member's store is replaced by one of another cluster: it says which, sets it aside and comes back with a new one.
pub(crate) fn foreign(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = stage.pids()?;
    let old = raft_id(stage, &victim)?;
    // Another cluster, of this host alone, is founded aside.
    stage.bed().daemon(&victim, DaemonFault::Stop)?;
    in_host(
        stage,
        &victim,
        "cp -aT /var/lib/quorate /run/quorate-bed/own && find /var/lib/quorate -mindepth 1 -delete",
    )?;
    stage.bed().daemon_start(&victim)?;
    let address = quorate_e2e::Site::address(stage.bed(), &victim)?;
    wait_for("the empty daemon", SOON, || Ok(stage.bed().qrm(&victim, &["status"])?.code != Some(5)))?;
    stage.cluster.qrm(&victim, &["cluster", "init", "elsewhere", "--node", &victim, "--address", &address])?;
    stop(stage, &victim)?;
    let swap = "mv /var/lib/quorate/raft /run/quorate-bed/foreign && find /var/lib/quorate -mindepth 1 -delete; \
                cp -aT /run/quorate-bed/own /var/lib/quorate && rm -rf /var/lib/quorate/raft && \
                mv -T /run/quorate-bed/foreign /var/lib/quorate/raft";
    in_host(stage, &victim, swap)?;
    stage.bed().daemon_start(&victim)?;
    let line = told(stage, &victim, "is of another cluster")?;
    stage.note(line);
    let status = stage.cluster.wait_status("it to vote with a new store", Duration::from_secs(40), |status| {
        let node = status.nodes.iter().find(|node| node.id.as_str() == victim);
        node.is_some_and(|node| node.raft_id > old && node.is_voter && node.liveness == "online")
    })?;
    ensure!(status.quorum.confirmed, "{}", status.health.text);
    let aside = fs::read_dir(stage.bed().layout().home(&victim).join("state"))?.flatten();
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("raft.foreign-"));
    ensure!(aside.count() == 1, "the foreign store was not set aside");
    ensure!(stage.pids()? == before, "VM processes changed");
    stage.ensure_no_fence()
}

/// A member is away until the others' logs begin after what it has: it gets the whole state, and is one of them again.
pub(crate) fn snapshot(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    stage.cluster.run_vms(&stage.auditor, VMS, &victim)?;
    let before = stage.pids()?;
    stage.bed().daemon(&victim, DaemonFault::Stop)?;
    let last = stage.cluster.status()?.cluster.index;
    let leader = stage.cluster.leader()?;
    let begin = std::time::Instant::now();
    let written = write_until(stage, &leader, |status| {
        store(status, &leader).and_then(|store| store.log_begins_after).is_some_and(|after| after > last)
    })?;
    stage.note(format!("{written} changes in {:.1} s", begin.elapsed().as_secs_f64()));
    stage.bed().daemon_start(&victim)?;
    stage.cluster.wait_complete()?;
    let status = stage.cluster.wait_status("it to have caught up", SOON, |status| {
        store(status, &victim).is_some_and(|store| store.applied >= status.cluster.index)
    })?;
    let came = store(&status, &victim).context("nothing is known of its store")?;
    // What lay between was in nobody's log any more.
    let by_snapshot = came.log_begins_after.is_some_and(|after| after > last);
    ensure!(by_snapshot, "it was at {last} and its log begins after {:?}", came.log_begins_after);
    stage.note(format!("{victim} was at entry {last}; now {came:?}"));
    same_state(stage)?;
    let differs = stage.cluster.events()?.into_iter().filter(|event| event.kind == EventKind::Store);
    ensure!(differs.count() == 0, "a store was found to differ");
    ensure!(stage.pids()? == before, "VM processes changed");
    stage.ensure_no_fence()
}

/// Writes at the leader, many at a time, until the status fits; how many changes there were.
fn write_until(stage: &Stage, leader: &str, fits: impl Fn(&Status) -> bool) -> Result<u64> {
    let socket = socket(stage, leader);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let runtime = Runtime::new()?;
    let writer = |number: usize| {
        let (socket, node, stop, count) = (socket.clone(), leader.to_owned(), stop.clone(), count.clone());
        runtime.spawn(async move {
            let client = Client::connect_socket(&socket, ClientOptions::default()).await.map_err(|e| anyhow!("{e}"))?;
            while !stop.load(Ordering::Relaxed) {
                let value = count.fetch_add(1, Ordering::Relaxed).to_string();
                let name = format!("row-{number}");
                client.attribute(&node, &name, Some(&value)).await.map_err(|e| anyhow!("{e}"))?;
            }
            anyhow::Ok(())
        })
    };
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    let waited = stage.cluster.wait_status("its log to begin after that", Duration::from_secs(90), fits);
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        runtime.block_on(writer)??;
    }
    waited.map(|_| count.load(Ordering::Relaxed))
}

/// Every member shows the same state, after the same entry.
fn same_state(stage: &Stage) -> Result<()> {
    let runtime = Runtime::new()?;
    let hosts = stage.bed().hosts();
    wait_for("all members to show the same state", SOON, || {
        let mut shown = Vec::new();
        for host in &hosts {
            let path = socket(stage, host);
            let state = runtime.block_on(async {
                let client = Client::connect_socket(path, ClientOptions::default()).await?;
                client.view(ViewKind::State, "").await
            });
            shown.push(state.map_err(|e| anyhow!("{e}"))?.json);
        }
        Ok(shown.windows(2).all(|two| two[0] == two[1]))
    })
}

fn socket(stage: &Stage, host: &str) -> std::path::PathBuf {
    stage.bed().layout().home(host).join("run/quorate/quorated.sock")
}

fn store<'a>(status: &'a Status, host: &str) -> Option<&'a StoreView> {
    status.nodes.iter().find(|node| node.id.as_str() == host)?.store.as_ref()
}

fn raft_id(stage: &Stage, host: &str) -> Result<u64> {
    let status = stage.cluster.status()?;
    let node = status.nodes.iter().find(|node| node.id.as_str() == host);
    Ok(node.with_context(|| format!("{host} is no node"))?.raft_id)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = std::process::Command::new("cp").arg("-aT").arg(from).arg(to).status().context("run cp")?;
    ensure!(copied.success(), "{} could not be copied", from.display());
    Ok(())
}

fn in_host(stage: &Stage, host: &str, script: &str) -> Result<()> {
    stage.bed().exec(host, &["sh", "-c", script])?.ok().map(drop)
}
