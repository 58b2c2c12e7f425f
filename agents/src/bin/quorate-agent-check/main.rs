//! `cargo xtask agents`: a table of the installed agents, with what fits and what is odd.
//!
//! What is odd in an agent's meta-data is told and no failure; meta-data that cannot be read is one, and so is an action that
//! ends otherwise than OCF says. As root the agents that touch the network and mounts are tried too, in namespaces.

// A program that speaks to a developer.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use quorate_agents::conformance::{CASES, Case, Described, Round, describe_all, round};
use quorate_agents::ocf::{Agents, ROOT};
use quorate_agents::process::{CgroupBase, Processes, Spec, own_cgroup2};

/// Agents that are no agents of a cluster: a person's tool, which has no meta-data.
const NO_AGENTS: &[&str] = &["stonith:fence_ack_manual"];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|word| word.starts_with('-')) {
        println!("usage: quorate-agent-check [PART-OF-A-NAME ...]; without one, every installed agent");
        return ExitCode::from(2);
    }
    // Before there is a second thread: namespaces are a thread's own.
    let is_confined = confine();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(check(&wanted, is_confined)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Namespaces of our own for network and mounts; not without root.
fn confine() -> Result<(), String> {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).map_err(|error| error.to_string())?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(|error| error.to_string())
}

async fn check(wanted: &[String], is_confined: Result<(), String>) -> ExitCode {
    let base =
        own_cgroup2().and_then(|own| CgroupBase::at(own.join(format!("agent-check-{}", std::process::id()))).ok());
    let place = base.as_ref().map(|base| base.path().to_owned());
    let processes = Processes::new(base);
    let agents = Arc::new(Agents::new(ROOT, processes.clone()));
    agents.prepare();
    let directory = std::env::temp_dir().join(format!("quorate-agent-check-{}", std::process::id()));
    let is_meant = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let at_once = std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
    let mut described = describe_all(&agents, at_once).await;
    described.retain(|it| is_meant(&it.agent));
    let ready = match is_confined {
        Ok(()) => network(&processes).await,
        Err(why) => Err(why),
    };
    let rounds = rounds(&agents, &ready, &directory, &is_meant).await;
    // It is not there where nothing was tried.
    let _ = std::fs::remove_dir_all(&directory);
    for inner in place.iter().flat_map(|place| [place.join("services"), place.clone()]) {
        // What is left there is told by the rounds.
        let _ = std::fs::remove_dir(inner);
    }
    table(&described, &rounds)
}

async fn network(processes: &Processes) -> Result<(), String> {
    for (number, line) in [
        "link set lo up",
        "link add eth0 type veth peer name eth1",
        "addr add 192.0.2.1/24 dev eth0",
        "link set eth0 up",
        "link set eth1 up",
    ]
    .into_iter()
    .enumerate()
    {
        let spec = Spec::new(format!("ip-{number}"), "/usr/sbin/ip", Duration::from_secs(10)).args(line.split(' '));
        let ended = processes.run(spec).await.map_err(|error| error.to_string())?;
        if ended.exit != quorate_agents::process::Exit::Code(0) {
            return Err(format!("ip {line}: {}", ended.stderr.last_line()));
        }
    }
    Ok(())
}

type Rounds = BTreeMap<String, Result<Round, String>>;

async fn rounds(
    agents: &Agents,
    ready: &Result<(), String>,
    directory: &Path,
    is_meant: &impl Fn(&str) -> bool,
) -> Rounds {
    let mut all = Rounds::new();
    for case in CASES {
        let name = format!("ocf:{}:{}", case.agent.0, case.agent.1);
        if !is_meant(&name) {
            continue;
        }
        match (case, ready) {
            (Case { confined: true, .. }, Err(why)) => {
                println!("{name} is not tried: namespaces of its own are not to be had here ({why})");
            }
            _ => _ = all.insert(name, round(agents, case, directory).await),
        }
    }
    all
}

fn table(described: &[Described], rounds: &Rounds) -> ExitCode {
    println!("{:<42} {:<10} {:>6} {:>7} {:<8} actions", "agent", "meta-data", "params", "oddities", "round");
    let mut failures = Vec::new();
    for it in described {
        let round = match rounds.get(&it.agent) {
            None => "-".to_owned(),
            Some(Ok(Round::Done(steps))) => format!("{steps} ok"),
            Some(Ok(Round::NotHere(_))) => "not here".to_owned(),
            Some(Err(why)) => {
                failures.push(format!("{}: {why}", it.agent));
                "FAILED".to_owned()
            }
        };
        let is_none = NO_AGENTS.contains(&it.agent.as_str());
        let (word, params, notes, actions) = match &it.read {
            Ok(read) => {
                let mut actions: Vec<&str> = read.actions.iter().map(|action| action.name.as_str()).collect();
                actions.dedup();
                ("parses", read.parameters.len(), read.notes.len(), actions.join(" "))
            }
            Err(_) if is_none => ("none", 0, 0, "a person's tool".to_owned()),
            Err(why) => {
                failures.push(format!("{}: {why}", it.agent));
                ("FAILED", 0, 0, String::new())
            }
        };
        println!("{:<42} {word:<10} {params:>6} {notes:>7} {round:<8} {actions}", it.agent);
    }
    let odd = described.iter().filter_map(|it| it.read.as_ref().ok().map(|read| (&it.agent, &read.notes)));
    println!("\nOdd, and read all the same:");
    for (agent, notes) in odd.filter(|(_, notes)| !notes.is_empty()) {
        println!("  {agent}: {}", notes.join("; "));
    }
    let parsed = described.iter().filter(|it| it.read.is_ok()).count();
    for (agent, round) in rounds {
        if let Ok(Round::NotHere(why)) = round {
            println!("\n{agent} cannot be tried here: {why}");
        }
    }
    let fit = rounds.values().filter(|round| matches!(round, Ok(Round::Done(_)))).count();
    println!(
        "\n{} agents, the meta-data of {parsed} read; {fit} of {} rounds as they should be",
        described.len(),
        rounds.len()
    );
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if failures.is_empty() && !described.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
