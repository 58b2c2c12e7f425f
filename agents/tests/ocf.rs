//! OCF agents that behave badly, as small programs: whatever they do, an answer comes in time and nothing is left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quorate_agents::ocf::{Agents, Call, End, Found, Name, OcfExit, Purpose, Report, Verb, verdict};
use quorate_agents::process::{Bound, CgroupBase, Cleared, Processes, own_cgroup2};
use tempfile::TempDir;

const PROBE: Verb = Verb::Monitor { interval: Duration::ZERO };

/// Agents in a directory of the test's own, run below a cgroup of its own.
struct Bench {
    dir: TempDir,
    base: PathBuf,
    agents: Agents,
}

impl Bench {
    /// `None` only outside CI, on a machine without a writable cgroup v2.
    fn new(name: &str, script: &str) -> Option<Self> {
        let path = own_cgroup2().map(|p| p.join(format!("quorate-ocf-{name}-{}", std::process::id())));
        let base = match path.map(CgroupBase::at) {
            Some(Ok(base)) => base.with(Bound::Processes(PROCESSES_MOST)).with(Bound::Memory(MEMORY_MOST)),
            other => {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no cgroup v2 here: {other:?}");
                eprintln!("skipped: no writable cgroup v2 here ({other:?})");
                return None;
            }
        };
        let dir = TempDir::new().expect("a directory");
        let place = dir.path().join("resource.d/test");
        std::fs::create_dir_all(&place).expect("made");
        write_program(&place.join("Bad"), script);
        let path = base.path().to_owned();
        Some(Self { agents: Agents::new(dir.path(), Processes::new(Some(base))), base: path, dir })
    }

    async fn run(&self, verb: Verb, timeout: Duration) -> Report {
        self.agents.run(&self.call(verb, timeout)).await.expect("it runs")
    }

    fn call(&self, verb: Verb, timeout: Duration) -> Call {
        Call {
            action: self.agents.action_id("r1", verb.word()),
            name: Name::new("test", "Bad").expect("a name"),
            instance: "r1".to_owned(),
            verb,
            params: BTreeMap::from([("dir".to_owned(), self.dir.path().display().to_string())]),
            operation: BTreeMap::from([
                ("OCF_CHECK_LEVEL".to_owned(), "10".to_owned()),
                ("on-fail".to_owned(), "restart".to_owned()),
            ]),
            meta: BTreeMap::from([("clone-max".to_owned(), "3".to_owned())]),
            node: "n1".to_owned(),
            timeout,
        }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(file)).unwrap_or_default()
    }

    /// The processes that live on as a service.
    fn service(&self) -> usize {
        let procs = std::fs::read_to_string(self.base.join("services/r1/cgroup.procs")).unwrap_or_default();
        procs.lines().count()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::write(self.base.join("cgroup.kill"), "1");
        let end = Instant::now() + Duration::from_secs(5);
        while std::fs::read_to_string(self.base.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"))
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        for inner in ["services/r1", "services", ""] {
            let _ = std::fs::remove_dir(self.base.join(inner));
        }
    }
}

fn write_program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
}

/// So many processes an action may have here: a test must not take its machine along.
const PROCESSES_MOST: u32 = 100;
/// The same of bytes.
const MEMORY_MOST: u64 = 64 << 20;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_exit_code_comes_back_with_its_reason() {
    let script =
        r#"echo "ocf-exit-reason:code $(cat "$OCF_RESKEY_dir/code")" >&2; exit "$(cat "$OCF_RESKEY_dir/code")""#;
    let Some(bench) = Bench::new("codes", script) else { return };
    for code in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 190, 191, 42, 255] {
        std::fs::write(bench.dir.path().join("code"), code.to_string()).expect("written");
        let report = bench.run(PROBE, LONG).await;
        assert_eq!(report.end, End::Exit(OcfExit::from(code)));
        assert_eq!(report.reason.as_deref(), Some(format!("code {code}").as_str()));
        assert_eq!(report.cleared, Cleared::Empty);
    }
}

