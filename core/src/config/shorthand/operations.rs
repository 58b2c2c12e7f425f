//! What rules in `op_defaults` come to: the operations that they are about say it themselves. They ask what runs a resource
//! and which operation it is, which only a commit changes.

use crate::config::ruled::merged;
use crate::config::{AgentClass, Attributes, Operation, Primitive, RuledSet, Section};
use crate::grammar::duration;
use crate::rule::{INTERVAL, OPERATION};
use crate::time::Timestamp;
use std::time::Duration;

/// Puts what the sets say into every operation that does not say it itself.
pub(super) fn fill(whole: &mut Primitive, migrates: bool, plain: &Attributes, sets: &[RuledSet]) {
    if sets.is_empty() || whole.is_fence_device() {
        return;
    }
    let (agent, class) = (whole.agent.facts(), whole.agent.class);
    for name in names(whole, migrates) {
        if !whole.has_operation(name) {
            whole.operations.push(Operation { name: name.to_owned(), attributes: Attributes::new() });
        }
    }
    for operation in &mut whole.operations {
        let interval = interval(class, operation, plain);
        let mut facts = agent.clone();
        facts.insert(OPERATION.to_owned(), operation.name.clone());
        facts.insert(INTERVAL.to_owned(), interval.as_millis().to_string());
        let said = merged(plain, sets, Section::Operation, &facts, Timestamp::default());
        for (name, value) in said.iter().filter(|(name, value)| plain.get(*name) != Some(value)) {
            operation.attributes.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    whole.operations.retain(|operation| !operation.attributes.is_empty());
}

/// The operations that are carried out without being written.
fn names(primitive: &Primitive, migrates: bool) -> Vec<&'static str> {
    let mut names = vec!["start", "stop", "monitor"];
    match primitive.agent.class {
        AgentClass::Vm => names.extend(["migrate_to", "migrate_from"]),
        AgentClass::Ocf if migrates => names.extend(["migrate_to", "migrate_from"]),
        _ if primitive.is_promotable() => names.extend(["promote", "demote"]),
        _ => {}
    }
    names
}

fn interval(class: AgentClass, operation: &Operation, plain: &Attributes) -> Duration {
    if operation.name != "monitor" {
        return Duration::ZERO;
    }
    let written = operation.attributes.get("interval").or_else(|| plain.get("interval"));
    let default = || if class == AgentClass::Vm { Duration::from_secs(10) } else { Duration::ZERO };
    written.and_then(|text| duration(text)).unwrap_or_else(default)
}
