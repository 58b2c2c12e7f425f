//! Containment of agent actions: whatever a program starts is gone when its action is over.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]

use std::path::PathBuf;
use std::time::Duration;

use quorate_agents::process::{Bound, CgroupBase, Cleared, Exit, Processes, Spec, own_cgroup2};
use tokio::time::Instant;

/// A base of the test's own, removed at the end.
struct Base(PathBuf);

impl Base {
    /// As [`Self::new`], where an action may have no more than this.
    fn limited(name: &str, bound: Bound, has_controller: bool) -> Option<(Self, Processes)> {
        let (own, _) = Self::new(name)?;
        let base = CgroupBase::at(&own.0).expect("it is there").with(bound);
        let base = if has_controller { base } else { base.without_controllers() };
        Some((own, Processes::new(Some(base))))
    }

    /// `None` only outside CI, on a machine without a writable cgroup v2.
    fn new(name: &str) -> Option<(Self, Processes)> {
        let path = own_cgroup2().map(|p| p.join(format!("quorate-test-{name}-{}", std::process::id())));
        let base = path.map(CgroupBase::at);
        match base {
            Some(Ok(base)) => Some((Self(base.path().to_owned()), Processes::new(Some(base)))),
            other => {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no cgroup v2 here: {other:?}");
                eprintln!("skipped: no writable cgroup v2 here ({other:?})");
                None
            }
        }
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        // A failed test may leave an action's cgroup; its processes are the test's own.
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = std::fs::write(entry.path().join("cgroup.kill"), "1");
            let _ = std::fs::remove_dir(entry.path());
        }
        let _ = std::fs::remove_dir(self.0.join("services"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn sh(action: &str, script: &str, millis: u64) -> Spec {
    Spec::new(action, "/bin/sh", Duration::from_millis(millis)).args(["-c", script])
}

/// Living processes with this word in their arguments.
fn processes_with(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok());
    lines.filter(|l| l.split(|b| *b == 0).any(|arg| arg == word.as_bytes())).count()
}

#[tokio::test]
async fn a_program_gets_its_input_and_only_its_environment() {
    let Some((_base, processes)) = Base::new("io") else {
        return;
    };
    let mut spec = sh("a1", "cat; env; echo oops >&2; exit 7", 5000);
    spec.env.push(("OCF_ROOT".to_owned(), "/usr/lib/ocf".to_owned()));
    spec.stdin = b"in\xff\n".to_vec();
    let out = processes.run(spec).await.expect("it runs");
    assert_eq!((out.exit, out.cleared, out.stragglers), (Exit::Code(7), Cleared::Empty, false));
    assert!(out.stdout.bytes.starts_with(b"in\xff\n"), "{:?}", out.stdout);
    assert!(out.stdout.text().contains("OCF_ROOT=/usr/lib/ocf"));
    assert!(!out.stdout.text().contains("CARGO"), "{}", out.stdout.text());
    assert_eq!(out.stderr.text(), "oops\n");
}

#[tokio::test]
async fn the_program_is_in_its_cgroup_from_its_first_instruction() {
    let Some((base, processes)) = Base::new("inside") else {
        return;
    };
    let out = processes.run(sh("a-1", "cat /proc/self/cgroup", 5000)).await.expect("it runs");
    let name = base.0.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(out.stdout.text().contains(&format!("{name}/a-1\n")), "{}", out.stdout.text());
    assert!(!base.0.join("a-1").exists(), "the cgroup is removed after the action");
}

#[tokio::test]
async fn a_fork_bomb_of_setsid_children_that_ignore_signals_is_gone_at_the_deadline() {
    let Some((base, processes)) = Base::new("bomb") else {
        return;
    };
    let word = format!("bomb-{}", std::process::id());
    // Each process forks a child every 50 ms, in a session of its own, deaf to every signal that can be
    // ignored. The generation is bounded: a test must not take its machine along.
    let bomb = r#"trap "" TERM HUP INT; while sleep 0.05; do [ "$3" -gt 1 ] || setsid sh -c "$1" x "$1" "$2" "$(($3 + 1))" & done"#;
    let mut spec = Spec::new("bomb", "/bin/sh", Duration::from_millis(600));
    spec = spec.args(["-c", bomb, "x", bomb, &word, "0"]);
    let watch = tokio::spawn({
        let word = word.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            processes_with(&word)
        }
    });
    let out = processes.run(spec).await.expect("it runs");
    assert!(watch.await.expect("a count") > 4, "the bomb did go off");
    assert_eq!((out.exit, out.cleared), (Exit::Deadline, Cleared::Empty));
    assert_eq!(processes_with(&word), 0);
    assert!(!base.0.join("bomb").exists());
}

/// Forks without end, in sessions of their own and deaf to signals; every process has `word` in its arguments.
const BOMB: &str = r#"trap "" TERM HUP INT; while :; do setsid sh -c "$1" x "$1" "$2" & sleep 0.01; done"#;

#[tokio::test]
async fn a_fork_bomb_is_ended_when_it_reaches_its_limit_whoever_counts() {
    for (name, has_controller) in [("limit-kernel", true), ("limit-counted", false)] {
        let Some((base, processes)) = Base::limited(name, Bound::Processes(40), has_controller) else { return };
        let word = format!("{name}-{}", std::process::id());
        let spec = Spec::new("bomb", "/bin/sh", Duration::from_secs(60)).args(["-c", BOMB, "x", BOMB, &word]);
        let begun = Instant::now();
        let out = processes.run(spec).await.expect("it runs");
        assert_eq!((out.exit, out.cleared), (Exit::Limited(Bound::Processes(40)), Cleared::Empty), "{name}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
        assert_eq!(processes_with(&word), 0, "{name}");
        assert!(!base.0.join("bomb").exists(), "{name}");
        // The next action has its own limit, whole.
        let out = processes.run(sh("after", "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1 & done; wait", 20_000)).await;
        assert_eq!(out.expect("it runs").exit, Exit::Code(0), "{name}");
    }
}

#[tokio::test]
async fn what_leaks_is_ended_when_it_reaches_its_limit_whoever_measures() {
    for (name, has_controller) in [("leak-kernel", true), ("leak-measured", false)] {
        let bound = Bound::Memory(64 << 20);
        let Some((base, processes)) = Base::limited(name, bound, has_controller) else { return };
        let begun = Instant::now();
        // Not the program itself, but a child whose end it would hide.
        let out = processes.run(sh("leak", "tail /dev/zero; echo fine; exit 0", 60_000)).await.expect("it runs");
        assert_eq!((out.exit, out.cleared), (Exit::Limited(bound), Cleared::Empty), "{name}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
        assert!(!base.0.join("leak").exists(), "{name}");
        let out = processes.run(sh("after", "head -c 30M /dev/zero | tail -c 20M | wc -c", 20_000)).await;
        assert_eq!(out.expect("it runs").stdout.text(), "20971520\n", "{name}");
    }
}

#[tokio::test]
async fn what_answers_at_its_limit_is_not_believed() {
    let Some((_base, processes)) = Base::limited("answers", Bound::Processes(20), true) else { return };
    // A shell that cannot fork takes what it wanted to ask for an answer: here, that nothing runs.
    let script = "i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i + 1)); done 2>/dev/null; exit 7";
    let out = processes.run(sh("a", &format!("({script}); exit 7"), 20_000)).await.expect("it runs");
    assert_eq!((out.exit, out.cleared), (Exit::Limited(Bound::Processes(20)), Cleared::Empty));
    // A start may have more: what it brings up may be a service of many threads.
    let mut spec = sh("s", "i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i + 1)); done; exit 0", 20_000);
    spec.keep = Some("s".to_owned());
    assert_eq!(processes.run(spec).await.expect("it runs").exit, Exit::Code(0));
    assert!(processes.end_service("s").await);
}

#[tokio::test]
async fn a_background_child_does_not_outlive_its_action_nor_hold_it() {
    let Some((_base, processes)) = Base::new("background") else {
        return;
    };
    let word = format!("31{}", std::process::id());
    let script = format!("setsid sleep {word} & echo done");
    let began = Instant::now();
    let out = processes.run(sh("b", &script, 20_000)).await.expect("it runs");
    assert_eq!((out.exit, out.cleared, out.stragglers), (Exit::Code(0), Cleared::Empty, true));
    assert_eq!(out.stdout.text(), "done\n");
    assert!(began.elapsed() < Duration::from_secs(5), "its open pipe held the action");
    assert_eq!(processes_with(&word), 0);
}

#[tokio::test]
async fn endless_output_is_capped_and_its_end_kept() {
    let Some((_base, processes)) = Base::new("endless") else {
        return;
    };
    let mut spec = Spec::new("y", "/usr/bin/yes", Duration::from_millis(200)).args(["tail"]);
    spec.output_cap = 1000;
    let out = processes.run(spec).await.expect("it runs");
    assert_eq!((out.exit, out.cleared), (Exit::Deadline, Cleared::Empty));
    assert_eq!(out.stdout.bytes.len(), 1000);
    assert!(out.stdout.dropped > 1_000_000, "{}", out.stdout.dropped);
}

#[tokio::test]
async fn a_restarted_daemon_kills_what_earlier_actions_left() {
    let Some((base, processes)) = Base::new("leftovers") else {
        return;
    };
    let word = format!("32{}", std::process::id());
    // As a daemon killed in the middle would leave it: a cgroup inside the action's, with a process in it.
    let inner = base.0.join("old-action/inner");
    std::fs::create_dir_all(&inner).expect("cgroups");
    let script = format!("echo 0 >{}/cgroup.procs; exec setsid sleep {word}", inner.display());
    let mut left = std::process::Command::new("/bin/sh").args(["-c", &script]).spawn().expect("sh");
    while processes_with(&word) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = processes.run(sh("old-action", "true", 1000)).await.expect_err("its remains are there");
    assert!(again.to_string().contains("old-action runs already"), "{again}");
    let leftovers = processes.kill_leftovers().await.expect("readable");
    assert_eq!((leftovers.killed, leftovers.stuck), (vec!["old-action".to_owned()], vec![]));
    left.wait().expect("reaped");
    assert_eq!(processes_with(&word), 0);
    processes.run(sh("old-action", "true", 1000)).await.expect("the way is free");
}

#[tokio::test]
async fn a_dropped_action_is_killed_too() {
    let Some((base, processes)) = Base::new("dropped") else {
        return;
    };
    let word = format!("33{}", std::process::id());
    let run = processes.run(sh("d", &format!("setsid sleep {word} & sleep {word}"), 60_000));
    assert!(tokio::time::timeout(Duration::from_millis(300), run).await.is_err());
    let began = Instant::now();
    while processes_with(&word) > 0 || base.0.join("d").exists() {
        assert!(began.elapsed() < Duration::from_secs(5), "it lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn without_a_cgroup_the_group_is_killed_and_the_outcome_says_so() {
    let processes = Processes::new(None);
    let word = format!("34{}", std::process::id());
    let out = processes.run(sh("g", &format!("trap '' TERM; sleep {word} & sleep {word}"), 200)).await;
    let out = out.expect("it runs");
    assert_eq!((out.exit, out.cleared), (Exit::Deadline, Cleared::GroupOnly));
    let began = Instant::now();
    while processes_with(&word) > 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "its group lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_cannot_run_is_an_error_before_anything_is_made() {
    let Some((base, processes)) = Base::new("refused") else {
        return;
    };
    let rows = [
        ("/nonexistent/agent", "x", "cannot run /nonexistent/agent"),
        ("/etc/passwd", "x", "not an executable file"),
        ("sh", "x", "give an absolute path"),
        ("/bin/true", "../x", "action id `../x` cannot name a cgroup"),
        ("/bin/true", "", "cannot name a cgroup"),
    ];
    for (program, action, want) in rows {
        let error = processes.run(Spec::new(action, program, Duration::from_secs(1))).await.expect_err(program);
        assert!(error.to_string().contains(want), "{error}");
    }
    let left = std::fs::read_dir(&base.0).expect("readable").flatten();
    assert_eq!(left.filter(|e| e.path().is_dir()).count(), 0);
}