#[tokio::test]
async fn an_agent_is_told_everything_and_nothing_of_ours() {
    let Some(bench) = Bench::new("env", r#"env | sort >"$OCF_RESKEY_dir/env"; echo "$1" >>"$OCF_RESKEY_dir/env""#)
    else {
        return;
    };
    bench.run(PROBE, LONG).await;
    let env = bench.read("env");
    let root = format!("OCF_ROOT={}", bench.dir.path().display());
    for wanted in [
        root.as_str(),
        "OCF_RESOURCE_INSTANCE=r1",
        "OCF_RESOURCE_PROVIDER=test",
        "OCF_RESOURCE_TYPE=Bad",
        "OCF_RA_VERSION_MAJOR=1",
        "OCF_RA_VERSION_MINOR=1",
        "OCF_CHECK_LEVEL=10",
        "OCF_RESKEY_CRM_meta_timeout=20000",
        "OCF_RESKEY_CRM_meta_interval=0",
        "OCF_RESKEY_CRM_meta_name=monitor",
        "OCF_RESKEY_CRM_meta_on_fail=restart",
        "OCF_RESKEY_CRM_meta_on_node=n1",
        "OCF_RESKEY_CRM_meta_op_target_rc=7",
        "OCF_RESKEY_CRM_meta_clone_max=3",
        "HA_RSCTMP=/run/resource-agents",
        "monitor",
    ] {
        assert!(env.lines().any(|line| line == wanted), "{wanted} is missing in\n{env}");
    }
    assert!(!env.contains("CARGO"), "{env}");
    bench.run(Verb::Monitor { interval: Duration::from_secs(10) }, LONG).await;
    assert!(bench.read("env").contains("OCF_RESKEY_CRM_meta_interval=10000"));
    let mut call = bench.call(PROBE, LONG);
    call.params.insert("x".to_owned(), "a\0b".to_owned());
    let error = bench.agents.run(&call).await.expect_err("no environment holds it").to_string();
    assert!(error.contains("OCF_RESKEY_x cannot be handed"), "{error}");
}

#[tokio::test]
async fn what_ignores_signals_or_prints_without_end_is_killed_at_its_deadline() {
    for (name, script) in [
        ("deaf", r#"trap "" TERM HUP INT; while :; do sleep 1; done"#),
        ("flood", "trap '' TERM; yes ocf-exit-reason:flood >&2"),
        ("binary", "cat /dev/urandom"),
    ] {
        let Some(bench) = Bench::new(name, script) else { return };
        let begun = Instant::now();
        let report = bench.run(PROBE, Duration::from_millis(400)).await;
        assert_eq!((report.end, report.cleared), (End::Deadline, Cleared::Empty), "{name}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{name} took {:?}", begun.elapsed());
        assert!(report.reason.unwrap_or_default().len() < 2000, "{name}");
        assert!(matches!(
            verdict(Purpose::Probe, &bench.run(PROBE, Duration::from_millis(200)).await).found,
            Found::Unknown(_)
        ));
    }
}

#[tokio::test]
async fn what_a_start_leaves_running_lives_on_until_the_stop() {
    let script = r#"case $1 in
        start) setsid sh -c "trap '' TERM; while :; do sleep 1; done" & sleep 0.1; exit 0;;
        monitor) setsid sleep 50 & exit 0;;
        stop) exit 0;;
    esac"#;
    let Some(bench) = Bench::new("service", script) else { return };
    let begun = Instant::now();
    let started = bench.run(Verb::Start, LONG).await;
    assert_eq!((started.end, started.cleared), (End::Exit(OcfExit::Success), Cleared::Empty));
    assert!(begun.elapsed() < Duration::from_secs(5), "an open pipe held the start");
    assert!(bench.service() >= 1, "what it started is gone");
    let before = bench.service();
    // A daemon that starts anew clears what actions left, and no service.
    let base = CgroupBase::at(&bench.base).expect("it is there");
    let left = Processes::new(Some(base)).kill_leftovers().await.expect("readable");
    assert_eq!((left.killed.len(), left.stuck.len()), (0, 0), "{left:?}");
    // What a monitor leaves is killed.
    bench.run(PROBE, LONG).await;
    assert_eq!(bench.service(), before);
    let stopped = bench.run(Verb::Stop, LONG).await;
    assert_eq!((stopped.end, stopped.cleared), (End::Exit(OcfExit::Success), Cleared::Empty));
    assert_eq!(bench.service(), 0, "it survived its stop");
}

