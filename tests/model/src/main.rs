//! `quorate-model`: explores the model and prints what it found.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quorate_model::check::{Effort, Report, Story, explore};
use quorate_model::rules::{Rule, Rules};
use quorate_model::scope::{Scope, showing};
use quorate_model::state::{Budget, MAX_NODES, MAX_RESOURCES, Size};
use quorate_model::{Judge, Protocol};

/// Explore the model of the safety protocol
#[derive(Parser)]
#[command(name = "quorate-model")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explore every reachable state, for example `check --without hello --trace`
    Check(Check),
    /// Take out each rule in turn, and show how soon that does harm
    Mistakes(Options),
}

#[derive(Args)]
struct Check {
    /// Only this scope; default: all of them, or the one that shows the rule left out
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// Leave this rule out
    #[arg(long, value_enum, value_name = "RULE")]
    without: Vec<Rule>,
    /// Nodes, for a configuration of your own
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=MAX_NODES as i64))]
    nodes: Option<u8>,
    /// Resources, for a configuration of your own
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=MAX_RESOURCES as i64))]
    resources: Option<u8>,
    /// How often an event may happen, for a configuration of your own: claims=3,cuts=1
    #[arg(long, value_delimiter = ',', value_parser = event, value_name = "EVENT=COUNT")]
    budget: Vec<(Event, u8)>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Judge only by one-copy: what a mistake leads to in the end
    #[arg(long)]
    one_copy: bool,
    /// Tell every counterexample, and how each wanted thing was reached
    #[arg(long)]
    trace: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Threads; counterexamples are the shortest only with one
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Event {
    Claims,
    Migrations,
    Monitors,
    Restarts,
    Cuts,
    Boots,
    Losses,
    Grants,
    CallOffs,
    Confirms,
    Lies,
    VmDeaths,
    Failures,
    Impostors,
}

fn event(text: &str) -> Result<(Event, u8), String> {
    let (name, count) = text.split_once('=').ok_or("write it as EVENT=COUNT")?;
    let event = Event::from_str(name, false).map_err(|_| {
        let names: Vec<_> = Event::value_variants()
            .iter()
            .filter_map(|event| event.to_possible_value())
            .map(|value| value.get_name().to_owned())
            .collect();
        format!("no event {name:?}; there are {}", names.join(", "))
    })?;
    let count = count.parse::<u8>().ok().filter(|count| *count < 16);
    Ok((event, count.ok_or("the count is a number below 16")?))
}

fn set(budget: &mut Budget, event: Event, count: u8) {
    let field = match event {
        Event::Claims => &mut budget.claims,
        Event::Migrations => &mut budget.migrations,
        Event::Monitors => &mut budget.monitors,
        Event::Restarts => &mut budget.restarts,
        Event::Cuts => &mut budget.cuts,
        Event::Boots => &mut budget.boots,
        Event::Losses => &mut budget.losses,
        Event::Grants => &mut budget.grants,
        Event::CallOffs => &mut budget.call_offs,
        Event::Confirms => &mut budget.confirms,
        Event::Lies => &mut budget.lies,
        Event::VmDeaths => &mut budget.vm_deaths,
        Event::Failures => &mut budget.failures,
        Event::Impostors => &mut budget.impostors,
    };
    *field = count;
}

fn main() -> ExitCode {
    let well = match Cli::parse().command {
        Command::Check(check) => run_check(&check),
        Command::Mistakes(options) => run_mistakes(&options),
    };
    // Whoever reads this may have gone away; that is no reason to panic, but not success either.
    if well.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything the command line asks for, by name.
fn protocols(check: &Check) -> Vec<(String, Protocol)> {
    let rules = check.without.iter().fold(Rules::all(), |rules, rule| rules.without(*rule));
    let own = check.nodes.is_some() || check.resources.is_some() || !check.budget.is_empty();
    let mut chosen = match (check.scope, check.without.as_slice()) {
        (Some(scope), _) => vec![(scope.name(), scope.protocol(rules))],
        (None, _) if own => vec![("own".to_owned(), Scope::Cluster.protocol(rules))],
        (None, [rule]) => vec![(format!("without {}", rule.name()), showing(*rule))],
        (None, _) => Scope::all().iter().map(|s| (s.name(), s.protocol(rules))).collect(),
    };
    for (_, protocol) in chosen.iter_mut().filter(|_| own) {
        if check.scope.is_none() && !check.budget.is_empty() {
            protocol.budget = Budget::default();
        }
        let Size { nodes, resources } = protocol.size;
        protocol.size = Size { nodes: check.nodes.unwrap_or(nodes), resources: check.resources.unwrap_or(resources) };
        check.budget.iter().for_each(|(event, count)| set(&mut protocol.budget, *event, *count));
    }
    chosen
}

fn judged(protocol: Protocol, options: &Options) -> Protocol {
    let judge = if options.one_copy { Judge::OneCopy } else { Judge::All };
    Protocol { judge, ..protocol }
}

fn effort(options: &Options) -> Effort {
    Effort { threads: options.threads.max(1), limit: options.seconds.map(Duration::from_secs) }
}

/// True if every exploration was complete and everything held.
fn run_check(check: &Check) -> io::Result<bool> {
    let mut well = true;
    for (name, protocol) in protocols(check) {
        let report = explore(judged(protocol, &check.options), effort(&check.options));
        print(&name, &report, check.options.trace)?;
        well &= report.holds();
    }
    Ok(well)
}

/// True if every rule left out was found out, save those that have another behind them.
fn run_mistakes(options: &Options) -> io::Result<bool> {
    let mut well = true;
    for rule in Rule::value_variants() {
        let report = explore(judged(showing(*rule), options), effort(options));
        print(&format!("without {}", rule.name()), &report, options.trace)?;
        well &= rule.is_second_line() || options.one_copy || !report.broken.is_empty();
    }
    Ok(well)
}

fn print(name: &str, report: &Report, trace: bool) -> io::Result<()> {
    let mut text = format!("{name:<24} {}\n", report.summary());
    report.broken.iter().for_each(|story| tell(&mut text, "BROKEN ", story, true));
    report.reached.iter().for_each(|story| tell(&mut text, "reached", story, trace));
    report.missed.iter().for_each(|name| text += &format!("    NOT REACHED  {name}\n"));
    io::stdout().lock().write_all(text.as_bytes())
}

fn tell(text: &mut String, what: &str, story: &Story, steps: bool) {
    *text += &format!("    {what}  {} ({} steps)\n", story.property, story.steps.len());
    for (at, step) in story.steps.iter().enumerate().filter(|_| steps) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "        {:>2}. {step}", at + 1);
    }
}
