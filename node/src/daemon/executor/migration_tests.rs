//! Migrations of VMs that are called off, whenever that comes.

use super::Executor;
use crate::daemon::ocf::Ocf;
use crate::engine::{Event, Job, Tag, Target};
use quorate_agents::ocf::Agents;
use quorate_agents::process::Processes;
use quorate_agents::systemd::{BUS, Systemd};
use quorate_agents::vm::VmBackend;
use quorate_agents::vm::fake::FakeVms;
use quorate_core::config::Attributes;
use quorate_core::grammar;
use quorate_core::id::{Operation, ResourceId};
use quorate_core::state::{ActionKind, Seen};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const VM: &str = "<domain><name>vm1</name><uuid>0b0c1f5e-6f0e-4c39-9d75-5a1d1d9c0d01</uuid></domain>";

fn executor(dir: &Path) -> Executor {
    let processes = Processes::new(None);
    let agents = Arc::new(Agents::new(dir, processes.clone()));
    let systemd = Arc::new(Systemd::new(BUS, dir.join("none")));
    let ocf = Arc::new(Ocf::new(agents, systemd, "n1".into(), dir.join("migrating")));
    let host = format!("n1-{}-{}", std::process::id(), dir.display());
    let vms = FakeVms::new(&host, dir.join("vms")).expect("a directory");
    Executor::new(VmBackend::Fake(vms), Arc::new(processes), None, ocf)
}

fn job(tag: Tag, kind: ActionKind) -> Job {
    let text = format!("primitive vm1 vm:fake params xml=\"{VM}\" migration_speed=20 meta allow-migrate=true\n");
    let config = grammar::read(&text, &mut |_| Err(String::new())).expect("the text is valid");
    Job {
        tag,
        kind,
        resource: "vm1".into(),
        operation: Operation(1),
        definition: config.primitives[&ResourceId::from("vm1")].clone(),
        timeout: Duration::from_secs(20),
        stop: Duration::from_secs(10),
        target: Some(Target { node: "n2".into(), address: "127.0.0.1:1".to_owned() }),
        interval: Duration::ZERO,
        is_absent: false,
        notice: Attributes::new(),
    }
}

#[tokio::test]
async fn one_that_is_called_off_before_it_begins_does_not_begin() {
    let dir = tempfile::tempdir().expect("a directory");
    let executor = executor(dir.path());
    let Event::Prepared(_) = executor.execute(job(Tag(1), ActionKind::Start), |_| {}).await else {
        panic!("it was not created")
    };
    let Event::Executed(_, started) = executor.resume(Tag(1)).await else { panic!("it was not let go") };
    assert_eq!(started.seen, Seen::Running);
    // Both are tasks of their own, and nothing says which comes to run first.
    executor.call_off(Tag(2)).await;
    let ended = executor.execute(job(Tag(2), ActionKind::Migrate), |_| {}).await;
    let stays = matches!(&ended, Event::Executed(_, executed) if executed.seen == Seen::Running);
    let Event::Executed(_, stopped) = executor.execute(job(Tag(3), ActionKind::Stop), |_| {}).await else {
        panic!("it was not stopped")
    };
    assert_eq!(stopped.seen, Seen::Stopped, "of the test nothing is left");
    assert!(stays, "{ended:?}");
}
