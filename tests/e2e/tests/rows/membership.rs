//! Rows about who is a member and who votes.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{DaemonFault, wait_for};
use quorate_core::view::Status;

use crate::stage::Stage;

const VMS: &[&str] = &["vm1", "vm2"];
/// Longer than the default of `lost-after`.
const LOST: Duration = Duration::from_secs(7);

pub(crate) fn two_hosts_and_witness(stage: &mut Stage) -> Result<()> {
    let [one, two, witness] = <[String; 3]>::try_from(stage.bed().hosts()).map_err(|_| anyhow::anyhow!("not three"))?;
    let status = stage.cluster.status()?;
    let shown = status.nodes.iter().find(|node| node.id.as_str() == witness).context("the witness is a member")?;
    ensure!(shown.witness && shown.is_voter && !shown.is_active, "the witness is shown as {shown:?}");
    stage.cluster.run_vms(&stage.auditor, VMS, &one)?;
    let before = stage.pids()?;

    // The witness is lost: nobody needs a proof of it, and all goes on.
    stage.bed().power_off(&witness)?;
    stage.cluster.wait_status("the witness to be missed", LOST * 2, |status| is(status, &witness, "lost"))?;
    stage.cluster.configure("property fence-limit=2")?;
    ensure!(stage.pids()? == before, "VMs were touched when the witness was lost");
    stage.ensure_no_fence()?;
    stage.bed().power_on(&witness)?;
    stage.cluster.wait_complete()?;

    // The link between the hosts is cut, and the witness hears both: nobody has to go.
    stage.bed().cut_between(&one, &two)?;
    std::thread::sleep(LOST);
    ensure!(stage.pids()? == before, "VMs were touched when the direct link was cut");
    stage.ensure_no_fence()?;
    stage.cluster.configure("property fence-limit=3")?;
    stage.note(format!("with the direct link cut, {} leads", stage.cluster.leader()?));
    stage.bed().heal(&one)?;
    stage.bed().heal(&two)?;
    stage.cluster.wait_complete()?;
    stage.ensure_no_fence()?;

    // The host that runs all there is is cut off: it lives, and has that much longer to be heard again.
    stage.cluster.configure("rsc_defaults priority=10")?;
    stage.cluster.configure("property priority-fencing-delay=3s")?;
    stage.cluster.configure(&format!("set fence-{one}.pcmk_delay_base 2s"))?;
    stage.cluster.configure(&format!("set fence-{one}.pcmk_delay_max 4s"))?;
    let begin = SystemTime::now();
    stage.bed().cut(&one)?;
    let for_both = |why: &str| ["priority-fencing-delay", "pcmk_delay_base"].iter().all(|word| why.contains(word));
    stage.cluster.wait_status("the fence to wait", LOST * 2, |status| {
        let of_it = status.fencing.iter().filter(|fence| fence.target.as_str() == one);
        of_it.filter_map(|fence| fence.waits.as_ref()).any(|waits| for_both(&waits.why))
    })?;
    ensure!(stage.pids()? == before, "VMs were touched while the fence waited");
    stage.cluster.wait_running(VMS, Duration::from_secs(60), |process| process.host == two)?;
    stage.ensure_restarted(VMS, &one, begin, Duration::from_secs(25))?;
    stage.note_timeline(&one, begin)?;
    let fences = stage.fences_of(&one, 1)?;
    let waited = fences[0].tries.first().context("it was tried")?.at.since(fences[0].since);
    ensure!(waited >= Duration::from_millis(4500), "its fence waited {waited:?} only");
    stage.note(format!("its fence waited {:.1} s", waited.as_secs_f64()));
    Ok(())
}

fn is(status: &Status, node: &str, liveness: &str) -> bool {
    status.nodes.iter().any(|found| found.id.as_str() == node && found.liveness == liveness)
}

pub(crate) fn voters_replaced(stage: &mut Stage) -> Result<()> {
    let status = stage.cluster.status()?;
    let learner = status.nodes.iter().find(|node| !node.is_voter).context("one of four does not vote")?.id.clone();
    let is_follower = |node: &&quorate_core::view::NodeView| node.is_voter && !node.is_leader;
    let victim = status.nodes.iter().find(is_follower).context("a voter follows")?.id.to_string();
    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    let replaced =
        stage.cluster.wait_status("the learner to vote in its place", Duration::from_secs(20), |status| {
            let votes = |name: &str| status.nodes.iter().any(|node| node.id.as_str() == name && node.is_voter);
            votes(learner.as_str()) && !votes(&victim) && status.quorum.voters.len() == 3
        })?;
    let took = begin.elapsed().unwrap_or_default().as_secs_f64();
    stage.note(format!("{learner} voted in place of {victim} {took:.1} s after the power cut"));
    ensure!(is(&replaced, &victim, "off"), "{victim} gave up its vote before it was proven dead");
    stage.fences_of(&victim, 1)?;
    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()
}

