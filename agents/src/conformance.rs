//! Do the installed agents fit? What each says of itself, and for those that can run in a sandbox a round through all their
//! actions, by the same executor that a cluster uses. For `cargo xtask agents` and for tests; a daemon does not use it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fence;
use crate::ocf::{Agents, Call, End, MetaData, Name, OcfExit, Verb};
use std::sync::Arc;

/// An action may take so long.
const ACTION_TIME: Duration = Duration::from_secs(20);

/// What an agent says of itself, or why it says nothing.
#[derive(Debug)]
pub struct Described {
    /// As it is written in a configuration.
    pub agent: String,
    /// Its meta-data.
    pub read: Result<MetaData, String>,
}

/// Asks every OCF agent and every fence agent of this host, so many at once.
pub async fn describe_all(agents: &Arc<Agents>, at_once: usize) -> Vec<Described> {
    let turns = Arc::new(Semaphore::new(at_once.max(1)));
    let mut asked = JoinSet::new();
    for provider in agents.providers() {
        for name in agents.kinds(&provider).iter().filter_map(|kind| Name::new(&provider, kind)) {
            let (agents, turns) = (agents.clone(), turns.clone());
            asked.spawn(async move {
                let _turn = turns.acquire().await;
                let read = agents.metadata(&name).await.map(|read| MetaData::clone(&read));
                Described { agent: name.to_string(), read: read.map_err(|error| error.to_string()) }
            });
        }
    }
    for name in fence::installed() {
        let (agents, turns) = (agents.clone(), turns.clone());
        asked.spawn(async move {
            let _turn = turns.acquire().await;
            let read = fence::describe::metadata(&name, agents.processes()).await;
            Described { agent: format!("stonith:{name}"), read: read.map_err(|error| error.to_string()) }
        });
    }
    let mut all = asked.join_all().await;
    all.sort_by(|a, b| a.agent.cmp(&b.agent));
    all
}

/// How an agent can be tried in a sandbox.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Which agent: provider and type.
    pub agent: (&'static str, &'static str),
    /// Its parameters; `@` stands for a directory of its own.
    pub params: &'static [(&'static str, &'static str)],
    /// It has a promoted role.
    pub promotable: bool,
    /// It needs root, and namespaces of its own: with an interface `eth0`.
    pub confined: bool,
}

const fn case(provider: &'static str, kind: &'static str, params: &'static [(&'static str, &'static str)]) -> Case {
    Case { agent: (provider, kind), params, promotable: false, confined: false }
}

/// The agents that can be tried wherever they are installed, or with `confined` in namespaces.
pub const CASES: &[Case] = &[
    case("heartbeat", "Dummy", &[("state", "@/state")]),
    case("heartbeat", "dummypy", &[("state", "@/state")]),
    case("heartbeat", "Delay", &[("startdelay", "0"), ("stopdelay", "0"), ("mondelay", "0")]),
    case(
        "heartbeat",
        "anything",
        &[("binfile", "/bin/sleep"), ("cmdline_options", "1000"), ("pidfile", "@/pid"), ("user", "root")],
    ),
    case("heartbeat", "symlink", &[("link", "@/link"), ("target", "@/target")]),
    case("pacemaker", "Dummy", &[("state", "@/state")]),
    Case { promotable: true, ..case("heartbeat", "Stateful", &[("state", "@/state")]) },
    Case { promotable: true, ..case("pacemaker", "Stateful", &[("state", "@/state")]) },
    confined("Filesystem", &[("device", "tmpfs"), ("directory", "@/mount"), ("fstype", "tmpfs")]),
    confined("IPaddr2", &[("ip", "192.0.2.77"), ("cidr_netmask", "24"), ("nic", "eth0")]),
    confined("Route", &[("destination", "198.51.100.0/24"), ("device", "eth0")]),
    confined("iface-bridge", &[("bridge_name", "br7"), ("bridge_slaves", "eth0")]),
];

const fn confined(kind: &'static str, params: &'static [(&'static str, &'static str)]) -> Case {
    Case { confined: true, ..case("heartbeat", kind, params) }
}

/// How a round through an agent's actions ended.
#[derive(Debug)]
pub enum Round {
    /// So many actions, each as it should be.
    Done(usize),
    /// It lacks something on this host, by its own word.
    NotHere(String),
}

/// Goes through an agent's actions, each with its wanted ends.
///
/// # Errors
/// The first action that ended otherwise, in words.
pub async fn round(agents: &Agents, case: &Case, directory: &Path) -> Result<Round, String> {
    use OcfExit::{NotRunning, RunningPromoted, Success};
    let (provider, kind) = case.agent;
    let name = Name::new(provider, kind).ok_or("no name of an agent")?;
    let place = directory.join(format!("{provider}-{kind}"));
    std::fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    std::fs::write(place.join("target"), "").map_err(|error| error.to_string())?;
    let value = |value: &str| value.replace('@', &place.to_string_lossy());
    let params: BTreeMap<String, String> =
        case.params.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect();
    let (probe, watch) = (Verb::Monitor { interval: Duration::ZERO }, Verb::Monitor { interval: ACTION_TIME });
    let mut steps = vec![
        (Verb::ValidateAll, Success),
        (probe, NotRunning),
        (Verb::Stop, Success),
        (Verb::Start, Success),
        (watch, Success),
        (Verb::Start, Success),
        (watch, Success),
    ];
    if case.promotable {
        steps.extend([
            (Verb::Promote, Success),
            (watch, RunningPromoted),
            (Verb::Promote, Success),
            (Verb::Demote, Success),
            (watch, Success),
            (Verb::Demote, Success),
        ]);
    }
    steps.extend([(Verb::Stop, Success), (probe, NotRunning), (Verb::Stop, Success)]);
    let mut call = Call {
        action: String::new(),
        instance: format!("check-{kind}"),
        name,
        verb: probe,
        params,
        operation: BTreeMap::new(),
        meta: BTreeMap::new(),
        node: "here".to_owned(),
        timeout: ACTION_TIME,
    };
    let count = steps.len();
    let mut wrong = None;
    for (number, (verb, wanted)) in steps.into_iter().enumerate() {
        (call.action, call.verb) = (agents.action_id(kind, verb.word()), verb);
        let report = agents.run(&call).await.map_err(|error| error.to_string())?;
        if number == 0 && report.end == End::Exit(OcfExit::NotInstalled) {
            return Ok(Round::NotHere(report.to_string()));
        }
        if report.end != End::Exit(wanted) {
            wrong = Some(format!("{} (step {}): {report}, and {wanted} was due", verb.word(), number + 1));
            break;
        }
    }
    match wrong {
        None => Ok(Round::Done(count)),
        Some(wrong) => {
            (call.action, call.verb) = (agents.action_id(kind, "stop"), Verb::Stop);
            // It is to leave nothing behind; what it says to that is not what went wrong.
            let _ = agents.run(&call).await;
            Err(wrong)
        }
    }
}
