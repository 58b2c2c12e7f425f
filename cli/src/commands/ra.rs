//! `qrm ra`

mod new;

use super::{Context, view};
use crate::error::CliError;
use clap::{Args, Subcommand};
use quorate_api::proto::ViewKind;
use quorate_core::view::{ActionView, AgentCheck, AgentClasses, AgentInfo, AgentList, AgentQuestion, ParameterView};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Look at resource agents: those of the host that is asked
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub(crate) enum Ra {
    /// Show the classes of agents, and who provides some
    ///
    /// Example: qrm ra classes
    Classes,
    /// Show the agents of a class, or all of them
    ///
    /// Example: qrm ra list ocf heartbeat
    List(List),
    /// Show what an agent does and takes
    ///
    /// Example: qrm ra info ocf:heartbeat:IPaddr2
    #[command(visible_alias = "meta")]
    Info(Info),
    /// Ask an agent whether it would take these parameters; nothing is configured or started
    ///
    /// Example: qrm ra validate ocf:heartbeat:IPaddr2 ip=192.0.2.10
    Validate(Validate),
    /// Write a new agent: thirty lines that work, to begin with
    ///
    /// Asks no daemon. The agent runs once it is in the directory of a provider, on each host.
    ///
    /// Example: qrm ra new mysite:Counter --lang python --directory /usr/lib/ocf/resource.d
    New(new::New),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// ocf, stonith, systemd or vm; all where it is left out
    class: Option<String>,
    /// Only those of this provider
    provider: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// [ocf:][PROVIDER:]TYPE, stonith:TYPE, systemd:UNIT or vm:libvirt
    agent: String,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// [ocf:][PROVIDER:]TYPE, stonith:TYPE, systemd:UNIT or vm:libvirt
    agent: String,
    /// NAME=VALUE
    #[arg(value_parser = pair)]
    params: Vec<(String, String)>,
}

pub(crate) async fn run(context: &Context, command: Ra) -> Result<(), CliError> {
    match command {
        Ra::Classes => {
            let found = ask::<AgentClasses>(context, &AgentQuestion::Classes).await?;
            context.output.answer(&found.raw, || classes(&found.read))
        }
        Ra::New(new) => new::run(context, &new),
        Ra::List(List { class, provider }) => {
            let class = class.unwrap_or_default();
            let found = ask::<AgentList>(context, &AgentQuestion::List { class, provider }).await?;
            context.output.answer(&found.raw, || found.read.agents.join("\n"))
        }
        Ra::Info(Info { agent }) => {
            let found = ask::<AgentInfo>(context, &AgentQuestion::Info { agent }).await?;
            context.output.answer(&found.raw, || info(&found.read))
        }
        Ra::Validate(Validate { agent, params }) => {
            let params = params.into_iter().collect::<BTreeMap<_, _>>();
            let found = ask::<AgentCheck>(context, &AgentQuestion::Validate { agent, params }).await?;
            context.output.answer(&found.raw, || checked(&found.read))?;
            match found.read.ok {
                true => Ok(()),
                false => Err(CliError::refused("the agent does not take these parameters".to_owned(), None)),
            }
        }
    }
}

async fn ask<T: serde::de::DeserializeOwned>(
    context: &Context,
    question: &AgentQuestion,
) -> Result<super::Viewed<T>, CliError> {
    let question = serde_json::to_string(question).expect("a question has text keys");
    view(&context.client().await?, ViewKind::Agents, &question).await
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "write NAME=VALUE".to_owned())
}

fn classes(classes: &AgentClasses) -> String {
    let line = |class: &quorate_core::view::ClassView| match class.providers.is_empty() {
        true => class.class.clone(),
        false => format!("{} / {}", class.class, class.providers.join(" ")),
    };
    classes.classes.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn info(info: &AgentInfo) -> String {
    let mut text = format!("{} ({})\n\n{}\n", info.short, info.agent, info.long);
    if !info.parameters.is_empty() {
        text.push_str("\nParameters (*: required, []: default):\n");
    }
    for it in &info.parameters {
        parameter(&mut text, it);
    }
    if !info.actions.is_empty() {
        text.push_str("\nOperations, as the agent's author advises them:\n\n");
    }
    for it in &info.actions {
        text.push_str(&action(it));
    }
    if !info.notes.is_empty() {
        _ = write!(text, "\nOdd in what it says of itself:\n\n    {}\n", info.notes.join("\n    "));
    }
    text
}

fn parameter(text: &mut String, it: &ParameterView) {
    let star = if it.required { "*" } else { "" };
    let mut about = it.kind.clone();
    if let Some(default) = &it.default {
        _ = write!(about, ", [{default}]");
    }
    if !it.options.is_empty() {
        _ = write!(about, ", one of {}", it.options.join(", "));
    }
    if let Some(group) = &it.group {
        _ = write!(about, ", unique with those of {group}");
    }
    for (is_so, word) in
        [(it.unique, "unique"), (it.reloadable, "reloadable"), (it.deprecated, "not to be used any more")]
    {
        if is_so {
            _ = write!(about, ", {word}");
        }
    }
    _ = writeln!(text, "\n{}{star} ({about}): {}", it.name, it.short);
    for line in it.long.lines() {
        _ = writeln!(text, "    {}", line.trim());
    }
}

fn action(it: &ActionView) -> String {
    let parts = [("timeout", &it.timeout), ("interval", &it.interval), ("depth", &it.depth), ("role", &it.role)];
    let said = parts.into_iter().filter_map(|(name, value)| Some(format!(" {name}={}", value.as_ref()?)));
    format!("    {}{}\n", it.name, said.collect::<String>())
}

fn checked(check: &AgentCheck) -> String {
    let mut lines = check.complaints.clone();
    lines.extend(check.validate_all.as_ref().map(|end| format!("validate-all on {}: {end}", check.node)));
    lines.join("\n")
}
