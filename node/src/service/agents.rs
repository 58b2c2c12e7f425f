//! What agents this host has, and what they say of themselves: for `qrm ra`.

use super::fault;
use super::view::document;
use crate::daemon::cluster::Cluster;
use quorate_agents::ocf::{Agents, Call, End, MetaData, Name, OcfExit, Verb, check_params};
use quorate_agents::{builtin, fence, systemd};
use quorate_api::proto::Document;
use quorate_api::{Fault, Reason};
use quorate_core::config::{full_unit_name, is_unit_name};
use quorate_core::view::{
    ActionView, AgentCheck, AgentClasses, AgentInfo, AgentList, AgentQuestion, ClassView, ParameterView,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// An agent may take so long to look at its parameters.
const VALIDATE_TIME: Duration = Duration::from_secs(20);

/// Answers `View` of the agents.
pub(super) async fn view(cluster: &Cluster, argument: &str) -> Result<Document, Fault> {
    let question = read_question(argument)?;
    let agents = &cluster.agents;
    match question {
        AgentQuestion::Classes => Ok(document(&classes(agents))),
        AgentQuestion::List { class, provider } => {
            let units = match class.as_str() {
                "" => cluster.systemd.list().await.unwrap_or_default(),
                "systemd" => cluster.systemd.list().await.map_err(|error| Fault::new(Reason::Failed, error))?,
                _ => Vec::new(),
            };
            Ok(document(&list(agents, &units, &class, provider.as_deref())?))
        }
        AgentQuestion::Info { agent } => {
            let (agent, metadata) = described(cluster, &agent).await?;
            Ok(document(&info(&agent, metadata)))
        }
        AgentQuestion::Validate { agent, params } => Ok(document(&validate(cluster, &agent, params).await?)),
    }
}

/// The question in a view's argument.
///
/// # Errors
/// When it is none.
pub fn read_question(argument: &str) -> Result<AgentQuestion, Fault> {
    serde_json::from_str(argument)
        .map_err(|error| fault::invalid(format!("the question about agents is not understood: {error}"), "use qrm ra"))
}

fn classes(agents: &Agents) -> AgentClasses {
    let class = |class: &str, providers| ClassView { class: class.to_owned(), providers };
    let classes = vec![
        class("ocf", agents.providers()),
        class("stonith", Vec::new()),
        class("systemd", Vec::new()),
        class("vm", Vec::new()),
    ];
    AgentClasses { classes }
}

fn list(agents: &Agents, units: &[String], class: &str, provider: Option<&str>) -> Result<AgentList, Fault> {
    if class.is_empty() {
        let all = ["ocf", "stonith", "systemd", "vm"].map(|class| list(agents, units, class, None));
        let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
        return Ok(AgentList { agents: all.into_iter().flat_map(|list| list.agents).collect() });
    }
    let agents = match class {
        "ocf" => {
            let providers = agents.providers();
            let wanted = providers.iter().filter(|it| provider.is_none_or(|provider| provider == it.as_str()));
            let of = |provider: &String| {
                agents.kinds(provider).into_iter().map(move |kind| format!("ocf:{provider}:{kind}")).collect::<Vec<_>>()
            };
            wanted.flat_map(of).collect()
        }
        "stonith" => fence::installed().into_iter().map(|name| format!("stonith:{name}")).collect(),
        "systemd" => units.iter().map(|unit| format!("systemd:{unit}")).collect(),
        "vm" => vec!["vm:libvirt".to_owned()],
        other => {
            let message = format!("there is no class of agents '{}'", other.escape_debug());
            return Err(fault::invalid(message, "there are ocf, stonith, systemd and vm"));
        }
    };
    Ok(AgentList { agents })
}

/// Which agent is meant: `[ocf:][PROVIDER:]TYPE`, `stonith:TYPE`, `systemd:UNIT` or `vm:TYPE`.
enum Agent {
    Ocf(Name),
    Stonith(String),
    Systemd(String),
    Vm(String),
}

fn named(text: &str) -> Result<Agent, Fault> {
    // The name of a unit may have colons.
    if let Some(unit) = text.strip_prefix("systemd:").or_else(|| text.strip_prefix("service:")) {
        let mend = "write systemd:NAME or systemd:NAME@INSTANCE";
        let bad = || fault::invalid(format!("'{}' cannot be the name of a unit", unit.escape_debug()), mend);
        return is_unit_name(unit).then(|| Agent::Systemd(unit.to_owned())).ok_or_else(bad);
    }
    let parts: Vec<&str> = text.split(':').collect();
    let name = match parts.as_slice() {
        ["vm", _] => return Ok(Agent::Vm(text.to_owned())),
        ["stonith", kind] => return Ok(Agent::Stonith((*kind).to_owned())),
        [kind] if kind.starts_with("fence_") => return Ok(Agent::Stonith((*kind).to_owned())),
        ["ocf", provider, kind] | [provider, kind] => Name::new(provider, kind),
        [kind] => Name::new("heartbeat", kind),
        _ => None,
    };
    let mend = "write ocf:PROVIDER:TYPE, stonith:TYPE, systemd:UNIT or vm:libvirt";
    name.map(Agent::Ocf).ok_or_else(|| fault::invalid(format!("'{}' is no agent", text.escape_debug()), mend))
}

/// What an agent says of itself, and how it is written in a configuration.
async fn described(cluster: &Cluster, text: &str) -> Result<(String, MetaData), Fault> {
    let agents = &cluster.agents;
    match named(text)? {
        Agent::Systemd(kind) => {
            let unit = full_unit_name(&kind);
            let facts = cluster.systemd.facts(&unit).await.map_err(|error| Fault::new(Reason::Failed, error))?;
            let metadata = facts.exists.then(|| systemd::describe::metadata(&unit, &facts)).flatten();
            let metadata = metadata.ok_or_else(|| unknown(&format!("there is no unit {unit} on this node")))?;
            Ok((format!("systemd:{kind}"), metadata))
        }
        Agent::Ocf(name) => {
            let metadata = agents.metadata(&name).await.map_err(|error| unknown(&error.to_string()))?;
            Ok((name.to_string(), MetaData::clone(&metadata)))
        }
        Agent::Vm(text) => {
            let metadata = builtin::metadata(&text).ok_or_else(|| unknown(&format!("there is no agent {text}")))?;
            Ok((text, metadata))
        }
        Agent::Stonith(kind) => {
            let described = fence::describe::metadata(&kind, agents.processes()).await;
            let mut metadata = described.map_err(|error| unknown(&error.to_string()))?;
            metadata.parameters.retain(|parameter| parameter.name != "action");
            metadata.parameters.extend(builtin::device_parameters());
            Ok((format!("stonith:{kind}"), metadata))
        }
    }
}

fn info(agent: &str, metadata: MetaData) -> AgentInfo {
    let parameter = |it: &quorate_agents::ocf::Parameter| ParameterView {
        name: it.name.clone(),
        kind: it.kind.clone(),
        options: it.options.clone(),
        default: it.default.clone(),
        required: it.required,
        unique: it.unique,
        group: it.group.clone(),
        reloadable: it.reloadable,
        deprecated: it.deprecated,
        short: it.short.clone(),
        long: it.long.clone(),
    };
    let action = |it: &quorate_agents::ocf::ActionAdvice| ActionView {
        name: it.name.clone(),
        timeout: it.timeout.clone(),
        interval: it.interval.clone(),
        depth: it.depth.clone(),
        role: it.role.clone(),
    };
    AgentInfo {
        agent: agent.to_owned(),
        version: metadata.version,
        short: metadata.short,
        long: metadata.long,
        parameters: metadata.parameters.iter().map(parameter).collect(),
        actions: metadata.actions.iter().map(action).collect(),
        notes: metadata.notes,
    }
}

/// By the meta-data, and where that has nothing against it by the agent itself.
async fn validate(cluster: &Cluster, agent: &str, params: BTreeMap<String, String>) -> Result<AgentCheck, Fault> {
    let (agents, node) = (&cluster.agents, cluster.me.node.to_string());
    let name = named(agent)?;
    let (agent, metadata) = described(cluster, agent).await?;
    let said = match &name {
        Agent::Ocf(_) | Agent::Systemd(_) | Agent::Vm(_) => check_params(&agent, &metadata, &params),
        Agent::Stonith(_) => fence::describe::check_device(&agent, &metadata, &params),
    };
    let mut complaints: Vec<String> = said.iter().map(|it| format!("{}: {}", it.what, it.mend)).collect();
    let mut is_refused = said.iter().any(|it| it.is_error);
    if let Agent::Systemd(kind) = &name {
        let unit = full_unit_name(kind);
        let facts = cluster.systemd.facts(&unit).await.map_err(|error| Fault::new(Reason::Failed, error))?;
        is_refused |= facts.unfit.is_some();
        complaints.extend(facts.unfit.as_ref().map(|why| format!("{why}: mend it on this node")));
        complaints.extend(facts.starts_at_boot().then(|| {
            format!("systemd starts {unit} at boot by itself, so it may run twice: run `systemctl disable {unit}`")
        }));
    }
    let Agent::Ocf(name) = name else {
        return Ok(AgentCheck { ok: !is_refused, complaints, validate_all: None, node });
    };
    if is_refused {
        return Ok(AgentCheck { ok: false, complaints, validate_all: None, node });
    }
    let call = Call {
        action: agents.action_id("validate", name.kind()),
        instance: "validate".to_owned(),
        name,
        verb: Verb::ValidateAll,
        params,
        operation: BTreeMap::new(),
        meta: BTreeMap::new(),
        node: node.clone(),
        timeout: VALIDATE_TIME,
    };
    let report = agents.run(&call).await.map_err(|error| Fault::new(Reason::Failed, error.to_string()))?;
    let ok = report.end == End::Exit(OcfExit::Success);
    Ok(AgentCheck { ok, complaints, validate_all: Some(report.to_string()), node })
}

fn unknown(error: &str) -> Fault {
    Fault::new(Reason::NotFound, error).hint("`qrm ra list` lists what is here")
}
