//! `systemd:UNIT` against a manager on a bus of its own: real processes, jobs and signals, and all that goes wrong.

use quorate_agents::ocf::{Found, Purpose, Reach, Verdict};
use quorate_agents::systemd::Systemd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const LIMIT: Duration = Duration::from_secs(10);

/// A bus with a manager; all of it ends with this.
struct Host {
    dir: TempDir,
    bus: Option<Child>,
    manager: Option<Child>,
    systemd: Arc<Systemd>,
}

impl Host {
    async fn up(units: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a directory");
        for sub in ["etc", "run"] {
            std::fs::create_dir(dir.path().join(sub)).expect("it can be made");
        }
        for (name, text) in units {
            let at = dir.path().display().to_string();
            std::fs::write(dir.path().join("etc").join(name), text.replace("DIR", &at)).expect("it can be written");
        }
        let address = format!("unix:path={}", dir.path().join("bus").display());
        let config = format!(
            "<busconfig><type>custom</type><listen>{address}</listen><policy context=\"default\"><allow own=\"*\"/>\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow user=\"*\"/></policy></busconfig>"
        );
        std::fs::write(dir.path().join("bus.conf"), config).expect("it can be written");
        let systemd = Arc::new(Systemd::new(address, dir.path().join("run")));
        let mut host = Self { dir, bus: None, manager: None, systemd };
        host.start_bus().await;
        host.start_manager();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn start_bus(&mut self) {
        let socket = self.path("bus");
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", self.path("bus.conf").display())).args(["--nofork", "--nopidfile"]);
        self.bus = Some(command.stderr(Stdio::null()).spawn().expect("dbus-daemon is installed: cargo xtask setup"));
        until(|| socket.exists()).await;
    }

    fn start_manager(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in-systemd"));
        command.arg(format!("unix:path={}", self.path("bus").display())).args([self.path("run"), self.path("etc")]);
        self.manager = Some(command.stderr(Stdio::null()).spawn().expect("it was built"));
    }

    async fn run(&self, unit: &str, purpose: Purpose) -> Verdict {
        self.systemd.run(unit, purpose, LIMIT).await
    }

    fn pid(&self, name: &str) -> Option<i32> {
        std::fs::read_to_string(self.path(name)).ok()?.trim().parse().ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for pid in ["pid", "child"].into_iter().filter_map(|name| self.pid(name)) {
            signal(pid, "KILL");
        }
        for child in [&mut self.manager, &mut self.bus].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(pid: i32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

async fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "it never came about");
        sleep(Duration::from_millis(20)).await;
    }
}

fn is(verdict: &Verdict, found: &Found) {
    assert_eq!((&verdict.found, &verdict.error), (found, &None));
}

fn error(verdict: &Verdict) -> (&str, Reach) {
    let (text, reach) = verdict.error.as_ref().unwrap_or_else(|| panic!("no error: {verdict:?}"));
    (text, *reach)
}

const WEB: (&str, &str) = (
    "web.service",
    "[Unit]\nDescription=The web\n[Service]\nExecStart=/bin/sh -c 'echo $$ >DIR/pid; exec sleep 600'\nRestart=always\n[Install]\nWantedBy=multi-user.target\n",
);

#[tokio::test]
async fn a_unit_is_started_watched_and_stopped() {
    let host = Host::up(&[WEB]).await;
    is(&host.run("web.service", Purpose::Probe).await, &Found::Stopped);
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    let pid = host.pid("pid").expect("it runs");
    let drop_in = host.path("run/web.service.d/50-quorate.conf");
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
    while timeout(Duration::from_secs(2), changed.recv()).await.is_ok() {}
    signal(host.pid("pid").expect("it runs"), "KILL");
    let begun = Instant::now();
    let told = timeout(LIMIT, changed.recv()).await.expect("it is told").expect("somebody tells");
    assert!(
        told == "web.service" && begun.elapsed() < Duration::from_millis(500),
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
    let host = Host::up(&units).await;
    std::os::unix::fs::symlink("/dev/null", host.path("etc/masked.service")).expect("it can be made");
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
    let slow = host.systemd.run("slow.service", Purpose::Start, Duration::from_millis(700)).await;
    assert!(error(&slow).0.starts_with("it did not start within 0.7 s: the unit is activating"), "{slow:?}");
    assert!(matches!(slow.found, Found::Failed(_)));
    // It is still coming up: nobody may call that stopped.
    let probe = host.systemd.run("slow.service", Purpose::Probe, Duration::from_millis(500)).await;
    assert!(matches!(probe.found, Found::Failed(_)), "{probe:?}");
    is(&host.run("slow.service", Purpose::Stop).await, &Found::Stopped);
}

#[tokio::test]
async fn what_does_not_stop_is_never_called_stopped_and_what_is_left_is_killed() {
    let units = [
        (
            "deaf.service",
            "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; echo $$ >DIR/pid; while :; do sleep 1; done'\nSendSIGKILL=no\nTimeoutStopSec=300ms\n",
        ),
        (
            "slow.service",
            "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; echo $$ >DIR/pid; while :; do sleep 1; done'\n",
        ),
        (
            "left.service",
            "[Service]\nKillMode=process\nExecStart=/bin/sh -c 'sleep 600 & echo $! >DIR/child; echo $$ >DIR/pid; exec sleep 600'\n",
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
    let told = host.systemd.run("slow.service", Purpose::Stop, Duration::from_secs(1)).await;
    assert!(matches!(told.found, Found::Failed(_)) && began.elapsed() < Duration::from_secs(4), "{told:?}");
    assert!(error(&told).0.starts_with("it did not stop within 1.0 s: the unit is deactivating"), "{told:?}");
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
    let limit = Duration::from_millis(800);
    let blind = |verdict: &Verdict, words: &str| match &verdict.found {
        Found::Unknown(why) => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}"),
    };
    let manager = i32::try_from(host.manager.as_ref().expect("it runs").id()).expect("a process id");
    signal(manager, "STOP");
    for purpose in [Purpose::Watch, Purpose::Probe, Purpose::Stop, Purpose::Start] {
        let begun = Instant::now();
        let told = host.systemd.run("web.service", purpose, limit).await;
        blind(&told, "systemd did not answer");
        assert!(begun.elapsed() < limit * 4, "{purpose:?} took {:?}", begun.elapsed());
        assert_eq!(told.error.is_some(), matches!(purpose, Purpose::Stop | Purpose::Start), "{purpose:?}");
    }
    signal(manager, "CONT");
    is(&host.run("web.service", Purpose::Watch).await, &Found::Running);

    let mut bus = host.bus.take().expect("it runs");
    bus.kill().and_then(|()| bus.wait()).expect("it ends");
    blind(&host.systemd.run("web.service", Purpose::Watch, limit).await, "systemd cannot be asked");
    host.start_bus().await;
    is(&host.run("web.service", Purpose::Watch).await, &Found::Running);

    // The bus goes and comes back under a stop.
    let systemd = host.systemd.clone();
    let (stop, ()) = tokio::join!(systemd.run("web.service", Purpose::Stop, LIMIT), async {
        sleep(Duration::from_millis(5)).await;
        let mut bus = host.bus.take().expect("it runs");
        bus.kill().and_then(|()| bus.wait()).expect("it ends");
        sleep(Duration::from_millis(300)).await;
        host.start_bus().await;
    });
    is(&stop, &Found::Stopped);
}

#[tokio::test]
async fn what_systemd_knows_of_units_is_told() {
    let host = Host::up(&[WEB, ("a@.service", "[Service]\nExecStart=/bin/sleep 9\n")]).await;
    assert_eq!(host.systemd.list().await, Ok(vec!["web".to_owned()]));
    let web = host.systemd.facts("web.service").await.expect("it is known");
    assert_eq!((web.exists, web.description.as_str(), web.starts_at_boot()), (true, "The web", false));
    assert_eq!(web.timeout_stop, Some(90_000_000));
    std::fs::create_dir(host.path("etc/multi-user.target.wants")).expect("it can be made");
    std::fs::write(host.path("etc/multi-user.target.wants/web.service"), "").expect("it can be written");
    assert!(host.systemd.facts("web.service").await.expect("it is known").starts_at_boot());
    assert!(host.systemd.facts("a@x\\x2dy.service").await.expect("it is known").exists);
    assert!(!host.systemd.facts("none.service").await.expect("it is known").exists);
    let elsewhere = Systemd::new("unix:path=/nowhere", Path::new("/nowhere"));
    assert!(elsewhere.facts("web.service").await.is_err_and(|why| why.contains("does not run this host")));
    is(&elsewhere.run("web.service", Purpose::Probe, LIMIT).await, &Found::Stopped);
}

#[tokio::test]
async fn a_host_that_has_to_die_takes_its_units_along() {
    let host = Host::up(&[WEB]).await;
    is(&host.run("web.service", Purpose::Start).await, &Found::Running);
    until(|| host.pid("pid").is_some()).await;
    // By a daemon that has just started and has spoken of none.
    let fresh = Systemd::new(format!("unix:path={}", host.path("bus").display()), host.path("run"));
    fresh.kill_all().await;
    let pid = host.pid("pid").expect("it ran");
    until(|| !lives(pid)).await;
}
