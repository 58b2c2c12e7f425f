//! `cargo xtask test`: every test, one step after the other, and a table of what came of it.
//!
//! All steps run, whatever failed before. It must not call a step passed that tried nothing: steps count their tests, and what
//! this machine cannot do is named as skipped, or with CI=true as failed; what lies beside the repository may be missing in CI too.

mod count;
mod process;
mod step;

use std::collections::VecDeque;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use quorate_bed::setup::{Packages, ensure, in_ci, obstacle};

use self::count::Count;
use self::process::End;
use self::step::{Must, Needs, Step, Work, steps};
use crate::{cargo, tidy};

/// All steps together; who comes later does not run any more and has failed.
const TOTAL: Duration = Duration::from_secs(90 * 60);

/// Run every test, after preparing this machine
///
/// Ends in a table with times and a last line such as `11 passed, 0 failed`, which counts steps.
///
/// Example: cargo xtask test, or for a part of it: cargo xtask test unit model
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these groups of steps; --list names them
    groups: Vec<String>,
    /// Show the steps and run none
    #[arg(long)]
    list: bool,
    /// Let apt replace packages of this machine by older versions where that is the only way
    #[arg(long)]
    allow_downgrades: bool,
}

/// What came of a step.
enum Outcome {
    Passed(Count),
    /// This machine cannot do it, which CI counts as failed; or what it needs lies beside the repository, and is not there.
    Skipped(String),
    Failed(String),
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let chosen = chosen(&arguments.groups)?;
    if arguments.list {
        for step in &chosen {
            println!("{:<12} {:<20} {}", step.group, step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let needs = chosen.iter().map(|step| step.needs).max().unwrap_or(Needs::Nothing);
    if needs > Needs::Nothing {
        ensure(Packages { allow_downgrades: arguments.allow_downgrades })?;
    }
    let obstacle = if needs == Needs::Bed { obstacle() } else { None };
    process::forward_signals()?;
    let end = Instant::now() + TOTAL;
    let mut results = Vec::new();
    let mut last_words = Vec::new();
    for step in &chosen {
        println!("== {}: {}", step.name, step.about);
        let begin = Instant::now();
        let outcome = match &obstacle {
            Some(why) if step.needs == Needs::Bed => cannot(why),
            _ => try_step(step, end, &mut last_words),
        };
        let took = begin.elapsed();
        println!("== {} {} in {:.0} s", step.name, outcome.word(), took.as_secs_f32());
        results.push((step.name, took, outcome));
    }
    // Once more where whoever reads only the end of a long output finds it.
    for (step, lines) in &last_words {
        println!("\n== the last words of {step}, which failed");
        print!("{}", lines.iter().map(String::as_str).collect::<String>());
    }
    Ok(conclude(&results))
}

/// The steps of these groups, or all.
fn chosen(groups: &[String]) -> Result<Vec<Step>> {
    let mut steps = steps();
    if let Some(unknown) = groups.iter().find(|group| !steps.iter().any(|step| step.group == **group)) {
        let mut known: Vec<&str> = steps.iter().map(|step| step.group).collect();
        known.dedup();
        bail!("no steps called {unknown:?}: there are {}", known.join(", "));
    }
    steps.retain(|step| groups.is_empty() || groups.iter().any(|group| group == step.group));
    Ok(steps)
}

fn cannot(why: &str) -> Outcome {
    match in_ci() {
        true => Outcome::Failed(format!("CI=true, and this machine cannot carry the test bed: {why}")),
        false => Outcome::Skipped(format!("this machine cannot carry the test bed: {why}")),
    }
}

/// What failed steps said last.
type LastWords = Vec<(&'static str, VecDeque<String>)>;

fn try_step(step: &Step, end: Instant, last_words: &mut LastWords) -> Outcome {
    let deadline = end.min(Instant::now() + step.limit);
    let outcome = match &step.work {
        Work::Tidy => tidy::check(&mut std::io::stdout()).map(|problems| match problems {
            0 => Outcome::Passed(Count::default()),
            _ => Outcome::Failed(format!("{problems} problems in the tree")),
        }),
        Work::Cargo(arguments, program, must) => {
            with_program(arguments, program).and_then(|command| try_command(step, command, *must, deadline, last_words))
        }
        Work::Program(build, program, arguments, must) => cargo::command(build)
            .and_then(|command| try_command(step, command, Must::Succeed, deadline, last_words))
            .and_then(|built| match built {
                Outcome::Passed(_) => {
                    let mut command = Command::new(cargo::target_directory()?.join(program));
                    command.args(*arguments).stdin(Stdio::null());
                    try_command(step, command, *must, deadline, last_words)
                }
                not_built => Ok(not_built),
            }),
    };
    // The step could not even begin; the others may.
    outcome.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")))
}

fn with_program(arguments: &[&str], program: &[&str]) -> Result<Command> {
    let mut command = cargo::command(arguments)?;
    if !program.is_empty() {
        command.arg("--").args(program);
    }
    Ok(command)
}

fn try_command(
    step: &Step,
    command: Command,
    must: Must,
    deadline: Instant,
    last_words: &mut LastWords,
) -> Result<Outcome> {
    let (end, said) = process::run(step.name, command, deadline)?;
    let outcome = judge(&end, said.count, must);
    if matches!(outcome, Outcome::Failed(_)) {
        last_words.push((step.name, said.last));
    }
    Ok(outcome)
}

fn judge(end: &End, count: Count, must: Must) -> Outcome {
    let failed = |why: String| Outcome::Failed(why);
    match (end, must) {
        (End::OutOfTime, _) => failed("out of time, and killed".to_owned()),
        (End::Signal(signal), _) => failed(format!("ended by signal {signal}")),
        (End::Code(code), Must::ExitWith(wanted)) if *code != wanted => {
            failed(format!("exit code {code} where {wanted} was due"))
        }
        (End::Code(_), Must::ExitWith(_)) => Outcome::Passed(count),
        (End::Code(code), Must::SucceedUnless(nothing, why)) if *code == nothing => Outcome::Skipped(why.to_owned()),
        (End::Code(0), Must::PassTests) if count.passed == 0 => failed("there was no test".to_owned()),
        (End::Code(0), Must::PassTests) if count.ignored > 0 => failed(format!("{} tests are ignored", count.ignored)),
        (End::Code(0), _) => Outcome::Passed(count),
        (End::Code(_), _) if count.failed > 0 => failed(format!("{} of its tests failed", count.failed)),
        (End::Code(code), _) => failed(format!("exit code {code}")),
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed(_) => "passed",
            Outcome::Skipped(_) => "SKIPPED",
            Outcome::Failed(_) => "FAILED",
        }
    }

    fn detail(&self) -> String {
        match self {
            Outcome::Passed(count) if count.passed == 0 => String::new(),
            Outcome::Passed(count) => format!("{} tests", count.passed),
            Outcome::Skipped(why) | Outcome::Failed(why) => why.clone(),
        }
    }
}

/// Prints the table; the last line stands alone for who reads only that.
fn conclude(results: &[(&str, Duration, Outcome)]) -> ExitCode {
    println!();
    for (name, took, outcome) in results {
        let line = format!("{name:<20} {:>6.0} s  {:<8} {}", took.as_secs_f32(), outcome.word(), outcome.detail());
        println!("{}", line.trim_end());
    }
    let total: Duration = results.iter().map(|(_, took, _)| *took).sum();
    println!("{:<20} {:>6.0} s", "together", total.as_secs_f32());
    let count = |wanted: &str| results.iter().filter(|(_, _, outcome)| outcome.word() == wanted).count();
    if count("SKIPPED") > 0 {
        println!("{} skipped", count("SKIPPED"));
    }
    println!("{} passed, {} failed", count("passed"), count("FAILED"));
    if count("FAILED") > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tried_something_and_ended_well_has_passed() {
        let tests = |passed, ignored| Count { passed, ignored, ..Count::default() };
        let table = [
            (End::Code(0), tests(1, 0), Must::PassTests, "passed"),
            (End::Code(0), tests(0, 0), Must::PassTests, "FAILED"),
            (End::Code(0), tests(9, 1), Must::PassTests, "FAILED"),
            (End::Code(101), tests(9, 0), Must::PassTests, "FAILED"),
            (End::Code(0), tests(0, 0), Must::Succeed, "passed"),
            (End::Code(2), tests(0, 0), Must::Succeed, "FAILED"),
            (End::Signal(9), tests(9, 0), Must::PassTests, "FAILED"),
            (End::OutOfTime, tests(9, 0), Must::PassTests, "FAILED"),
            (End::Code(1), tests(0, 0), Must::ExitWith(1), "passed"),
            (End::Code(0), tests(0, 0), Must::ExitWith(1), "FAILED"),
            (End::Code(101), tests(0, 0), Must::ExitWith(1), "FAILED"),
            (End::Code(0), tests(0, 0), Must::SucceedUnless(3, "nothing"), "passed"),
            (End::Code(3), tests(0, 0), Must::SucceedUnless(3, "nothing"), "SKIPPED"),
            (End::Code(1), tests(0, 0), Must::SucceedUnless(3, "nothing"), "FAILED"),
        ];
        for (end, count, must, word) in table {
            assert_eq!(judge(&end, count, must).word(), word, "{end:?} {count:?}");
        }
    }

    #[test]
    fn groups_choose_steps() {
        let names = |groups: &[&str]| -> Option<Vec<&str>> {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            Some(chosen(&groups).ok()?.iter().map(|step| step.name).collect())
        };
        assert_eq!(names(&["power-loss", "tidy"]), Some(vec!["tidy", "power-loss", "power-loss planted"]));
        assert_eq!(names(&[]).map(|all| all.len()), Some(steps().len()));
        assert_eq!(names(&["tidy", "no-such"]), None);
    }
}
