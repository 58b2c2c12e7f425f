//! Operations: how long each may take, how often monitors run, and what follows a failure.

use super::{AgentClass, Attributes, MetaError, OnFail, Operation, Primitive, boolean, validate::nearest};
use crate::grammar::duration;
use crate::id::ResourceId;
use std::time::Duration;

/// One operation with its meaning: `op` line over `op_defaults` over the agent class's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationSpec {
    /// It has failed when it has not returned after this.
    pub timeout: Duration,
    /// Time between two runs; zero for what is not recurring.
    pub interval: Duration,
    /// What follows a failure, where fencing is enabled; `consequence` is what follows in any case.
    pub on_fail: OnFail,
    /// False when a recurring monitor is switched off.
    pub enabled: bool,
}

impl OperationSpec {
    /// What follows a failure: without fencing nothing can be fenced, and a person must look.
    pub fn consequence(&self, stonith_enabled: bool) -> OnFail {
        match self.on_fail {
            OnFail::Fence if !stonith_enabled => OnFail::Block,
            on_fail => on_fail,
        }
    }

    fn new(class: AgentClass, operation: &str) -> Self {
        let seconds = match (class, operation) {
            (AgentClass::Vm, "start") => 60,
            (AgentClass::Vm, "stop") => 90,
            // A large guest on a slow link: what goes wrong is noticed sooner by other means.
            (AgentClass::Vm, "migrate_to") => 300,
            (AgentClass::Vm, "migrate_from") => 60,
            // Pacemaker's; what an agent's meta-data says is advice.
            (AgentClass::Vm | AgentClass::Stonith | AgentClass::Ocf, _) => 20,
        };
        let recurs = class == AgentClass::Vm && operation == "monitor";
        Self {
            timeout: Duration::from_secs(seconds),
            interval: Duration::from_secs(if recurs { 10 } else { 0 }),
            on_fail: if operation == "stop" { OnFail::Fence } else { OnFail::Restart },
            enabled: true,
        }
    }

    /// Sets one attribute; the error says what its value may be.
    fn set(&mut self, operation: &str, name: &str, value: &str) -> Result<(), &'static str> {
        const TIME: &str = "a time above zero such as 20s or 2m";
        let time = || duration(value).ok_or(TIME);
        match name {
            "timeout" => self.timeout = time().and_then(|time| if time.is_zero() { Err(TIME) } else { Ok(time) })?,
            // The interval of anything but a monitor says nothing; configurations bring `interval=0` along.
            "interval" if operation != "monitor" => _ = time()?,
            "interval" => self.interval = time()?,
            "enabled" => self.enabled = boolean(value).ok_or("true or false")?,
            "on-fail" if operation == "stop" => {
                self.on_fail = match on_fail(value) {
                    Some(OnFail::Fence) => OnFail::Fence,
                    Some(OnFail::Block) => OnFail::Block,
                    // What did not stop may still run: starting it elsewhere would run it twice.
                    _ => return Err("fence or block, for what did not stop may still run"),
                }
            }
            "on-fail" => self.on_fail = on_fail(value).ok_or("restart, stop, block, ignore or fence")?,
            _ => {}
        }
        Ok(())
    }
}

fn on_fail(value: &str) -> Option<OnFail> {
    match value {
        "restart" => Some(OnFail::Restart),
        "fence" => Some(OnFail::Fence),
        "block" => Some(OnFail::Block),
        "ignore" => Some(OnFail::Ignore),
        "stop" => Some(OnFail::Stop),
        _ => None,
    }
}

impl Primitive {
    /// How an operation runs. A value that is not understood keeps its default; `operation_errors` names it.
    ///
    /// Of several monitors the first recurring one counts.
    pub fn operation(&self, name: &str, op_defaults: &Attributes) -> OperationSpec {
        let mut spec = OperationSpec::new(self.agent.class, name);
        // `op monitor interval=0` is the probe's line in configurations made for Pacemaker.
        let written = self.operations.iter().find(|op| op.name == name && !op.is_probe());
        for attributes in [Some(op_defaults), written.map(|op| &op.attributes)].into_iter().flatten() {
            for (attribute, value) in attributes {
                // The error is `operation_errors`'s to report.
                let _ = spec.set(name, attribute, value);
            }
        }
        spec
    }

    /// Everything about the operations that is not understood or has no effect, all at once.
    pub fn operation_errors(&self, id: &ResourceId) -> Vec<MetaError> {
        let names = operation_names(self.agent.class);
        let mut errors = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for operation in &self.operations {
            let name = operation.name.as_str();
            let idle = LATER.contains(&name) || operation.is_probe() || seen.contains(&name);
            if idle {
                let (name, value) = match operation.attributes.get("interval") {
                    Some(interval) => (format!("op {name} interval"), interval.clone()),
                    None => (format!("op {name}"), String::new()),
                };
                let resource = id.clone();
                errors.push(MetaError::NotHonoured { resource, name, value });
            } else if names.contains(&name) {
                seen.push(name);
            } else {
                errors.push(MetaError::Unknown {
                    resource: id.clone(),
                    kind: "operation",
                    name: name.to_owned(),
                    near: nearest(name, names),
                });
            }
            errors.extend(attribute_errors(id, self.agent.class, name, &operation.attributes));
        }
        errors
    }
}

impl Operation {
    fn is_probe(&self) -> bool {
        let interval = self.attributes.get("interval");
        self.name == "monitor" && interval.and_then(|text| duration(text)).is_some_and(|interval| interval.is_zero())
    }
}

/// What is not understood in the attributes of one operation, or in `op_defaults`.
pub(crate) fn attribute_errors(
    id: &ResourceId,
    class: AgentClass,
    operation: &str,
    attributes: &Attributes,
) -> Vec<MetaError> {
    let mut spec = OperationSpec::new(class, operation);
    let label = |name: &str| match operation {
        "" => name.to_owned(),
        operation => format!("op {operation} {name}"),
    };
    let error = |(name, value): (&String, &String)| {
        let (resource, label) = (id.clone(), label(name));
        if NOT_HONOURED.contains(&name.as_str()) {
            return Some(MetaError::NotHonoured { resource, name: label, value: value.clone() });
        }
        if !OPERATION_ATTRIBUTES.contains(&name.as_str()) {
            let (kind, near) = ("operation attribute", nearest(name, OPERATION_ATTRIBUTES));
            return Some(MetaError::Unknown { resource, kind, name: label, near });
        }
        let expected = spec.set(operation, name, value).err()?;
        Some(MetaError::Value { resource, name: label, value: value.clone(), expected })
    };
    attributes.iter().filter_map(error).collect()
}

fn operation_names(class: AgentClass) -> &'static [&'static str] {
    match class {
        AgentClass::Vm => &["migrate_from", "migrate_to", "monitor", "start", "stop"],
        AgentClass::Ocf => &["monitor", "start", "stop"],
        AgentClass::Stonith => &["monitor", "off", "on", "reboot", "start", "status", "stop"],
    }
}

/// Operations that are accepted and never run so far.
const LATER: &[&str] = &["demote", "notify", "promote", "reload"];

/// What an `op` line may say with an effect.
const OPERATION_ATTRIBUTES: &[&str] = &["enabled", "interval", "on-fail", "timeout"];

/// What configurations made for Pacemaker say besides.
const NOT_HONOURED: &[&str] = &["description", "interval-origin", "record-pending", "requires", "role", "start-delay"];
