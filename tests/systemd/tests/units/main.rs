//! `systemd:UNIT` against a manager on a bus of its own, and against the real one in a machine: real processes, jobs and
//! signals, and all that goes wrong.

mod host;

use std::path::Path;
use std::time::{Duration, Instant};

use host::{Host, emulated, error, is, is_real, limit, lives, signal, systemctl, until};
use quorate_agents::ocf::{Found, Purpose, Reach, Verdict};
use quorate_agents::systemd::Systemd;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const WEB: (&str, &str) = (
    "web.service",
    "[Unit]\nDescription=The web\n[Service]\nExecStart=/bin/sh -c 'echo $$$$ >DIR/pid; exec sleep 600'\nRestart=always\n[Install]\nWantedBy=multi-user.target\n",
);

#[tokio::test]
async fn a_unit_is_started_watched_and_stopped() {
    let host = Host::up(&[WEB]).await;
    is(&host.run("web.service", Purpose::Probe).await, &Found::Stopped);
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    let pid = host.pid("pid").expect("it runs");
    let drop_in = host.drop_in("web.service");
    assert!(lives(pid) && std::fs::read_to_string(&drop_in).is_ok_and(|text| text.contains("Restart=no")));
    is(&host.run("web.service", Purpose::Watch).await, &Found::Running);
    // A start of what runs is one, and a stop of what is stopped.
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    assert_eq!(host.pid("pid"), Some(pid));
    is(&host.run("web.service", Purpose::Stop).await, &Found::Stopped);
    assert!(!lives(pid) && !drop_in.exists());
    is(&host.run("web.service", Purpose::Stop).await, &Found::Stopped);
}

#[tokio::test]
async fn what_fails_behind_our_back_is_told_at_once_and_left_to_the_cluster() {
    let host = Host::up(&[WEB]).await;
    let (sender, mut changed) = mpsc::channel(16);
    tokio::spawn(host.systemd.clone().follow(sender));
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    // Whatever was told of the start.
    while timeout(host::silence(), changed.recv()).await.is_ok() {}
    signal(host.pid("pid").expect("it runs"), "KILL");
    let begun = Instant::now();
    let told = timeout(limit(), changed.recv()).await.expect("it is told").expect("somebody tells");
    assert!(
        told == "web.service" && begun.elapsed() < emulated(Duration::from_millis(500)),
        "{told} after {:?}",
        begun.elapsed()
    );
    let watched = host.run("web.service", Purpose::Watch).await;
    assert_eq!(watched.found, Found::Stopped, "its own Restart=always is overridden");
    assert!(error(&watched).0.contains("the unit is failed (failed), result signal"), "{watched:?}");
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
}

#[tokio::test]
async fn what_cannot_start_says_why_and_how_far_that_reaches() {
    let units = [
        ("bad.service", "[Service]\nExecStart=/bin/sh -c 'exit 3'\nType=oneshot\n"),
        ("once.service", "[Service]\nExecStart=/bin/true\nType=oneshot\n"),
        ("kept.service", "[Service]\nExecStart=/bin/true\nType=oneshot\nRemainAfterExit=yes\n"),
        ("if.service", "[Unit]\nConditionPathExists=/nowhere\n[Service]\nExecStart=/bin/sleep 9\n"),
        ("slow.service", "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep 9\n"),
        ("late.service", "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep 9\nTimeoutStartSec=300ms\n"),
    ];
    let mut host = Host::up(&units).await;
    host.mask("masked.service");
    for (unit, reach, words) in [
        ("bad.service", Reach::Soft, "its start job ended as 'failed'"),
        ("once.service", Reach::Soft, "its start job ended as 'done': the unit is inactive"),
        ("if.service", Reach::Soft, "since a condition of it does not hold"),
        ("late.service", Reach::Soft, "result timeout"),
        ("none.service", Reach::Node, "there is no unit none.service on this node"),
        ("masked.service", Reach::Node, "systemctl unmask"),
    ] {
        let told = host.run(unit, Purpose::Start).await;
        assert_ne!(told.found, Found::Running, "{unit}");
        let (text, how_far) = error(&told);
        assert!(text.contains(words) && how_far == reach, "{unit}: {text} {how_far:?}");
        is(&host.run(unit, Purpose::Probe).await, &Found::Stopped);
    }
    is(&host.run("kept.service", Purpose::Start).await, &Found::Running);
    let short = emulated(Duration::from_millis(700));
    let slow = host.systemd.run("slow.service", Purpose::Start, short).await;
    let words = format!("it did not start within {:.1} s: the unit is activating", short.as_secs_f64());
    assert!(error(&slow).0.starts_with(&words), "{slow:?}");
    assert!(matches!(slow.found, Found::Failed(_)));
    // It is still coming up: nobody may call that stopped.
    let probe = host.systemd.run("slow.service", Purpose::Probe, emulated(Duration::from_secs(3))).await;
    assert!(matches!(probe.found, Found::Failed(_)), "{probe:?}");
    is(&host.run("slow.service", Purpose::Stop).await, &Found::Stopped);
}

