//! The steps of `cargo xtask test` in their order: what each runs, how long it may take, what it must end in.
//!
//! For another choice of packages cargo builds what they depend on with other features, and anew: where a step needs a program
//! or a test of what an earlier one built, it chooses the same packages and then the target by its name. The simulation, which
//! plants mistakes in what it depends on, is chosen alone.

use std::time::Duration;

use crate::pacemaker_cases::NOTHING;
use crate::programs::{MODEL_TESTS, SIM_CHECKED};

/// One line of the final table.
pub(super) struct Step {
    /// What chooses it on the command line.
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Longer is a failure.
    pub(super) limit: Duration,
    pub(super) needs: Needs,
    pub(super) work: Work,
}

/// What of the machine a step needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    /// Rust alone.
    Nothing,
    /// Debian packages: headers to build with, programs to test with.
    Packages,
    /// A machine that carries a bed.
    Bed,
}

pub(super) enum Work {
    /// The rules of the tree, looked at by this program itself.
    Tidy,
    /// Cargo with these arguments and, behind `--`, these for what it runs.
    Cargo(&'static [&'static str], &'static [&'static str], Must),
    /// Cargo with these arguments, and then this program that it built in the target directory, with these.
    Program(&'static [&'static str], &'static str, &'static [&'static str], Must),
}

/// What a process must end in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// Success.
    Succeed,
    /// Success of at least one test, with none ignored.
    PassTests,
    /// Exactly this exit code: a planted mistake must be found, and a failed build is no find.
    ExitWith(i32),
    /// Success; with this exit code there was nothing to try it with, in CI either.
    SucceedUnless(i32, &'static str),
}

/// What needs no bed, and nothing of its own; a package that is new is in it by itself.
const UNIT: &[&str] = &[
    "test",
    "--workspace",
    "--exclude=quorate-bed",
    "--exclude=quorate-e2e",
    "--exclude=quorate-model",
    "--exclude=quorate-sim",
    "--no-fail-fast",
];
/// With a test, for what only tests depend on has a say in the features too.
const BUILD_POWER_LOSS: &[&str] =
    &["build", "--workspace", "--exclude=quorate-sim", "--bin=quorate-power-loss", "--test=cluster"];
/// On a store that lacks its fdatasync.
const BUILD_PLANTED: &[&str] = &[
    "build",
    "--workspace",
    "--exclude=quorate-sim",
    "--bin=quorate-power-loss",
    "--test=cluster",
    "--features=quorate-raft/planted-no-fdatasync",
];
const POWER_LOSS: &str = "debug/quorate-power-loss";
/// Again with optimisation: what openraft only asserts in debug builds, our store has to answer in release builds.
const STORE: &[&str] = &["test", "--release", "--package=quorate-raft", "--no-fail-fast"];
/// Optimised, with what only debug builds assert.
const SIM_TESTS: &[&str] = &["test", "--profile=checked", "--package=quorate-sim", "--no-fail-fast"];
const BED: &[&str] = &["test", "--package=quorate-bed", "--no-fail-fast"];
/// It builds what ships by itself, optimised too.
const ROWS: &[&str] = &["test", "--workspace", "--exclude=quorate-sim", "--test=rows"];
const RELEASE: &[&str] = &["--release"];

/// Seeds for a few minutes; `cargo xtask sim --seeds` takes any number. One that is known to fail for a while would be named
/// here with `--known`, and in docs/simulation.md with what is known of it.
const SEEDS: &[&str] = &["--seeds", "3000"];
const CASES: &[&str] = &["run", "--quiet", "--package=xtask"];
const HOLD: &[&str] = &["pacemaker-cases", "--hold"];
/// A small part; by hand it draws as many clusters as one likes.
const GRID: &[&str] = &["placement-grid", "--seeds", "2"];
const MISTAKES: &[&str] = &["--mistakes"];
const CUTS: &[&str] = &["--rounds", "20"];
/// By way of this program itself, which builds the engine apart from everything else. By hand each door gets as long as one likes.
const FUZZ: &[&str] = &["run", "--package=xtask", "--quiet", "--", "fuzz", "--seconds", "20"];
/// What `quorate-power-loss` exits with when something was lost.
const LOST: i32 = 1;

/// All steps; what is quick and finds most comes first.
pub(super) fn steps() -> Vec<Step> {
    let step = |group, name, about, minutes: u64, needs, work| {
        let limit = Duration::from_secs(minutes * 60);
        Step { group, name, about, limit, needs, work }
    };
    let (cargo, program) = (Work::Cargo, Work::Program);
    let (nothing, packages, bed) = (Needs::Nothing, Needs::Packages, Needs::Bed);
    let (tests, success) = (Must::PassTests, Must::Succeed);
    vec![
        step("tidy", "tidy", "sizes, dependencies, documents, words", 2, nothing, Work::Tidy),
        step("unit", "unit", "unit, scenario and document tests", 25, packages, cargo(UNIT, &[], tests)),
        step("model", "model", "every state, every rule taken out", 15, nothing, cargo(MODEL_TESTS, &[], tests)),
        step(
            "power-loss",
            "power-loss",
            "nothing lost",
            10,
            nothing,
            program(BUILD_POWER_LOSS, POWER_LOSS, CUTS, success),
        ),
        step(
            "power-loss",
            "power-loss planted",
            "without fdatasync something is lost, and that is found",
            10,
            nothing,
            program(BUILD_PLANTED, POWER_LOSS, CUTS, Must::ExitWith(LOST)),
        ),
        step(
            "store",
            "store, release",
            "the store without openraft's assertions",
            20,
            nothing,
            cargo(STORE, &[], tests),
        ),
        step(
            "scheduler",
            "pacemaker cases",
            "the scheduler beside Pacemaker's own outcomes",
            15,
            nothing,
            cargo(CASES, HOLD, Must::SucceedUnless(i32::from(NOTHING), "the cases are not beside the repository")),
        ),
        step(
            "scheduler",
            "placement grid",
            "placing where capacity is tight",
            15,
            nothing,
            cargo(CASES, GRID, success),
        ),
        step("sim", "sim tests", "the simulation's own", 15, nothing, cargo(SIM_TESTS, &[], tests)),
        step("sim", "sim seeds", "the shipping engine under faults", 15, nothing, cargo(SIM_CHECKED, SEEDS, success)),
        step(
            "sim",
            "sim mistakes",
            "each planted mistake is found",
            15,
            nothing,
            cargo(SIM_CHECKED, MISTAKES, success),
        ),
        step("fuzz", "fuzz", "bytes that nobody would send, at every door", 20, packages, cargo(FUZZ, &[], success)),
        step("bed", "bed", "the bed's power, faults and detector", 20, bed, cargo(BED, &[], tests)),
        step("e2e", "e2e", "real hosts and faults, judged by ground truth", 40, bed, cargo(ROWS, RELEASE, tests)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_steps_apart() {
        let mut names: Vec<&str> = steps().iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), steps().len());
    }
}
