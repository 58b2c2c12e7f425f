//! Rows in which a live migration meets a cut link, a dead libvirtd, or a person who wants it no more, at every stage of
//! its way. Wherever it fails the VM goes on with its life at the source, and nothing of it is left at the target.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use quorate_bed::{DaemonFault, LibvirtFault, wait_for};

use crate::migration::{PATIENCE, another, on_its_way, run, same_life, send, writes_from};
use crate::people::virsh;
use crate::stage::Stage;

/// The link between source and target alone is cut: before the pages move, while they move, and when the copy is complete
/// and the target's last word is lost.
pub(crate) fn link_cut(stage: &mut Stage) -> Result<()> {
    let (source, target) = ends(stage, &["vm1", "vm2", "vm3"])?;

    stage.bed().cut_between(&source, &target)?;
    let begin = Instant::now();
    send(stage, "vm1", &target)?;
    stays(stage, "vm1", (&source, &target), begin)?;
    calm(stage, "vm1", &source)?;

    on_its_way(stage, "vm2", (&source, &target))?;
    let begin = Instant::now();
    stage.bed().cut_between(&source, &target)?;
    stays(stage, "vm2", (&source, &target), begin)?;
    calm(stage, "vm2", &source)?;

    on_its_way(stage, "vm3", (&source, &target))?;
    stage.bed().libvirtd(&target, LibvirtFault::Hang)?;
    virsh(stage, &source, &["migrate-setspeed", "vm3", "1000"])?;
    stands_still(stage, "vm3", &source)?;
    // Its last pages are under way; they arrive while nobody there can say so.
    std::thread::sleep(Duration::from_millis(700));
    let begin = Instant::now();
    stage.bed().cut_between(&source, &target)?;
    stage.bed().libvirtd(&target, LibvirtFault::Resume)?;
    stays(stage, "vm3", (&source, &target), begin)?;
    calm(stage, "vm3", &source)?;
    for vm in ["vm1", "vm2", "vm3"] {
        left_clean(stage, vm, &target)?;
        same_life(stage, vm)?;
    }
    stage.ensure_no_fence()
}

/// The link between source and target is cut with the last pages under way. QEMU may hang in that write, guest and all,
/// for as long as TCP has patience: the VM runs again all the same, once, with its old life or a new one.
pub(crate) fn link_cut_late(stage: &mut Stage) -> Result<()> {
    let (source, target) = ends(stage, &["vm1"])?;
    on_its_way(stage, "vm1", (&source, &target))?;
    virsh(stage, &source, &["migrate-setspeed", "vm1", "1000"])?;
    stands_still(stage, "vm1", &source)?;
    let begin = SystemTime::now();
    stage.bed().cut_between(&source, &target)?;
    let runs = wait_for("vm1 to write again", PATIENCE, || {
        Ok(stage.auditor.lives().iter().any(|life| life.vm == "vm1" && life.last > begin + Duration::from_secs(2)))
    });
    stage.note_timeline(&target, begin)?;
    runs?;
    stage.note(format!("it wrote again after {:.1} s", begin.elapsed()?.as_secs_f64()));
    stage.bed().heal(&source)?;
    wait_for("one process to be left", PATIENCE, || {
        Ok(stage.bed().vms()?.iter().filter(|process| process.vm == "vm1").count() == 1)
    })?;
    stage.ensure_no_fence()
}

/// The source is cut from all while it sends: it is fenced, and the VM boots anew, once.
pub(crate) fn source_cut(stage: &mut Stage) -> Result<()> {
    let (source, target) = ends(stage, &["vm1"])?;
    on_its_way(stage, "vm1", (&source, &target))?;
    let begin = SystemTime::now();
    stage.bed().cut(&source)?;
    let reborn = stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin);
    stage.note_timeline(&source, begin)?;
    reborn?;
    stage.cluster.wait_running(&["vm1"], PATIENCE, |process| process.host != source && !process.incoming)?;
    stage.fences_of(&source, 1).map(drop)
}

/// The target is cut from all while it receives: it is fenced, and the VM goes on.
pub(crate) fn target_cut(stage: &mut Stage) -> Result<()> {
    let (source, target) = ends(stage, &["vm1"])?;
    on_its_way(stage, "vm1", (&source, &target))?;
    let begin = Instant::now();
    stage.bed().cut(&target)?;
    wait_for("the target to be fenced", PATIENCE, || Ok(!stage.bed().is_on(&target)?))?;
    stays(stage, "vm1", (&source, &target), begin)?;
    same_life(stage, "vm1")?;
    stage.fences_of(&target, 1).map(drop)
}

/// The VM has left its source, and does not run at the target yet: then the source is cut from all. It is fenced; the VM
/// goes on at the target, with the life it had.
pub(crate) fn handover_cut(stage: &mut Stage) -> Result<()> {
    let (source, target) = ends(stage, &["vm1"])?;
    on_its_way(stage, "vm1", (&source, &target))?;
    stage.bed().daemon(&target, DaemonFault::Hang)?;
    virsh(stage, &source, &["migrate-setspeed", "vm1", "1000"])?;
    wait_for("the log to hear that it has left", Duration::from_secs(4), || {
        Ok(stage.cluster.events()?.iter().any(|event| event.text.starts_with(&format!("vm1 has left {source}"))))
    })?;
    let begin = SystemTime::now();
    stage.bed().cut(&source)?;
    stage.bed().daemon(&target, DaemonFault::Resume)?;
    let here = writes_from(stage, "vm1", &target, begin);
    stage.note_timeline(&source, begin)?;
    here?;
    wait_for("the source to be fenced", PATIENCE, || Ok(!stage.bed().is_on(&source)?))?;
    stage.cluster.wait_running(&["vm1"], PATIENCE, |process| process.host == target && process.incoming)?;
    same_life(stage, "vm1")?;
    wait_for("the fence to end", PATIENCE, || Ok(stage.cluster.fences()?.open.is_empty()))?;
    stage.fences_of(&source, 1).map(drop)
}