#[tokio::test]
async fn what_does_not_stop_is_never_called_stopped_and_what_is_left_is_killed() {
    let units = [
        (
            "deaf.service",
            "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; echo $$$$ >DIR/pid; while :; do sleep 1; done'\nSendSIGKILL=no\nTimeoutStopSec=300ms\n",
        ),
        (
            "slow.service",
            "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; echo $$$$ >DIR/pid; while :; do sleep 1; done'\n",
        ),
        (
            "left.service",
            "[Service]\nKillMode=process\nExecStart=/bin/sh -c 'sleep 600 & echo $! >DIR/child; echo $$$$ >DIR/pid; exec sleep 600'\n",
        ),
    ];
    let host = Host::up(&units).await;
    is(&host.run("left.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    is(&host.run("left.service", Purpose::Stop).await, &Found::Stopped);
    assert!(!lives(host.pid("child").expect("it had one")));

    let forget = || std::fs::remove_file(host.path("pid")).expect("it is there");
    forget();
    is(&host.run("slow.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    let began = Instant::now();
    let short = emulated(Duration::from_secs(1));
    let told = host.systemd.run("slow.service", Purpose::Stop, short).await;
    assert!(matches!(told.found, Found::Failed(_)) && began.elapsed() < short * 4, "{told:?}");
    let words = format!("it did not stop within {:.1} s: the unit is deactivating", short.as_secs_f64());
    assert!(error(&told).0.starts_with(&words), "{told:?}");
    signal(host.pid("pid").expect("it runs"), "KILL");
    is(&host.run("slow.service", Purpose::Stop).await, &Found::Stopped);

    forget();
    // systemd gives up and calls it failed: its processes tell that it is there.
    is(&host.run("deaf.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    is(&host.run("deaf.service", Purpose::Stop).await, &Found::Stopped);
    assert!(!lives(host.pid("pid").expect("it ran")));
}

#[tokio::test]
async fn a_bus_or_a_manager_that_is_away_or_hangs_is_never_stopped() {
    let mut host = Host::up(&[WEB]).await;
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    let short = Duration::from_millis(800);
    let blind = |verdict: &Verdict, words: &str| match &verdict.found {
        Found::Unknown(why) => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}"),
    };
    let manager = i32::try_from(host.manager.as_ref().expect("it runs").id()).expect("a process id");
    signal(manager, "STOP");
    for purpose in [Purpose::Watch, Purpose::Probe, Purpose::Stop, Purpose::Start] {
        let begun = Instant::now();
        let told = host.systemd.run("web.service", purpose, short).await;
        blind(&told, "systemd did not answer");
        assert!(begun.elapsed() < short * 4, "{purpose:?} took {:?}", begun.elapsed());
        assert_eq!(told.error.is_some(), matches!(purpose, Purpose::Stop | Purpose::Start), "{purpose:?}");
    }
    signal(manager, "CONT");
    is(&host.run("web.service", Purpose::Watch).await, &Found::Running);

    let mut bus = host.bus.take().expect("it runs");
    bus.kill().and_then(|()| bus.wait()).expect("it ends");
    blind(&host.systemd.run("web.service", Purpose::Watch, short).await, "systemd cannot be asked");
    host.start_bus().await;
    is(&host.run("web.service", Purpose::Watch).await, &Found::Running);

    // The bus goes and comes back under a stop.
    let systemd = host.systemd.clone();
    let (stop, ()) = tokio::join!(systemd.run("web.service", Purpose::Stop, limit()), async {
        sleep(Duration::from_millis(5)).await;
        let mut bus = host.bus.take().expect("it runs");
        bus.kill().and_then(|()| bus.wait()).expect("it ends");
        sleep(Duration::from_millis(300)).await;
        host.start_bus().await;
    });
    is(&stop, &Found::Stopped);
}

#[tokio::test]
async fn a_bus_that_dies_under_a_unit_is_never_stopped() {
    let mut host = Host::up(&[WEB]).await;
    let (sender, mut changed) = mpsc::channel(16);
    tokio::spawn(host.systemd.clone().follow(sender));
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    match host.bus.take() {
        Some(mut bus) => {
            bus.kill().and_then(|()| bus.wait()).expect("it ends");
            host.start_bus().await;
        }
        None => systemctl(&["restart", "dbus.service"]),
    }
    // Asked in the middle of it, and ever again until somebody is there.
    is(&host.run("web.service", Purpose::Watch).await, &Found::Running);
    // Signals flow again as well.
    while timeout(host::silence(), changed.recv()).await.is_ok() {}
    signal(host.pid("pid").expect("it runs"), "KILL");
    let told = timeout(limit(), changed.recv()).await.expect("it is told").expect("somebody tells");
    assert_eq!(told, "web.service");
    assert_eq!(host.run("web.service", Purpose::Watch).await.found, Found::Stopped);
}

#[tokio::test]
async fn a_unit_that_tells_when_it_is_up_is_waited_for() {
    let notify = |seconds: u32| {
        format!(
            "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'sleep {seconds}; echo up >DIR/told; \
             systemd-notify --ready; exec sleep 600'\n"
        )
    };
    let (soon, never) = (notify(1), notify(500));
    let host = Host::up(&[("soon.service", &soon), ("never.service", &never)]).await;
    is(&host.run("soon.service", Purpose::Start).await, &Found::Running);
    assert!(host.path("told").exists(), "it was called running before it said so");
    is(&host.run("soon.service", Purpose::Stop).await, &Found::Stopped);
    let short = emulated(Duration::from_millis(700));
    let late = host.systemd.run("never.service", Purpose::Start, short).await;
    assert!(error(&late).0.contains("the unit is activating") && matches!(late.found, Found::Failed(_)), "{late:?}");
    is(&host.run("never.service", Purpose::Stop).await, &Found::Stopped);
}

#[tokio::test]
async fn what_systemd_knows_of_units_is_told() {
    let host = Host::up(&[WEB, ("a@.service", "[Service]\nExecStart=/bin/sleep 9\n")]).await;
    let list = host.systemd.list().await.expect("they are known");
    assert!(list.contains(&"web".to_owned()) && !list.contains(&"a@".to_owned()), "{list:?}");
    assert!(is_real() || list.len() == 1, "{list:?}");
    let web = host.systemd.facts("web.service").await.expect("it is known");
    assert_eq!((web.exists, web.description.as_str(), web.starts_at_boot()), (true, "The web", false));
    assert_eq!(web.timeout_stop, Some(90_000_000));
    let wants = host.etc.join("multi-user.target.wants");
    std::fs::create_dir_all(&wants).expect("it can be made");
    std::os::unix::fs::symlink(host.etc.join("web.service"), wants.join("web.service")).expect("it can be made");
    assert!(host.systemd.facts("web.service").await.expect("it is known").starts_at_boot());
    assert!(host.systemd.facts("a@x\\x2dy.service").await.expect("it is known").exists);
    assert!(!host.systemd.facts("none.service").await.expect("it is known").exists);
    let elsewhere = Systemd::new("unix:path=/nowhere", Path::new("/nowhere"));
    assert!(elsewhere.facts("web.service").await.is_err_and(|why| why.contains("does not run this host")));
    is(&elsewhere.run("web.service", Purpose::Probe, limit()).await, &Found::Stopped);
}

#[tokio::test]
async fn a_host_that_has_to_die_takes_its_units_along() {
    let host = Host::up(&[WEB]).await;
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    // By a daemon that has just started and has spoken of none.
    host.fresh().kill_all().await;
    let pid = host.pid("pid").expect("it ran");
    until(|| !lives(pid)).await;
}
