//! The fake VM behaves as a real one, and a second copy of it does not go unnoticed.

use super::*;
use crate::vm::VmBackend;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// A host of the test's own, its VMs killed at the end.
struct Host(String);

impl Drop for Host {
    fn drop(&mut self) {
        power_off(&self.0, Duration::from_secs(5));
    }
}

fn host(name: &str, shared: &Path) -> (Host, VmBackend) {
    let name = format!("{name}-{}", std::process::id());
    let vms = VmBackend::Fake(FakeVms::new(&name, shared).expect("a directory"));
    (Host(name), vms)
}

fn fresh() -> (String, String) {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux").trim().to_owned();
    (format!("<domain><name>vm1</name><uuid>{uuid}</uuid></domain>"), uuid)
}

#[tokio::test]
async fn a_fake_vm_goes_through_all_states_of_a_real_one() {
    let shared = tempfile::tempdir().expect("a directory");
    let (_host, vms) = host("states", shared.path());
    let (xml, uuid) = fresh();
    assert_eq!(vms.probe(&uuid, soon()).await, Seen::Stopped);
    let started = vms.start_paused(&xml, soon()).await.expect("started");
    let process = started.process;
    assert_eq!(vms.probe(&uuid, soon()).await, Seen::StartingPaused { process });
    vms.resume(&uuid, soon()).await.expect("resumed");
    assert_eq!(vms.probe(&uuid, soon()).await, Seen::Running { process });
    assert_eq!(vms.destroy_starting(&uuid, soon()).await, Seen::Running { process }, "it runs: left alone");
    let entries = vms.inventory(soon()).await.expect("a list").entries;
    assert_eq!(entries.iter().map(|e| (e.name.as_str(), &e.uuid)).collect::<Vec<_>>(), [("vm1", &uuid)]);
    let stop = vms.stop(&uuid, Duration::from_secs(5), soon()).await;
    assert_eq!((stop.seen, stop.way), (Seen::Stopped, StopWay::Shutdown));
    assert_eq!(vms.stop(&uuid, Duration::ZERO, soon()).await.way, StopWay::WasStopped);
}

#[tokio::test]
async fn one_that_was_never_let_go_is_destroyed_whole() {
    let shared = tempfile::tempdir().expect("a directory");
    let (_host, vms) = host("starting", shared.path());
    let (xml, uuid) = fresh();
    vms.start_paused(&xml, soon()).await.expect("started");
    assert_eq!(vms.destroy_starting(&uuid, soon()).await, Seen::Stopped);
    vms.start_paused(&xml, soon()).await.expect("its lock is free again");
}

#[tokio::test]
async fn a_second_start_elsewhere_is_refused_and_written_down() {
    let shared = tempfile::tempdir().expect("a directory");
    let ((_a, first), (b, second)) = (host("first", shared.path()), host("second", shared.path()));
    let (xml, uuid) = fresh();
    first.start_paused(&xml, soon()).await.expect("started");
    first.resume(&uuid, soon()).await.expect("resumed");
    assert_eq!(double_runs(shared.path(), &uuid), Vec::<String>::new());
    let error = second.start_paused(&xml, soon()).await.expect_err("it runs elsewhere");
    assert_eq!(error, VmError::DoubleRun { name: "vm1".to_owned() });
    assert_eq!(double_runs(shared.path(), &uuid), vec![b.0.clone()]);
    assert_eq!(second.probe(&uuid, soon()).await, Seen::Stopped);
}

#[tokio::test]
async fn a_killed_vm_is_an_event_and_a_power_cut_takes_all() {
    let shared = tempfile::tempdir().expect("a directory");
    let (host, vms) = host("killed", shared.path());
    let mut events = vms.events();
    let (xml, uuid) = fresh();
    tokio::time::sleep(WATCH * 2).await; // until the watch has looked once
    vms.start_paused(&xml, soon()).await.expect("started");
    vms.resume(&uuid, soon()).await.expect("resumed");
    let report = power_off(&host.0, Duration::from_secs(5));
    assert_eq!((report.killed.len(), report.survivors.len()), (1, 0));
    assert_eq!(vms.probe(&uuid, soon()).await, Seen::Stopped);
    let (xml, uuid) = fresh();
    vms.start_paused(&xml, soon()).await.expect("started");
    let of = |kind| VmEvent::Domain { uuid: uuid.clone(), name: "vm1".to_owned(), kind };
    let mut told = Vec::new();
    while !told.contains(&of(EventKind::Crashed)) {
        told.push(tokio::time::timeout_at(soon(), events.recv()).await.expect("an event").expect("open"));
        if told.contains(&of(EventKind::Started)) {
            vms.kill_all(std::slice::from_ref(&uuid), Duration::from_secs(5));
        }
    }
}
