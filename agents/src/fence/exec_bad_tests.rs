//! Fence agents that behave badly, as small programs: an answer comes in time, is short, and never says off by mistake.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::process::{Bound, CgroupBase, own_cgroup2};

/// An agent of the test's own below a cgroup of its own, with few processes.
struct Bench {
    dir: tempfile::TempDir,
    agent: Exec,
    base: PathBuf,
}

impl Bench {
    /// `None` only outside CI, on a machine without a writable cgroup v2.
    fn new(name: &str, script: &str) -> Option<Self> {
        let path = own_cgroup2().map(|p| p.join(format!("quorate-fence-{name}-{}", std::process::id())));
        let base = match path.map(CgroupBase::at) {
            Some(Ok(base)) => base.with(Bound::Processes(60)),
            other => {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no cgroup v2 here: {other:?}");
                return None;
            }
        };
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("fence_bad");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let (path, processes) = (base.path().to_owned(), Processes::new(Some(base)));
        let (name, params) = ("fence_bad".to_owned(), BTreeMap::from([("password".to_owned(), "x".repeat(300_000))]));
        let agent = Exec { name, program, params, processes, calls: BTreeMap::new() };
        Some(Self { dir, agent, base: path })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::write(self.base.join("cgroup.kill"), "1");
        let _ = std::fs::remove_dir(&self.base);
    }
}

/// What hangs is ended by its deadline of this many milliseconds, or far earlier.
const ROWS: [(&str, &str, u64, &str); 7] = [
    ("deaf", r#"trap "" TERM HUP INT; while :; do sleep 1; done"#, 400, "no end within"),
    ("flood", "trap '' TERM PIPE; echo 'Status: OFF'; yes 'Status: OFF'", 400, "no end within"),
    ("noise", "cat /dev/urandom >&2", 400, "no end within"),
    ("bomb", "b() { while :; do b & sleep 0.01; done; }; echo 'Status: OFF'; b", 30_000, "limit of 60 processes"),
    ("long", "head -c 500000 /dev/zero | tr '\\0' x >&2; exit 1", 20_000, "exit code 1: xxx"),
    ("binary", r"printf '\033[2J\377\000boom' >&2; exit 1", 20_000, "exit code 1: \u{fffd}[2J\u{fffd}\u{fffd}boom"),
    ("held", "setsid sleep 600 & echo held >&2; exit 1", 20_000, "exit code 1: held"),
];

#[tokio::test]
async fn whatever_a_fence_agent_does_an_error_comes_in_time_and_is_short() {
    for (name, script, millis, wanted) in ROWS {
        let Some(bench) = Bench::new(name, script) else { return };
        let (begun, mut sent) = (Instant::now(), Sent::No);
        let call = Call::new("f1", Duration::from_millis(millis));
        let read = bench.agent.read(&call).await.expect_err(name).to_string();
        let call = Call::new("f2", Duration::from_millis(millis));
        let off = bench.agent.order(Order::Off, &call, &mut sent).await.expect_err(name).to_string();
        assert_eq!(sent, Sent::Maybe, "{name}");
        for error in [read, off] {
            assert!(error.contains(wanted), "{name}: {error:?}");
            assert!(error.chars().count() < 600 && !error.contains(char::is_control), "{name}: {error:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{name} took {:?}", begun.elapsed());
        let left = std::fs::read_dir(&bench.base).expect("readable").flatten();
        assert_eq!(left.filter(|entry| entry.path().is_dir()).count(), 0, "{name} left something in {:?}", bench.dir);
    }
}

#[tokio::test]
async fn a_flood_of_answers_ends_with_the_last_and_off_needs_its_code() {
    let flood = "i=0; while [ $i -lt 20000 ]; do echo 'Status: OFF'; i=$((i + 1)); done";
    for (name, end, wanted) in [
        ("late-on", "echo 'Status: ON'; exit 0", "on"),
        ("late-on-2", "echo 'Status: ON'; exit 2", "unknown (exit code 2, but it says `ON`)"),
        ("off-0", "exit 0", "unknown (exit code 0, but it says `OFF`)"),
        ("off-2", "exit 2", "off"),
    ] {
        let Some(bench) = Bench::new(name, &format!("{flood}; {end}")) else { return };
        let (reading, _) = bench.agent.read(&Call::new("f1", Duration::from_secs(30))).await.expect("a reading");
        assert_eq!(reading.to_string(), wanted, "{name}");
    }
}
