//! `qrm simulate`

use super::Context;
use super::configure::load::read;
use crate::error::CliError;
use crate::output::transition;
use clap::Args;
use quorate_core::cib;
use quorate_core::scheduler::{Outcome, Role, schedule};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show what Quorate would do with a Pacemaker configuration and its status, and what would be then
///
/// Nothing is changed and no daemon is asked: the transition is run in memory.
///
/// Example: qrm simulate --cib cib.xml
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// A Pacemaker CIB (`cibadmin --query`); `-` is standard input
    #[arg(long, value_name = "FILE")]
    cib: PathBuf,
    /// Plan as of this time: ISO 8601 or seconds since 1970; without it, the file's own
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(crate) fn run(context: &Context, command: &Simulate) -> Result<(), CliError> {
    let at = match &command.at {
        None => None,
        Some(text) => Some(cib::moment(text).ok_or_else(|| {
            CliError::usage(format!("{text:?} is no time"), Some("write 2026-11-22T12:30, or seconds since 1970"))
        })?),
    };
    let text = read(&command.cib)?;
    let name = command.cib.display();
    let clock = jiff::Timestamp::now().as_second();
    let model = cib::read(&text, at, clock).map_err(|error| {
        let lines: Vec<String> = error.to_string().lines().map(|line| format!("{name}: {line}")).collect();
        CliError::refused(lines.join("\n"), None)
    })?;
    let outcome = schedule(model);
    context.output.answer(&document(&outcome), || transition(&outcome))
}

fn document(outcome: &Outcome) -> Value {
    let (mut placement, mut roles) = (serde_json::Map::new(), serde_json::Map::new());
    for done in &outcome.after {
        placement.insert(done.resource.clone(), json!(done.on.keys().collect::<Vec<_>>()));
        let each = done.on.iter().map(|(node, role)| (node.clone(), Value::from(role_name(*role)))).collect();
        roles.insert(done.resource.clone(), Value::Object(each));
    }
    let step = |step: &quorate_core::scheduler::Step| json!({ "op": step.op, "resource": step.resource, "instances": step.instances, "node": step.node, "reason": step.reason });
    json!({
        "schema": "simulate/1",
        "fenced": outcome.fenced.keys().collect::<Vec<_>>(),
        "placement": placement,
        "roles": roles,
        "actions": outcome.steps.iter().map(step).collect::<Vec<_>>(),
        "order": outcome.order,
        "warnings": outcome.warnings,
    })
}

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Promoted => "Promoted",
        Role::Unpromoted => "Unpromoted",
        Role::Stopped | Role::Unknown => "Stopped",
        Role::Started => "Started",
    }
}