/// libvirtd is killed at the source, then at the target, while the pages move.
pub(crate) fn libvirtd_killed(stage: &mut Stage) -> Result<()> {
    let (source, target) = ends(stage, &["vm1", "vm2"])?;
    for (vm, victim) in [("vm1", &source), ("vm2", &target)] {
        on_its_way(stage, vm, (&source, &target))?;
        let begin = Instant::now();
        stage.bed().libvirtd(victim, LibvirtFault::Kill)?;
        std::thread::sleep(Duration::from_secs(1));
        stage.bed().libvirtd(victim, LibvirtFault::Start)?;
        stays(stage, vm, (&source, &target), begin)?;
        calm(stage, vm, &source)?;
        left_clean(stage, vm, &target)?;
        same_life(stage, vm)?;
    }
    stage.ensure_no_fence()
}

/// People change their minds while the pages move: one VM is moved back, one is stopped, and one is asked for by nobody
/// any more, which calls nothing off.
pub(crate) fn called_off(stage: &mut Stage) -> Result<()> {
    let (source, target) = ends(stage, &["vm1", "vm2", "vm3"])?;
    let contact = stage.cluster.leader()?;
    on_its_way(stage, "vm1", (&source, &target))?;
    let begin = Instant::now();
    stage.cluster.qrm(&contact, &["resource", "move", "vm1", &source])?;
    stays(stage, "vm1", (&source, &target), begin)?;
    ensure!(ended(stage, "vm1", (&source, &target))?.is_some_and(|text| text.contains("called off")), "who did it?");
    left_clean(stage, "vm1", &target)?;
    same_life(stage, "vm1")?;

    on_its_way(stage, "vm2", (&source, &target))?;
    let begin = Instant::now();
    stage.cluster.qrm(&contact, &["resource", "stop", "vm2"])?;
    wait_for("vm2 to be gone from both", PATIENCE, || Ok(!stage.bed().vms()?.iter().any(|it| it.vm == "vm2")))?;
    stage.note(format!("stopped on its way within {:.1} s", begin.elapsed().as_secs_f64()));

    on_its_way(stage, "vm3", (&source, &target))?;
    stage.cluster.qrm(&contact, &["resource", "clear", "vm3"])?;
    virsh(stage, &source, &["migrate-setspeed", "vm3", "1000"])?;
    left_clean(stage, "vm3", &source)?;
    stage.cluster.wait_running(&["vm3"], PATIENCE, |process| process.host == target && process.incoming)?;
    writes_from(stage, "vm3", &target, SystemTime::now())?;
    same_life(stage, "vm3")?;
    stage.ensure_no_fence()
}

/// These run at the first host, which sends at a pace that leaves time for mischief; the second is where they will go.
/// Neither leads.
fn ends(stage: &Stage, vms: &[&str]) -> Result<(String, String)> {
    let leader = stage.cluster.leader()?;
    let source = stage.cluster.follower()?;
    let target = another(stage, &[&leader, &source])?;
    run(stage, vms, &source, "migration_speed=1")?;
    Ok((source, target))
}

/// How the migration ended, in the timeline's words.
fn ended(stage: &Stage, vm: &str, (source, target): (&str, &str)) -> Result<Option<String>> {
    let begins = format!("the migration of {vm} from {source} to {target}");
    let ends = |text: &str| text.starts_with(&begins);
    Ok(stage.cluster.events()?.into_iter().rev().map(|event| event.text).find(|text| ends(text)))
}

/// The migration is told as ended, and the VM goes on at its source.
fn stays(stage: &mut Stage, vm: &str, ends: (&str, &str), begin: Instant) -> Result<()> {
    let mut how = None;
    wait_for(&format!("the migration of {vm} to be told as ended"), PATIENCE, || {
        how = ended(stage, vm, ends)?;
        Ok(how.is_some())
    })?;
    stage.note(format!("after {:.1} s: {}", begin.elapsed().as_secs_f64(), how.unwrap_or_default()));
    writes_from(stage, vm, ends.0, SystemTime::now())
}

/// Nobody asks for it to move any more, and every link is whole again.
fn calm(stage: &Stage, vm: &str, source: &str) -> Result<()> {
    let contact = stage.cluster.leader()?;
    stage.cluster.qrm(&contact, &["resource", "clear", vm])?;
    stage.bed().heal(source)
}

/// Nothing of it is there.
fn left_clean(stage: &Stage, vm: &str, host: &str) -> Result<()> {
    wait_for(&format!("{vm} to be gone from {host}"), PATIENCE, || {
        Ok(!stage.bed().vms()?.iter().any(|process| process.host == host && process.vm == vm))
    })
}

/// Everything was sent, and its CPUs stand still until the other side has spoken.
fn stands_still(stage: &Stage, vm: &str, source: &str) -> Result<()> {
    let argv = ["virsh", "-c", "qemu:///system", "domstate", vm];
    wait_for(&format!("{vm} to stand still on {source}"), Duration::from_secs(6), || {
        Ok(stage.bed().exec(source, &argv)?.ok()?.trim() == "paused")
    })
}
