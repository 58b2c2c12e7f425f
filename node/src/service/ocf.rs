//! OCF resources and fence devices of a configuration before it is entered: are their parameters what their agents take?
//! The agents of the host that is asked say so, by their meta-data.

use super::edit::OcfResource;
use quorate_agents::fence;
use quorate_agents::ocf::{Agents, Complaint, MetaData, Name, OcfError, check_params};
use quorate_api::{Fault, Reason};
use quorate_core::config::validate::{Problem, nearest};
use quorate_core::config::{AgentClass, Attributes};
use quorate_core::grammar::{duration, print_duration};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Warnings about resources that are new or changed.
///
/// # Errors
/// Everything that is wrong, in one message; that an agent is not here, unless that is forced.
pub(super) async fn check(
    agents: &Agents,
    resources: &[OcfResource],
    op_defaults: &Attributes,
    force: bool,
) -> Result<Vec<String>, Fault> {
    let (mut errors, mut missing, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut fence_agents = BTreeMap::new();
    // Of units every host is asked, by `units`.
    let is_ours = |it: &&OcfResource| it.is_changed && it.primitive.agent.class != AgentClass::Systemd;
    for resource in resources.iter().filter(is_ours) {
        if resource.primitive.is_fence_device() {
            let said = device(agents, resource, &mut fence_agents).await;
            errors.extend(said.0);
            warnings.extend(said.1);
            continue;
        }
        match describe(agents, resource).await {
            Ok(metadata) => {
                let agent = resource.primitive.agent.text();
                for complaint in check_params(&agent, &metadata, &resource.primitive.params) {
                    let to = if complaint.is_error { &mut errors } else { &mut warnings };
                    to.push(problem(resource, complaint.what, complaint.mend));
                }
                warnings.extend(twins(&metadata, resource, resources));
                warnings.extend(without_effect(&metadata, resource));
                warnings.extend(deaf(&metadata, resource));
                warnings.extend(hasty(&metadata, resource, op_defaults));
            }
            Err(problem) if force => warnings.push(problem),
            Err(problem) => missing.push(problem),
        }
    }
    if !errors.is_empty() {
        return Err(Fault::new(Reason::Invalid, lines(&errors)));
    }
    if !missing.is_empty() {
        return Err(Fault::new(Reason::Refused, lines(&missing))
            .hint("ask a node that has the agent, or say with --force that it is entered unchecked"));
    }
    Ok(warnings.iter().map(ToString::to_string).collect())
}

/// What a device's agent says of its parameters: what is wrong, and what may surprise. The agent need not be on this host:
/// another may be the one that fences.
async fn device(
    agents: &Agents,
    resource: &OcfResource,
    known: &mut BTreeMap<String, Result<MetaData, String>>,
) -> (Vec<Problem>, Vec<Problem>) {
    let agent = &resource.primitive.agent;
    if !agent.kind.starts_with("fence_") {
        return (Vec::new(), Vec::new());
    }
    if !known.contains_key(&agent.kind) {
        let described = fence::describe::metadata(&agent.kind, agents.processes()).await;
        known.insert(agent.kind.clone(), described.map_err(|error| error.to_string()));
    }
    match &known[&agent.kind] {
        Err(why) => (Vec::new(), vec![problem(resource, why, "its parameters are not checked")]),
        Ok(metadata) => {
            let said = fence::describe::check_device(&agent.text(), metadata, &resource.primitive.params);
            let (errors, warnings): (Vec<Complaint>, _) = said.into_iter().partition(|it| it.is_error);
            let mut unfences = metadata.actions.iter().filter(|action| action.name == "on" && action.automatic);
            let is_left_out = unfences.next().is_some() && !resource.primitive.unfences();
            let left_out = is_left_out.then(|| {
                let what =
                    "its agent has to let each node to its storage after a boot, and nothing here waits for that";
                problem(resource, what, "add `meta provides=unfencing`")
            });
            let told = |all: Vec<Complaint>| all.into_iter().map(|it| problem(resource, it.what, it.mend)).collect();
            (told(errors), told(warnings).into_iter().chain(left_out).collect())
        }
    }
}

/// Operations that the agent does not know.
fn without_effect(metadata: &MetaData, resource: &OcfResource) -> Vec<Problem> {
    let names: Vec<&str> = metadata.actions.iter().map(|action| action.name.as_str()).collect();
    let unknown = resource.primitive.operations.iter().filter(|op| !names.contains(&op.name.as_str()));
    let told = unknown.map(|op| {
        let what = format!("{} does not describe an action {}", resource.primitive.agent.text(), op.name);
        problem(resource, what, format!("it has {}", names.join(", ")))
    });
    told.collect()
}

/// An agent that does not listen to what is done to its clone.
fn deaf(metadata: &MetaData, resource: &OcfResource) -> Option<Problem> {
    let is_deaf = resource.primitive.notifies() && !metadata.actions.iter().any(|action| action.name == "notify");
    let what =
        || format!("{} does not describe an action notify: each notice will fail", resource.primitive.agent.text());
    is_deaf.then(|| problem(resource, what(), "leave `meta notify=true` out of its clone"))
}

async fn describe(agents: &Agents, resource: &OcfResource) -> Result<Arc<MetaData>, Problem> {
    let agent = &resource.primitive.agent;
    let provider = agent.provider.as_deref().unwrap_or_default();
    let Some(name) = Name::new(provider, &agent.kind) else {
        return Err(problem(
            resource,
            format!("{} cannot be the name of an agent", agent.text()),
            "write ocf:PROVIDER:TYPE",
        ));
    };
    agents.metadata(&name).await.map_err(|error| {
        let mend = match &error {
            OcfError::Missing { .. } => suggestion(agents, provider, &agent.kind),
            _ => format!("run it by hand: {} meta-data", agents.path_of(&name).display()),
        };
        problem(resource, error.to_string(), mend)
    })
}

/// The agent that was meant, where one is near.
fn suggestion(agents: &Agents, provider: &str, kind: &str) -> String {
    let elsewhere = agents.providers().into_iter().find(|other| agents.kinds(other).iter().any(|name| name == kind));
    if let Some(other) = elsewhere {
        return format!("did you mean ocf:{other}:{kind}?");
    }
    let kinds = agents.kinds(provider);
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    match nearest(kind, &kinds) {
        Some(near) => format!("did you mean ocf:{provider}:{near}?"),
        None => format!("`qrm ra list ocf {provider}` lists what is here"),
    }
}

/// Another resource of the same agent with a value, or with values of a group, that have to be its own.
fn twins(metadata: &MetaData, resource: &OcfResource, all: &[OcfResource]) -> Vec<Problem> {
    let mut own: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for parameter in &metadata.parameters {
        match &parameter.group {
            Some(group) => own.entry(group).or_default().push(&parameter.name),
            None if parameter.unique => own.entry(&parameter.name).or_default().push(&parameter.name),
            None => {}
        }
    }
    let given = |of: &OcfResource, name: &str| {
        let default = || metadata.parameters.iter().find(|it| it.name == name)?.default.clone();
        of.primitive.params.get(name).cloned().or_else(default)
    };
    let mut problems = Vec::new();
    // What is nowhere said is left to the agents, which often make it of the resource's name.
    let is_said = |names: &Vec<&str>| names.iter().any(|name| resource.primitive.params.contains_key(*name));
    for names in own.into_values().filter(is_said) {
        let is_twin = |other: &&OcfResource| {
            other.id != resource.id
                && other.primitive.agent == resource.primitive.agent
                && names.iter().all(|name| given(other, name) == given(resource, name))
        };
        if let Some(other) = all.iter().find(is_twin) {
            let what = format!("its {} is that of '{}' too", names.join(" with "), other.id);
            problems.push(problem(resource, what, "give each its own"));
        }
    }
    problems
}

/// Operations that get less time than the agent's author advises.
pub(super) fn hasty(metadata: &MetaData, resource: &OcfResource, op_defaults: &Attributes) -> Vec<Problem> {
    let too_short = |operation: &&str| {
        let advice = metadata.actions.iter().find(|action| action.name == **operation)?.timeout.as_deref()?;
        let advised = duration(advice)?;
        let has = resource.primitive.operation(operation, op_defaults).timeout;
        let what = format!(
            "op {operation} has {}, and the agent's author advises {}",
            print_duration(has),
            print_duration(advised)
        );
        (has < advised).then(|| problem(resource, what, format!("add `op {operation} timeout={advice}`")))
    };
    ["start", "stop", "monitor"].iter().filter_map(too_short).collect()
}

pub(super) fn problem(resource: &OcfResource, what: impl Into<String>, mend: impl Into<String>) -> Problem {
    Problem { object: resource.id.to_string(), what: what.into(), mend: mend.into() }
}

pub(super) fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
