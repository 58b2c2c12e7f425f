//! Migrations by agents that are small programs: what they are told, and what is believed of one that is cut off.

use super::super::Ocf;
use crate::engine::{Event, Job, Known, Tag, Target};
use quorate_agents::ocf::Agents;
use quorate_agents::process::Processes;
use quorate_agents::systemd::Systemd;
use quorate_core::config::Attributes;
use quorate_core::grammar;
use quorate_core::id::{NodeId, Operation, ResourceId};
use quorate_core::state::{ActionKind, Seen};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An agent whose resource is a file, and which sends it and stops it in these ways.
fn agents(dir: &Path, sends: &str, stops: &str) -> Ocf {
    use std::os::unix::fs::PermissionsExt;
    let place = dir.join("resource.d/test");
    std::fs::create_dir_all(&place).expect("made");
    let (here, ran) = (dir.join("here"), dir.join("ran"));
    let script = format!(
        "#!/bin/sh\nhere={}\necho \"$1 $OCF_RESKEY_CRM_meta_migrate_source $OCF_RESKEY_CRM_meta_migrate_target\" >>{}\n\
         case $1 in\nstart|migrate_from) touch $here;;\nstop) {stops};;\nmigrate_to) {sends};;\n\
         monitor) [ -e $here ] || exit 7;;\nesac\n",
        here.display(),
        ran.display()
    );
    std::fs::write(place.join("Guest"), script).expect("written");
    std::fs::set_permissions(place.join("Guest"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    std::fs::write(&here, "").expect("it runs");
    ocf(dir)
}

fn ocf(dir: &Path) -> Ocf {
    let systemd = Arc::new(Systemd::new(quorate_agents::systemd::BUS, dir.join("none")));
    Ocf::new(Arc::new(Agents::new(dir, Processes::new(None))), systemd, NodeId::from("n1"), dir.join("migrating"))
}

fn ran(dir: &Path) -> Vec<String> {
    let ran = std::fs::read_to_string(dir.join("ran")).unwrap_or_default();
    let _ = std::fs::remove_file(dir.join("ran"));
    ran.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn job(kind: ActionKind) -> Job {
    let config =
        grammar::read("primitive web ocf:test:Guest\n", &mut |_| Err(String::new())).expect("the text is valid");
    Job {
        tag: Tag(7),
        kind,
        resource: "web".into(),
        operation: Operation(1),
        definition: config.primitives[&ResourceId::from("web")].clone(),
        timeout: Duration::from_secs(if kind == ActionKind::Migrate { 1 } else { 10 }),
        stop: Duration::from_secs(10),
        target: Some(Target { node: "n2".into(), address: "127.0.0.1:1".to_owned() }),
        interval: Duration::ZERO,
        is_absent: false,
        notice: Attributes::new(),
    }
}

fn known(job: &Job) -> Known {
    Known { definition: job.definition.clone(), look: job.timeout, stop: job.stop }
}

fn told(event: Event) -> (Seen, String) {
    let Event::Executed(Tag(7), executed) = event else { panic!("{event:?}") };
    (executed.seen, executed.error.map(|error| error.text).unwrap_or_default())
}

#[tokio::test]
async fn what_was_sent_is_gone_when_nothing_of_it_is_here() {
    let dir = tempfile::tempdir().expect("a directory");
    let ocf = agents(dir.path(), "rm $here", "rm -f $here");
    let Event::Gone(Tag(7), _) = ocf.operate(&job(ActionKind::Migrate)).await else { panic!("it was not sent") };
    assert_eq!(ran(dir.path()), ["migrate_to n1 n2", "stop", "monitor"]);
    let (seen, error) = told(ocf.operate(&job(ActionKind::Handover)).await);
    assert_eq!((seen, error.as_str()), (Seen::Running, ""));
    assert_eq!(ran(dir.path()), ["migrate_from n2 n1"]);
    let (seen, _) = told(ocf.operate(&job(ActionKind::Probe)).await);
    assert_eq!(seen, Seen::Running, "nothing is stopped before it is looked at");
}

#[tokio::test]
async fn what_its_agent_could_not_send_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let ocf = agents(dir.path(), "echo ocf-exit-reason:no link >&2; exit 1", "rm -f $here");
    let (seen, error) = told(ocf.operate(&job(ActionKind::Migrate)).await);
    assert_eq!((seen, error.as_str()), (Seen::Running, "error (1): no link"));
    assert_eq!(ran(dir.path()), ["migrate_to n1 n2", "monitor"]);
    assert_eq!(told(ocf.operate(&job(ActionKind::Probe)).await).0, Seen::Running);
}

#[tokio::test]
async fn one_that_was_cut_off_is_stopped_before_anything_is_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let ocf = agents(dir.path(), "exec sleep 30", "rm -f $here");
    let (seen, error) = told(ocf.operate(&job(ActionKind::Migrate)).await);
    assert_eq!(seen, Seen::Stopped);
    assert!(error.contains("may be on its way and was stopped here"), "{error}");
    assert_eq!(ran(dir.path()), ["migrate_to n1 n2", "stop", "monitor"]);
}

#[tokio::test]
async fn one_that_says_it_stopped_and_runs_is_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let ocf = agents(dir.path(), "exec sleep 30", "true");
    let (seen, _) = told(ocf.operate(&job(ActionKind::Migrate)).await);
    assert!(matches!(&seen, Seen::Failed(why) if why.contains("its monitor does not")), "{seen:?}");
    let (seen, _) = told(ocf.operate(&job(ActionKind::Probe)).await);
    assert!(matches!(seen, Seen::Unknown(_)), "the mark stays: {seen:?}");
}

#[tokio::test]
async fn what_is_ended_here_has_the_time_of_a_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let ocf = agents(dir.path(), "exec sleep 30", "exec sleep 5");
    let begun = Instant::now();
    let (seen, _) = told(ocf.operate(&Job { stop: Duration::from_millis(300), ..job(ActionKind::Migrate) }).await);
    assert!(matches!(&seen, Seen::Failed(why) if why.contains("within 0.3 s")), "{seen:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_daemon_that_died_while_it_sent_is_followed_by_a_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let cut = agents(dir.path(), "exec sleep 30", "[ ! -e $0.stuck ] && rm -f $here");
    let sending =
        tokio::time::timeout(Duration::from_millis(300), async { cut.operate(&job(ActionKind::Migrate)).await });
    assert!(sending.await.is_err(), "it ended by itself");
    drop(cut);
    let stuck = dir.path().join("resource.d/test/Guest.stuck");
    std::fs::write(&stuck, "").expect("written");
    let (next, job) = (ocf(dir.path()), job(ActionKind::Probe));
    ran(dir.path());
    let found = next.found(&job.resource, known(&job)).await;
    assert!(matches!(&found, Seen::Unknown(why) if why.contains("cut off")), "it may still leave: {found:?}");
    assert!(matches!(next.watch(&job).await.seen, Seen::Unknown(_)));
    std::fs::remove_file(&stuck).expect("there");
    assert_eq!(next.found(&job.resource, known(&job)).await, Seen::Stopped);
    assert_eq!(ran(dir.path()), ["stop", "stop", "stop", "monitor"]);
    assert_eq!(next.found(&job.resource, known(&job)).await, Seen::Stopped);
    assert_eq!(ran(dir.path()), ["monitor"], "the mark is gone");
}
