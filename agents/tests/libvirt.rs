//! VMs by both witnesses, with a real libvirtd and real QEMU processes in a namespace of the test's own.
#![cfg(feature = "libvirt")]
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]

mod common;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::have;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use quorate_agents::vm::host::VmHost;
use quorate_agents::vm::libvirt::Libvirt;
use quorate_agents::vm::{EventKind, ProcessId, Seen, StopWay, VmBackend, VmError, VmEvent};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

/// libvirtd under an init that starts it again unless the file `hold` is there.
const INIT: &str = r#"
for d in etc run lib cache log; do mkdir -p "$D/$d"; done
cp -a /etc/libvirt/. "$D/etc/"; rm -rf "$D"/etc/qemu/networks/autostart/*
cat >"$D/etc/libvirtd.conf" <<X
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
log_outputs = "2:file:$D/libvirtd.log"
X
cat >"$D/etc/qemu.conf" <<X
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
max_core = 0
X
mkdir -p "$D/lib/qemu" "$D/log/qemu" /var/log/libvirt /var/cache/libvirt /var/lib/libvirt
mount --bind "$D/etc" /etc/libvirt; mount --bind "$D/lib" /var/lib/libvirt; mount --bind "$D/cache" /var/cache/libvirt
mount --bind "$D/log" /var/log/libvirt; mount --bind "$D/run" /run; mkdir -p /run/libvirt /run/lock
ip link set lo up
while :; do
  /usr/sbin/libvirtd -p "$D/pid"
  rm -f "$D/pid"
  while [ -e "$D/hold" ]; do sleep 0.05; done
done
"#;

/// A host with a libvirtd, ended with the test.
struct Host {
    init: Child,
    dir: tempfile::TempDir,
    vms: VmBackend,
}

impl Host {
    async fn start() -> Option<Self> {
        let able = geteuid().is_root() && have("libvirtd") && have("qemu-system-x86_64");
        if !able {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this test needs root, libvirtd and QEMU");
            eprintln!("skipped: needs root, libvirtd and QEMU");
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("unshare");
        let namespaces =
            ["-m", "-p", "-n", "-i", "-f", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private"];
        command.args(namespaces).args(["/bin/sh", "-c", INIT]).env("D", dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let init = command.spawn().expect("unshare starts");
        let uri = format!("qemu+unix:///system?socket={}/run/libvirt/libvirt-sock", dir.path().display());
        let libvirt = Libvirt::connect(&uri, Duration::from_secs(30)).await.expect("threads");
        let host = Self { init, dir, vms: VmBackend::Libvirt(VmHost::new(libvirt)) };
        let seen = host.vms.probe(&uuid(0), soon()).await;
        assert_eq!(seen, Seen::Stopped, "libvirtd answers: {}", host.log());
        Some(host)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("libvirtd.log")).unwrap_or_default()
    }

    /// libvirtd's process, by the argument no other has.
    fn libvirtd(&self) -> Pid {
        let mark = self.dir.path().join("pid").display().to_string();
        let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
        let ours = |p: &PathBuf| {
            let line = std::fs::read(p.join("cmdline")).unwrap_or_default();
            line.starts_with(b"/usr/sbin/libvirtd\0") && line.split(|b| *b == 0).any(|a| a == mark.as_bytes())
        };
        let pid = |p: PathBuf| p.file_name()?.to_str()?.parse().ok();
        entries.map(|e| e.path()).find(ours).and_then(pid).map(Pid::from_raw).expect("libvirtd runs")
    }

    fn libvirt(&self) -> &Libvirt {
        match &self.vms {
            VmBackend::Libvirt(host) => host.libvirt(),
            VmBackend::Fake(_) => unreachable!("made above"),
        }
    }

    /// virsh against this libvirtd.
    fn virsh(&self, args: &[&str]) -> String {
        let uri = format!("qemu+unix:///system?socket={}/run/libvirt/libvirt-sock", self.dir.path().display());
        let out = Command::new("virsh").args(["-c", &uri]).args(args).output().expect("virsh runs");
        assert!(out.status.success(), "virsh {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    async fn running(&self, n: u8) -> ProcessId {
        let started = self.vms.start_paused(&domain(n), soon()).await.expect("started");
        self.vms.resume(&started.uuid, soon()).await.expect("resumed");
        started.process
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The namespace goes with it, QEMU included.
        let _ = self.init.kill();
        let _ = self.init.wait();
    }
}

fn uuid(n: u8) -> String {
    format!("{:08x}-2222-3333-4444-5555555555{n:02}", std::process::id())
}

/// A machine without a disk: it sits in its firmware, and is deaf to the power button there.
fn domain(n: u8) -> String {
    format!(
        "<domain type='qemu'><name>vm{n}</name><uuid>{}</uuid><memory unit='MiB'>24</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>\
         <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>\
         <memballoon model='none'/></devices></domain>",
        uuid(n)
    )
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn in_millis(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// Waits for an event about a VM; how long it took.
async fn event(events: &mut Receiver<VmEvent>, about: &str, wanted: EventKind) -> Duration {
    let begun = Instant::now();
    loop {
        let event = tokio::time::timeout_at(soon(), events.recv()).await.expect("an event").expect("open");
        if matches!(&event, VmEvent::Domain { uuid, kind, .. } if uuid == about && *kind == wanted) {
            return begun.elapsed();
        }
    }
}

async fn until(vms: &VmBackend, uuid: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
    let give_up = soon();
    loop {
        let seen = vms.probe(uuid, in_millis(5000)).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < give_up, "still {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_vm_is_created_let_go_seen_dying_and_stopped() {
    let Some(host) = Host::start().await else { return };
    let (vms, id) = (&host.vms, uuid(1));
    let mut events = vms.events();
    let started = vms.start_paused(&domain(1), soon()).await.expect("started");
    let process = started.process;
    event(&mut events, &id, EventKind::Started).await;
    assert_eq!((started.name.as_str(), vms.probe(&id, soon()).await), ("vm1", Seen::StartingPaused { process }));
    assert!(host.virsh(&["domstate", "vm1", "--reason"]).starts_with("paused"));
    vms.resume(&id, soon()).await.expect("resumed");
    assert_eq!(vms.probe(&id, soon()).await, Seen::Running { process });
    let again = vms.start_paused(&domain(1), soon()).await.expect_err("it runs");
    assert_eq!(again, VmError::AlreadyRunning { name: "vm1".to_owned(), process });
    assert_eq!(vms.destroy_starting(&id, soon()).await, Seen::Running { process }, "let go: left alone");

    host.virsh(&["suspend", "vm1"]);
    let paused = Seen::Paused { process, reason: "by a user".to_owned() };
    assert_eq!(vms.destroy_starting(&id, soon()).await, paused, "paused by others: left alone");
    host.virsh(&["resume", "vm1"]);

    let begun = Instant::now();
    kill(Pid::from_raw(i32::try_from(process.pid).expect("a pid")), Signal::SIGKILL).expect("it lives");
    event(&mut events, &id, EventKind::Crashed).await;
    let took = begun.elapsed();
    assert_eq!(until(vms, &id, |s| *s == Seen::Stopped).await, Seen::Stopped);
    eprintln!("QEMU's death was told after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_stop_ends_what_is_there_and_knows_how() {
    let Some(host) = Host::start().await else { return };
    let (vms, id) = (&host.vms, uuid(2));
    assert_eq!(vms.stop(&id, Duration::ZERO, soon()).await.way, StopWay::WasStopped);
    host.running(2).await;
    let stop = vms.stop(&id, Duration::from_millis(500), soon()).await;
    assert_eq!((stop.seen, stop.way), (Seen::Stopped, StopWay::Destroyed), "its guest is deaf");
    assert!(stop.took >= Duration::from_millis(500));
    vms.start_paused(&domain(2), soon()).await.expect("it was transient: nothing of it is left");
    assert_eq!(vms.destroy_starting(&id, soon()).await, Seen::Stopped);
    // A QEMU that does not react any more is killed by libvirt.
    let process = host.running(2).await;
    kill(Pid::from_raw(i32::try_from(process.pid).expect("a pid")), Signal::SIGSTOP).expect("it lives");
    let stop = vms.stop(&id, Duration::ZERO, soon()).await;
    assert_eq!(stop.seen, Seen::Stopped, "{stop:?}");
}

#[tokio::test]
async fn the_inventory_names_what_could_start_behind_our_back() {
    let Some(host) = Host::start().await else { return };
    let process = host.running(3).await;
    let path = host.dir.path().join("vm4.xml");
    std::fs::write(&path, domain(4)).expect("written");
    host.virsh(&["define", &path.display().to_string()]);
    host.virsh(&["autostart", "vm4"]);
    let inventory = host.vms.inventory(soon()).await.expect("a list");
    assert_eq!(inventory.incomplete, None);
    let ours = inventory.entries.iter().filter(|e| [uuid(3), uuid(4)].contains(&e.uuid));
    let notes: Vec<_> = ours.map(|e| (e.name.as_str(), e.seen.clone(), e.persistent, e.autostart)).collect();
    assert_eq!(notes, [("vm3", Seen::Running { process }, false, false), ("vm4", Seen::Stopped, true, true)]);
}

#[tokio::test]
async fn a_hung_libvirtd_blocks_nobody_and_a_start_in_its_queue_is_not_forgotten() {
    let Some(host) = Host::start().await else { return };
    let (vms, running, queued) = (&host.vms, uuid(5), uuid(6));
    let process = host.running(5).await;
    let libvirtd = host.libvirtd();
    kill(libvirtd, Signal::SIGSTOP).expect("it lives");

    let begun = Instant::now();
    let seen = vms.probe(&running, in_millis(300)).await;
    assert!(matches!(&seen, Seen::Unknown { why } if why.contains("its process exists")), "{seen}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());

    let error = vms.start_paused(&domain(6), in_millis(300)).await.expect_err("no answer");
    assert!(matches!(error, VmError::Timeout { .. }), "{error}");
    let seen = vms.probe(&queued, in_millis(300)).await;
    assert!(matches!(&seen, Seen::Unknown { why } if why.contains("no process")), "{seen}");
    assert!(host.libvirt().open_calls().iter().any(|c| c.changes && c.uuid == queued));
    let error = vms.start_paused(&domain(6), in_millis(300)).await.expect_err("the first is still under way");
    assert!(error.to_string().contains("it was not tried"), "{error}");

    // The way without libvirtd ends the process; without its word that is not "stopped".
    let stop = vms.stop(&running, Duration::ZERO, in_millis(4000)).await;
    assert_eq!(stop.way, StopWay::NotStopped);
    assert!(matches!(&stop.seen, Seen::Unknown { why } if why.contains("no process")), "{stop:?}");
    assert!(quorate_agents::vm::process_table::is_gone(process));

    // It wakes up and does what was in its queue: had the silence been taken for "stopped", this were a double run.
    kill(libvirtd, Signal::SIGCONT).expect("it lives");
    let seen = until(vms, &queued, |s| !matches!(s, Seen::Unknown { .. })).await;
    assert!(matches!(seen, Seen::StartingPaused { .. }), "{seen}");
    assert_eq!(vms.destroy_starting(&queued, soon()).await, Seen::Stopped);
    assert_eq!(until(vms, &running, |s| *s == Seen::Stopped).await, Seen::Stopped);
    assert!(host.libvirt().open_calls().is_empty());
}

#[tokio::test]
async fn a_killed_libvirtd_leaves_its_vms_and_is_found_again() {
    let Some(host) = Host::start().await else { return };
    let (vms, id) = (&host.vms, uuid(7));
    let mut events = vms.events();
    let process = host.running(7).await;
    std::fs::write(host.dir.path().join("hold"), "").expect("written");
    kill(host.libvirtd(), Signal::SIGKILL).expect("it lives");
    while !matches!(events.recv().await.expect("open"), VmEvent::Disconnected { .. }) {}
    let seen = vms.probe(&id, soon()).await;
    assert!(matches!(&seen, Seen::Unknown { why } if why.contains("cannot be reached")), "{seen}");
    let inventory = vms.inventory(soon()).await.expect("the process table");
    assert!(inventory.incomplete.is_some() && inventory.entries.iter().any(|e| e.uuid == id && e.name == "vm7"));

    std::fs::remove_file(host.dir.path().join("hold")).expect("removed");
    while events.recv().await.expect("open") != VmEvent::Connected {}
    assert_eq!(until(vms, &id, |s| !matches!(s, Seen::Unknown { .. })).await, Seen::Running { process });

    // The last resort needs no libvirtd at all.
    std::fs::write(host.dir.path().join("hold"), "").expect("written");
    kill(host.libvirtd(), Signal::SIGKILL).expect("it lives");
    let report = vms.kill_all(std::slice::from_ref(&id), Duration::from_secs(5));
    assert_eq!((report.killed, report.survivors), (vec![process], vec![]));
}