pub(crate) fn removed(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    let others: Vec<String> = stage.bed().hosts().into_iter().filter(|host| *host != victim).collect();
    let contact = others[0].clone();
    stage.cluster.run_vms(&stage.auditor, &VMS[..1], &victim)?;
    refused(stage, &contact, &["cluster", "remove", &victim], &["vm1 runs there", "standby"])?;
    stage.bed().power_off(&victim)?;
    stage.cluster.wait_running(&VMS[..1], Duration::from_secs(60), |process| process.host != victim)?;
    stage.cluster.qrm(&contact, &["cluster", "remove", &victim])?;
    let alone =
        |status: &Status| status.nodes.iter().all(|node| node.id.as_str() != victim) && status.quorum.voters.len() == 1;
    stage.cluster.wait_status("the removed node to be gone", Duration::from_secs(10), alone)?;

    // It comes back, and is told; it disturbs no election, and runs nothing.
    let term = stage.cluster.status()?.quorum.term;
    stage.bed().power_on(&victim)?;
    let told = || Ok(stage.cluster.site.qrm(&victim, &["status"])?.stderr.contains("was removed from this cluster"));
    wait_for("the removed node to say so", Duration::from_secs(30), told)?;
    std::thread::sleep(Duration::from_secs(2));
    refused(stage, &victim, &["status"], &["was removed", "fresh token"])?;
    ensure!(stage.cluster.status()?.quorum.term == term, "the removed node disturbed an election");
    ensure!(stage.bed().vms()?.iter().all(|process| process.host != victim), "the removed node runs something");
    certificates(stage, &victim, &contact)?;
    again(stage, &victim, &contact)
}

/// With what certificates nobody is let in, and what they are told.
fn certificates(stage: &mut Stage, victim: &str, contact: &str) -> Result<()> {
    let address = stage.bed().layout().address(contact)?;
    let with = |ca: &'static str, cert: &'static str, key: &'static str| {
        ["--host", &address, "--patience", "3s", "--ca", ca, "--cert", cert, "--key", key, "status"].map(str::to_owned)
    };
    const DATA: &str = "/var/lib/quorate";
    const KEPT: &str = "/run/kept";
    refused(stage, victim, &["--host", &address, "--ca", "/var/lib/quorate/ca.pem", "status"], &["needs --cert"])?;
    let own = with("/var/lib/quorate/ca.pem", "/var/lib/quorate/node.pem", "/var/lib/quorate/node.key");
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    refused(stage, victim, &own, &["revoked", "join again"])?;
    // A cluster of its own gives it an administrator's certificate that is worth nothing elsewhere.
    shell(stage, victim, &format!("mkdir -p {KEPT} && cp {DATA}/ca.pem {KEPT}/"))?;
    emptied(stage, victim)?;
    let here = stage.bed().layout().address(victim)?;
    stage.cluster.qrm(victim, &["cluster", "init", "other", "--node", victim, "--address", &here])?;
    let foreign = with("/run/kept/ca.pem", "/var/lib/quorate/admin.pem", "/var/lib/quorate/admin.key");
    let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
    refused(stage, victim, &foreign, &["is foreign", "one and the same cluster"])?;
    emptied(stage, victim)
}

/// Under a fresh token it is a member again; the token is good once.
fn again(stage: &mut Stage, victim: &str, contact: &str) -> Result<()> {
    // It would draw its VM back, whose guest hears no shutdown before it has booted.
    stage.cluster.configure(&format!("delete {}-on-{victim}", VMS[0]))?;
    let token = stage.cluster.qrm(contact, &["cluster", "token"])?;
    let address = stage.bed().layout().address(victim)?;
    let join = ["cluster", "join", token.trim(), "--node", victim, "--address", &address];
    stage.cluster.qrm(victim, &join)?;
    stage.cluster.wait_complete()?;
    // It has nothing, and so it may go while it lives; it knows at once.
    stage.cluster.qrm(contact, &["cluster", "remove", victim])?;
    let told = || Ok(stage.cluster.site.qrm(victim, &["status"])?.stderr.contains("was removed"));
    wait_for("the removed node to say so", Duration::from_secs(10), told)?;
    emptied(stage, victim)?;
    refused(stage, victim, &join, &["used already", "qrm cluster token"])
}

fn emptied(stage: &mut Stage, host: &str) -> Result<()> {
    stage.bed().daemon(host, DaemonFault::Stop)?;
    shell(stage, host, "rm -rf /var/lib/quorate/*")?;
    stage.bed().daemon_start(host)?;
    let reached = || Ok(stage.cluster.site.qrm(host, &["status"])?.stderr.contains("in no cluster"));
    wait_for("the emptied daemon", Duration::from_secs(20), reached)
}

fn shell(stage: &Stage, host: &str, text: &str) -> Result<()> {
    stage.bed().exec(host, &["sh", "-c", text])?.ok().map(drop)
}

/// The command fails, and says all of this.
fn refused(stage: &mut Stage, host: &str, arguments: &[&str], words: &[&str]) -> Result<()> {
    let output = match arguments.first() {
        // Over the network, not by the host's own socket, which the bed would name.
        Some(&"--host") => {
            let program = stage.bed().qrm_argv(host, &[])?.swap_remove(0);
            let argv: Vec<&str> = [program.as_str()].into_iter().chain(arguments.iter().copied()).collect();
            stage.bed().exec(host, &argv)?
        }
        _ => stage.cluster.site.qrm(host, arguments)?,
    };
    ensure!(!output.success(), "it was not refused: qrm {}", arguments.join(" "));
    for word in words {
        ensure!(output.stderr.contains(word), "'{word}' is not in: {}", output.stderr);
    }
    stage.note(output.stderr.trim());
    Ok(())
}