/// What sits in a frozen v1 freezer survives SIGKILL, as what waits in the kernel does. `None` on a machine without one.
fn freezer(name: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/mounts").expect("/proc/mounts");
    let mounted = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, path, "cgroup", options, ..] = fields[..] else { return None };
        options.split(',').any(|option| option == "freezer").then(|| PathBuf::from(path))
    });
    let Some(mounted) = mounted else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no v1 freezer here");
        eprintln!("skipped: no v1 freezer here");
        return None;
    };
    let group = mounted.join(format!("quorate-ocf-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&group).ok().map(|()| group)
}

#[tokio::test]
async fn nothing_is_stopped_while_what_may_bring_it_back_survives() {
    tokio::join!(survives(Verb::MigrateTo, true), survives(Verb::Notify, false));
}

/// An action that survives its SIGKILL, and whether it may bring back what was stopped.
async fn survives(verb: Verb, may: bool) {
    let script = r#"case $1 in
        migrate_to|notify)
            sleep 60 &
            echo $! >FREEZER/cgroup.procs
            echo FROZEN >FREEZER/freezer.state
            while ! grep -q FROZEN FREEZER/freezer.state; do sleep 0.02; done
            exec sleep 30;;
        monitor) exit 7;;
        stop) exit 0;;
    esac"#;
    let Some(group) = freezer(verb.word()) else { return };
    let script = script.replace("FREEZER", &group.display().to_string());
    let Some(bench) = Bench::new(&format!("survives-{}", verb.word()), &script) else { return };
    let report = bench.run(verb, Duration::from_millis(800)).await;
    let stop = bench.run(Verb::Stop, LONG).await;
    let look = bench.run(PROBE, LONG).await;
    // The next daemon of this host, which numbers its actions anew.
    let base = CgroupBase::at(&bench.base).expect("it is there");
    let next = Agents::new(bench.dir.path(), Processes::new(Some(base)));
    next.processes().kill_leftovers().await.expect("readable");
    let mut call = bench.call(PROBE, LONG);
    call.action = "ocf-r1-monitor-99".to_owned();
    let anew = next.run(&call).await.expect("it runs");
    std::fs::write(group.join("freezer.state"), "THAWED").expect("thawed");
    let after = bench.run(PROBE, LONG).await;
    // Nothing may be left of the test, whatever it finds: no directory of what was thawed, and no freezer.
    next.processes().kill_leftovers().await.expect("readable");
    for _ in 0..100 {
        if std::fs::remove_dir(&group).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((report.end, report.cleared), (End::Deadline, Cleared::Remains), "{verb:?}");
    for (purpose, report) in [(Purpose::Stop, stop), (Purpose::Probe, look), (Purpose::Probe, anew)] {
        let found = verdict(purpose, &report).found;
        assert_eq!(matches!(found, Found::Unknown(_)), may, "{verb:?}: {purpose:?} says {found:?}");
    }
    assert_eq!(verdict(Purpose::Probe, &after).found, Found::Stopped, "{verb:?}: nothing of it lives any more");
}

#[tokio::test]
async fn what_runs_since_a_promotion_or_a_reload_goes_on_and_ends_with_its_stop() {
    let Some(bench) = Bench::new("promoted", "[ $1 = monitor ] || setsid sleep 100 & sleep 0.1; exit 0") else {
        return;
    };
    for (number, verb) in [Verb::Promote, Verb::Demote, Verb::Reload, Verb::ReloadAgent].into_iter().enumerate() {
        let report = bench.run(verb, LONG).await;
        assert_eq!((report.end, report.cleared), (End::Exit(OcfExit::Success), Cleared::Empty), "{verb:?}");
        assert_eq!(bench.service(), number + 1, "{verb:?}");
    }
    assert_eq!(bench.run(Verb::Stop, LONG).await.cleared, Cleared::Empty);
    assert_eq!(bench.service(), 0);
}

#[tokio::test]
async fn what_a_failed_start_leaves_running_is_killed() {
    let Some(bench) = Bench::new("failed", "setsid sleep 100 & sleep 0.1; exit 1") else { return };
    let report = bench.run(Verb::Start, LONG).await;
    assert_eq!((report.end, report.cleared), (End::Exit(OcfExit::Generic), Cleared::Empty));
    assert_eq!(bench.service(), 0);
}

#[tokio::test]
async fn a_start_that_forks_without_end_is_bounded() {
    // Each generation forks the next and ends: there is always one that was just born.
    let script = r#"case $1 in
        start) setsid sh -c 'f() { n=$1; [ "$n" -gt 2000 ] && exit; ( f $((n + 1)) ) & }; f 0' & exit 0;;
        *) exit 0;;
    esac"#;
    let Some(bench) = Bench::new("forks", script) else { return };
    let begun = Instant::now();
    let report = bench.run(Verb::Start, LONG).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{report}");
    let stopped = bench.run(Verb::Stop, LONG).await;
    assert_eq!(stopped.cleared, Cleared::Empty, "{stopped}");
    assert_eq!(bench.service(), 0);
}

