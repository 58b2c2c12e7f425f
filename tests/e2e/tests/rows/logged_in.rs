//! A machine whose power only its hypervisor knows, fenced by an agent that logs in there.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{Hypervisor, VirtualHost, wait_for};
use quorate_core::view::Status;

use crate::ocf::hosts_with_mark;
use crate::stage::Stage;

/// It is emulated, and others may use this machine.
const BOOT: Duration = Duration::from_secs(120);
const LIMIT: Duration = Duration::from_secs(60);
const HAS_MARK: &str = "test -e /run/resource-agents/Dummy-mark.state";

/// Debian's own fence_virsh, as it is.
pub(crate) fn fence_virsh(stage: &mut Stage) -> Result<()> {
    let hypervisor = stage.bed().hypervisor()?;
    let machine = hypervisor.boot(BOOT)?;
    let (node, _) = hypervisor.node();
    join(stage, &hypervisor, &machine)?;
    let login = format!("ip={} username=root identity_file={}", hypervisor.address(), hypervisor.key().display());
    let plug = hypervisor.domain();
    stage
        .cluster
        .configure(&format!("primitive virsh stonith:fence_virsh params {login} pcmk_host_map={node}:{plug}"))?;
    stage.cluster.configure("property stonith-action=reboot")?;
    is_read(stage, &hypervisor, &login)?;

    stage.cluster.configure("primitive mark Dummy op monitor interval=1s")?;
    stage.cluster.configure(&format!("location mark-on-{node} mark 200: {node}"))?;
    let known = |status: &Status| {
        let mark = status.resources.iter().find(|it| it.id.as_str() == "mark");
        mark.is_some_and(|mark| mark.places.iter().map(|place| place.node.as_str()).eq([node]))
    };
    let there = || {
        // Emulated, where much else runs it falls silent for a second at a time, and nothing new is placed there then.
        if stage.cluster.status()?.nodes.iter().any(|it| it.id.as_str() == node && it.quarantine.is_some()) {
            stage.cluster.qrm(&stage.cluster.contact()?, &["node", "release", node])?;
        }
        Ok(machine.exec(HAS_MARK)?.success())
    };
    wait_for("the mark to be on the machine", LIMIT, there)?;
    stage.cluster.wait_status("the mark to be known there", LIMIT, known)?;
    ensure!(hosts_with_mark(stage)?.is_empty(), "the mark is on another host too");
    let old = hypervisor.emulators()?;
    ensure!(old.len() == 1, "emulators are {old:?}");

    let begin = SystemTime::now();
    hypervisor.cut()?;
    wait_for("the mark to be elsewhere", LIMIT, || Ok(!hosts_with_mark(stage)?.is_empty()))?;
    let left = hypervisor.emulators()?;
    ensure!(!left.contains(&old[0]), "the mark is elsewhere, and its machine was never off");
    let took = begin.elapsed()?.as_secs_f64();
    let fence = stage.fences_of(node, 1)?.remove(0);
    ensure!(fence.outcome == "power-off", "the proof is {}: {}", fence.outcome, fence.proof);
    ensure!(fence.proof.contains("virsh"), "the proof does not name its device: {}", fence.proof);
    // By libvirt's word and by the kernel's: it begins paused.
    let again = || {
        let is_new = hypervisor.emulators()?.iter().any(|pid| !old.contains(pid));
        Ok(is_new && hypervisor.login(&format!("virsh domstate {plug}"))?.stdout.trim() == "running")
    };
    wait_for("it to be switched on again", LIMIT, again)?;
    stage.note(format!("the mark is elsewhere {took:.1} s after the cut; {}", fence.proof));
    Ok(())
}

fn join(stage: &Stage, hypervisor: &Hypervisor<'_>, machine: &VirtualHost) -> Result<()> {
    let (node, address) = hypervisor.node();
    let contact = stage.cluster.contact()?;
    let qrm = stage.bed().qrm_argv(&contact, &[])?.into_iter().next().context("the bed has qrm")?;
    let answers = || Ok(machine.exec(&format!("{qrm} status"))?.code != Some(5));
    wait_for("its daemon", BOOT, answers)?;
    let token = stage.cluster.qrm(&contact, &["cluster", "token"])?;
    machine.exec(&format!("{qrm} cluster join {} --node {node} --address {address}", token.trim()))?.ok()?;
    let online = |status: &Status| status.nodes.iter().any(|it| it.id.as_str() == node && it.liveness == "online");
    stage.cluster.wait_status("it to be online", BOOT, online).map(drop)
}

/// Its power is read, and not where the login finds no virsh: the agent says off then.
fn is_read(stage: &Stage, hypervisor: &Hypervisor<'_>, login: &str) -> Result<()> {
    let (node, _) = hypervisor.node();
    let contact = stage.cluster.contact()?;
    let test = || stage.bed().qrm(&contact, &["fence", "test", node]);
    let said = test()?.ok()?;
    ensure!(said.contains("on"), "`qrm fence test` says:\n{said}");
    hypervisor.login("mount --bind /dev/null /usr/bin/virsh")?.ok()?;
    let asked = format!(
        "printf 'action=status\\n{}\\nplug={}\\n' | fence_virsh",
        login.replace(' ', "\\n"),
        hypervisor.domain()
    );
    let agent = stage.bed().exec(&contact, &["sh", "-c", &asked])?;
    ensure!(agent.code == Some(2) && agent.stdout.contains("Status: OFF"), "the agent has learned: {agent}");
    let said = test()?;
    let told = format!("{}{}", said.stdout, said.stderr);
    ensure!(told.contains("says off of what it does not list"), "`qrm fence test` says:\n{told}");
    hypervisor.login("umount /usr/bin/virsh")?.ok().map(drop)
}
