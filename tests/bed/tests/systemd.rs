//! The tests of `systemd:UNIT` once more, in a machine that the real systemd has booted: as process 1, with cgroups.

use std::time::Duration;

use quorate_bed::binaries;
use quorate_bed::testing::machine_or_skip;

const LIMIT: Duration = Duration::from_secs(60);
/// They take about a minute there.
const TESTS: Duration = Duration::from_secs(600);
/// Tells them where they are.
const REAL: &str = "QUORATE_REAL_SYSTEMD=1";
/// What cannot be done to process 1: it does not stand still.
const NOT_THERE: &str = "a_bus_or_a_manager_that_is_away_or_hangs_is_never_stopped";

#[test]
fn units_do_the_same_in_a_machine_booted_by_systemd() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let Some(machine) = machine_or_skip(dir.path()) else { return };
    let program = binaries::build_test("units").expect("its tests build");
    let said = machine.exec("cat /proc/1/comm; systemctl --version; cat /proc/uptime", LIMIT).expect("it answers");
    assert!(said.stdout.starts_with("systemd\n"), "process 1 is {said}");
    eprintln!("{}", said.stdout);
    // One after the other: they share their host.
    let line = format!("{REAL} {} --test-threads=1 --skip {NOT_THERE}", program.display());
    let said = machine.exec(&line, TESTS).expect("the tests end");
    eprintln!("{}", said.stdout);
    assert!(said.success() && said.stdout.contains("test result: ok."), "they differ");
    assert!(!said.stdout.contains(" 0 passed"), "none was run");
}