#[tokio::test]
async fn a_fork_bomb_is_ended_and_named_whatever_it_was_asked() {
    let bomb = r#"trap "" TERM; b() { while :; do b & sleep 0.01; done; }; b"#;
    let Some(bench) = Bench::new("bomb", bomb) else { return };
    for (verb, purpose, wanted) in [
        (PROBE, Purpose::Probe, "unknown"),
        (Verb::Monitor { interval: LONG }, Purpose::Watch, "failed"),
        (Verb::Start, Purpose::Start, "failed"),
        (Verb::Stop, Purpose::Stop, "unknown"),
    ] {
        let begun = Instant::now();
        let report = bench.run(verb, 3 * LONG).await;
        assert_eq!(report.cleared, Cleared::Empty, "{verb:?}");
        let most = if verb == Verb::Start { 4 * PROCESSES_MOST } else { PROCESSES_MOST };
        assert_eq!(report.to_string(), format!("it ran into its limit of {most} processes, killed"));
        assert!(begun.elapsed() < LONG, "{verb:?} took {:?}", begun.elapsed());
        let found = match verdict(purpose, &report).found {
            Found::Unknown(_) => "unknown",
            Found::Failed(_) => "failed",
            Found::Running | Found::Promoted | Found::Stopped => "believed",
        };
        assert_eq!(found, wanted, "{verb:?}");
        assert_eq!(bench.service(), 0, "{verb:?}");
    }
}

#[tokio::test]
async fn an_agent_that_leaks_is_ended_and_named_whatever_it_was_asked() {
    // `tail` keeps the one line that never ends.
    let leak = r#"trap "" TERM; tail /dev/zero; exit 7"#;
    let Some(bench) = Bench::new("leak", leak) else { return };
    for (verb, purpose) in [(PROBE, Purpose::Probe), (Verb::Start, Purpose::Start), (Verb::Stop, Purpose::Stop)] {
        let begun = Instant::now();
        let report = bench.run(verb, 3 * LONG).await;
        let most = if verb == Verb::Start { 4 * 64 } else { 64 };
        assert_eq!(report.to_string(), format!("it ran into its limit of {most} MiB of memory, killed"), "{verb:?}");
        assert_eq!(report.cleared, Cleared::Empty, "{verb:?}");
        assert!(begun.elapsed() < LONG, "{verb:?} took {:?}", begun.elapsed());
        assert!(!matches!(verdict(purpose, &report).found, Found::Running | Found::Stopped), "{verb:?} was believed");
    }
}

#[tokio::test]
async fn what_a_start_brought_up_may_have_more_than_its_start() {
    // It grows once the start is over; `tail` says its first byte when it holds them all.
    let script = r#"case $1 in start)
        cd "$OCF_RESKEY_dir" || exit 1
        setsid sh -c 'sleep 1; head -c 300M /dev/zero | tail -c 290M | { head -c 1 >grown; exec sleep 30; }' >/dev/null 2>&1 & ;;
    esac"#;
    let Some(bench) = Bench::new("grows", script) else { return };
    let started = bench.run(Verb::Start, LONG).await;
    assert_eq!(started.end, End::Exit(OcfExit::Success), "{started}");
    let begun = Instant::now();
    while bench.read("grown").is_empty() && begun.elapsed() < LONG {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.read("grown").len(), 1, "it never held so much");
    assert_eq!(bench.service(), 3, "it was held to the limit of its start");
    assert_eq!(bench.run(Verb::Stop, LONG).await.cleared, Cleared::Empty);
}

#[tokio::test]
async fn binary_reasons_are_made_printable_and_cut() {
    let script = r#"printf 'ocf-exit-reason:\000\033[2J\377\342\200\256x' >&2; yes wide | head -c 5000 | tr -d '\n' >&2; exit 1"#;
    let Some(bench) = Bench::new("reason", script) else { return };
    let text = bench.run(PROBE, LONG).await.to_string();
    assert!(text.starts_with("error (1): \u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}xwide"), "{text:?}");
    assert!(text.ends_with('…') && text.chars().count() < 500, "{text:?}");
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_not_installed() {
    let Some(bench) = Bench::new("missing", "exit 0") else { return };
    let mut call = bench.call(PROBE, LONG);
    call.name = Name::new("test", "Nothing").expect("a name");
    let report = bench.agents.run(&call).await.expect("an answer");
    assert_eq!(report.end, End::Exit(OcfExit::NotInstalled));
    assert!(report.reason.is_some_and(|reason| reason.contains("ocf:test:Nothing")));
    assert_eq!(bench.agents.providers(), ["test"]);
    assert_eq!(bench.agents.kinds("test"), ["Bad"]);
    assert!(bench.agents.kinds("../test").is_empty());
}

#[tokio::test]
async fn bad_meta_data_is_an_error_in_words() {
    for (name, script, wanted) in [
        ("none", "exit 3", "ended with action not known to the agent (3)"),
        ("noise", "echo usage", "cannot be read"),
        ("endless", "yes '<resource-agent>' | head -c 3000000", "more than 1048576 bytes"),
        // Sooner than who asked gives up.
        ("hung", "trap '' TERM; while :; do sleep 1; done", "no answer within 8 s"),
    ] {
        let Some(bench) = Bench::new(name, script) else { return };
        let error = bench.agents.metadata(&Name::new("test", "Bad").expect("a name")).await;
        let error = error.expect_err("no meta-data").to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
