//! Operations: how long each may take, how often monitors run, and what follows a failure.

use super::origin::{ORIGIN, origin, origin_errors};
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
    /// A monitor's first look waits so long; after its interval where it is zero.
    pub start_delay: Duration,
    /// A monitor looks at this second since 1970, and whole intervals before and after it.
    pub origin: Option<i64>,
}

/// What of the operations that only some clones have is ever run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cloned {
    /// Some instances are promoted.
    pub is_promotable: bool,
    /// Instances are told what is done to their clone.
    pub notifies: bool,
}

impl Cloned {
    /// Nobody knows yet how it will be cloned.
    pub const ANYHOW: Self = Self { is_promotable: true, notifies: true };

    /// As this is.
    pub fn of(primitive: &Primitive) -> Self {
        Self { is_promotable: primitive.is_promotable(), notifies: primitive.notifies() }
    }
}

/// Before the interval, in milliseconds, of a monitor that is not the first: what failed is named by it.
const MONITOR: &str = "monitor_";

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
            // systemd itself gives up after 90 s, and says how it ended then.
            (AgentClass::Systemd, "start" | "stop") => 100,
            // Pacemaker's; what an agent's meta-data says is advice.
            (AgentClass::Vm | AgentClass::Stonith | AgentClass::Ocf | AgentClass::Systemd, _) => 20,
        };
        let recurs = class == AgentClass::Vm && operation == "monitor";
        Self {
            timeout: Duration::from_secs(seconds),
            interval: Duration::from_secs(if recurs { 10 } else { 0 }),
            on_fail: if operation == "stop" { OnFail::Fence } else { OnFail::Restart },
            enabled: true,
            start_delay: Duration::ZERO,
            origin: None,
        }
    }

    /// What is written for an operation over its class's defaults. What is not understood is `operation_errors`'s to
    /// report.
    fn read(class: AgentClass, name: &str, written: [Option<&Attributes>; 2]) -> Self {
        let mut spec = Self::new(class, name);
        for (attribute, value) in written.into_iter().flatten().flatten() {
            let _ = spec.set(name, attribute, value);
        }
        let is_of_role = name == "promote" || written.iter().flatten().any(|it| is_promoted(it));
        if spec.on_fail == OnFail::Demote && !is_of_role {
            spec.on_fail = OnFail::Restart;
        }
        spec
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
            // The two exclude each other: what is written for the operation comes in place of the other of `op_defaults`.
            "start-delay" => {
                self.start_delay = time()?;
                self.origin = self.origin.filter(|_| self.start_delay.is_zero());
            }
            "interval-origin" => {
                let at =
                    origin(value).ok_or("a date and time such as 2026-11-22T02:00Z, or a day such as 2026-W01-1")?;
                (self.origin, self.start_delay) = (Some(at), Duration::ZERO);
            }
            "OCF_CHECK_LEVEL" => _ = value.parse::<u32>().map_err(|_| "a depth: 0, 10, 20 …")?,
            "enabled" => self.enabled = boolean(value).ok_or("true or false")?,
            "on-fail" if operation == "stop" => {
                self.on_fail = match on_fail(value) {
                    Some(OnFail::Fence) => OnFail::Fence,
                    Some(OnFail::Block) => OnFail::Block,
                    // What did not stop may still run: starting it elsewhere would run it twice.
                    _ => return Err("fence or block, for what did not stop may still run"),
                }
            }
            "on-fail" => self.on_fail = on_fail(value).ok_or("restart, stop, block, ignore, demote or fence")?,
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
        "demote" => Some(OnFail::Demote),
        _ => None,
    }
}

impl Primitive {
    /// How an operation runs. A value that is not understood keeps its default; `operation_errors` names it.
    ///
    /// Of several monitors the first recurring one counts, and of `monitor_60000` the one with an interval of a minute.
    pub fn operation(&self, name: &str, op_defaults: &Attributes) -> OperationSpec {
        let asked = name.strip_prefix(MONITOR).and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
        if let Some(interval) = asked {
            let of_roles = self.promoted_monitors(op_defaults).into_iter().chain(self.stopped_monitors(op_defaults));
            let mut all = self.monitors(op_defaults).into_iter().chain(of_roles);
            let other = all.find(|monitor| monitor.interval == interval);
            return other.unwrap_or_else(|| self.operation("monitor", op_defaults));
        }
        let written = self.written_operation(name).map(|op| &op.attributes);
        OperationSpec::read(self.agent.class, name, [Some(op_defaults), written])
    }

    /// Whether a line says something of this operation.
    pub(super) fn has_operation(&self, name: &str) -> bool {
        self.written_operation(name).is_some()
    }

    fn written_operation(&self, name: &str) -> Option<&Operation> {
        // `op monitor interval=0` is the probe's line in configurations made for Pacemaker.
        let is_meant =
            |op: &&Operation| op.name == name && !op.is_probe() && !(name == "monitor" && op.is_of_other_role());
        self.operations.iter().find(is_meant)
    }

    /// Every recurring monitor of what runs, the first one first: each has an interval of its own.
    pub fn monitors(&self, op_defaults: &Attributes) -> Vec<OperationSpec> {
        let first = self.operation("monitor", op_defaults);
        let written =
            self.operations.iter().filter(|op| op.name == "monitor" && !op.is_probe() && !op.is_of_other_role());
        let read = written
            .map(|op| OperationSpec::read(self.agent.class, "monitor", [Some(op_defaults), Some(&op.attributes)]));
        let mut all: Vec<OperationSpec> = Vec::new();
        for monitor in std::iter::once(first).chain(read) {
            let is_known = all.iter().any(|known| known.interval == monitor.interval);
            if monitor.enabled && !monitor.interval.is_zero() && !is_known {
                all.push(monitor);
            }
        }
        all
    }

    /// Every recurring monitor of what is promoted: those for that role, and where there is none those of what runs.
    pub fn promoted_monitors(&self, op_defaults: &Attributes) -> Vec<OperationSpec> {
        let written = self.operations.iter().filter(|op| op.name == "monitor" && !op.is_probe() && op.is_of_promoted());
        let read = written
            .map(|op| OperationSpec::read(self.agent.class, "monitor", [Some(op_defaults), Some(&op.attributes)]));
        let all: Vec<OperationSpec> = read.filter(|it| it.enabled && !it.interval.is_zero()).collect();
        if all.is_empty() { self.monitors(op_defaults) } else { all }
    }

    /// Every recurring monitor of where it should not run: what looks for a second one.
    pub fn stopped_monitors(&self, op_defaults: &Attributes) -> Vec<OperationSpec> {
        let written = self.operations.iter().filter(|op| op.name == "monitor" && !op.is_probe() && op.is_of_stopped());
        let read = written
            .map(|op| OperationSpec::read(self.agent.class, "monitor", [Some(op_defaults), Some(&op.attributes)]));
        read.filter(|it| it.enabled && !it.interval.is_zero()).collect()
    }

    /// What the failure of the monitor with this interval is named.
    pub fn monitor_key(&self, interval: Duration, op_defaults: &Attributes) -> String {
        match self.operation("monitor", op_defaults).interval == interval {
            true => "monitor".to_owned(),
            false => format!("{MONITOR}{}", interval.as_millis()),
        }
    }

    /// Everything about the operations that is not understood or has no effect, all at once. How it is cloned may be
    /// said by its clone alone.
    pub fn operation_errors(&self, id: &ResourceId, cloned: Cloned) -> Vec<MetaError> {
        let Cloned { is_promotable, notifies } = cloned;
        let names = operation_names(self.agent.class);
        let mut errors = Vec::new();
        let mut seen: Vec<(&str, Option<Duration>)> = Vec::new();
        for operation in &self.operations {
            let name = operation.name.as_str();
            // Several monitors have several intervals.
            let key = (name, operation.interval().filter(|_| name == "monitor"));
            let is_of_role = is_promotable && (ROLES.contains(&name) || operation.is_of_promoted());
            let is_of_agents = self.agent.class == AgentClass::Ocf || !name.starts_with("reload");
            let is_notice = name == "notify" && notifies;
            let idle = (LATER.contains(&name) && !is_of_role && !is_notice)
                || !is_of_agents
                || operation.is_probe()
                || (name == "monitor" && operation.is_of_other_role() && !is_of_role && !operation.is_of_stopped())
                || seen.contains(&key);
            if idle {
                let (name, value) = match operation.attributes.get("interval") {
                    Some(interval) => (format!("op {name} interval"), interval.clone()),
                    None => (format!("op {name}"), String::new()),
                };
                let resource = id.clone();
                errors.push(MetaError::NotHonoured { resource, name, value });
            } else if names.contains(&name) {
                seen.push(key);
            } else {
                errors.push(MetaError::Unknown {
                    resource: id.clone(),
                    kind: "operation",
                    name: name.to_owned(),
                    near: nearest(name, names),
                });
            }
            let is_demoted = operation.attributes.get("on-fail").is_some_and(|value| value == "demote");
            if is_demoted && name != "promote" && !operation.is_of_promoted() {
                let (resource, name) = (id.clone(), format!("op {name} on-fail"));
                errors.push(MetaError::NotHonoured { resource, name, value: "demote".to_owned() });
            }
            errors.extend(attribute_errors(id, self.agent.class, name, &operation.attributes));
            errors.extend(origin_errors(id, self.agent.class, name, &operation.attributes));
        }
        errors
    }
}

impl Operation {
    fn interval(&self) -> Option<Duration> {
        self.attributes.get("interval").and_then(|text| duration(text))
    }

    fn is_probe(&self) -> bool {
        self.name == "monitor" && self.interval().is_some_and(|interval| interval.is_zero())
    }

    /// It looks at what is promoted.
    fn is_of_promoted(&self) -> bool {
        is_promoted(&self.attributes)
    }

    /// It looks where nothing should run.
    fn is_of_stopped(&self) -> bool {
        self.attributes.get("role").is_some_and(|role| role.eq_ignore_ascii_case("stopped"))
    }

    /// It looks at what is promoted, or at what should not run.
    fn is_of_other_role(&self) -> bool {
        let role = self.attributes.get("role").map(|role| role.to_ascii_lowercase());
        role.is_some_and(|role| !["started", "slave", "unpromoted"].contains(&role.as_str()))
    }
}

/// What these attributes of an operation are for is promoted.
fn is_promoted(attributes: &Attributes) -> bool {
    let role = attributes.get("role").map(|role| role.to_ascii_lowercase());
    role.is_some_and(|role| ["promoted", "master"].contains(&role.as_str()))
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
        // Status shows what is under way in any case.
        if name == "record-pending" && boolean(value) == Some(true) {
            return None;
        }
        // The first look of a monitor waits; nothing else does. Fence devices are read by the drill's own clock.
        let is_of_monitor = ["", "monitor"].contains(&operation);
        let is_idle = match name.as_str() {
            "start-delay" => !is_of_monitor && duration(value).is_some_and(|it| !it.is_zero()),
            ORIGIN => !is_of_monitor || class == AgentClass::Stonith,
            other => NOT_HONOURED.contains(&other),
        };
        if is_idle {
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
        AgentClass::Ocf => &[
            "demote",
            "migrate_from",
            "migrate_to",
            "monitor",
            "notify",
            "promote",
            "reload",
            "reload-agent",
            "start",
            "stop",
        ],
        AgentClass::Systemd => &["monitor", "start", "stop"],
        AgentClass::Stonith => &["monitor", "off", "on", "reboot", "start", "status", "stop"],
    }
}

/// Operations that only clones of some kind have.
const LATER: &[&str] = &["demote", "notify", "promote"];

/// Of these, what promotable clones have.
const ROLES: &[&str] = &["demote", "promote"];

/// What an `op` line may say with an effect.
const OPERATION_ATTRIBUTES: &[&str] =
    &["OCF_CHECK_LEVEL", "enabled", "interval", ORIGIN, "on-fail", "role", "start-delay", "timeout"];

/// What configurations made for Pacemaker say besides.
const NOT_HONOURED: &[&str] = &["description", "record-pending", "requires"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar;

    fn primitive(operations: &str) -> Primitive {
        let config = grammar::read(&format!("primitive r ocf:a:b {operations}\n"), &mut |_| Err(String::new()));
        config.expect("the text is valid").primitives.remove(&ResourceId::from("r")).expect("it is there")
    }

    #[test]
    fn every_recurring_monitor_is_one_of_its_own() {
        let it = primitive(
            "op monitor interval=0 timeout=9s op monitor interval=10s timeout=5s start-delay=3s op monitor interval=60s OCF_CHECK_LEVEL=10 on-fail=block \
             op monitor interval=7s enabled=false op monitor interval=11s role=Promoted",
        );
        let defaults = Attributes::from([("timeout".to_owned(), "33s".to_owned())]);
        let seconds = Duration::from_secs;
        let read: Vec<_> = it.monitors(&defaults).iter().map(|it| (it.interval, it.timeout, it.on_fail)).collect();
        let wanted = [(seconds(10), seconds(5), OnFail::Restart), (seconds(60), seconds(33), OnFail::Block)];
        assert_eq!(read, wanted);
        assert_eq!(it.monitors(&defaults)[0].start_delay, seconds(3));
        assert_eq!(it.monitor_key(seconds(10), &defaults), "monitor");
        let key = it.monitor_key(seconds(60), &defaults);
        assert_eq!((key.as_str(), it.operation(&key, &defaults).on_fail), ("monitor_60000", OnFail::Block));
        // Of a monitor that is no longer configured the first one's word holds.
        assert_eq!(it.operation("monitor_5000", &defaults).interval, seconds(10));
        let errors: Vec<String> =
            it.operation_errors(&"r".into(), Cloned::of(&it)).iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        let twice = primitive("op monitor interval=10s op monitor interval=10 OCF_CHECK_LEVEL=deep");
        let errors: Vec<String> =
            twice.operation_errors(&"r".into(), Cloned::of(&twice)).iter().map(ToString::to_string).collect();
        assert!(errors[0].contains("interval=10 has no effect") && errors[1].contains("a depth: 0, 10"), "{errors:?}");
        assert!(primitive("op start timeout=5s").monitors(&Attributes::new()).is_empty());
        let promoted: Vec<_> = it.promoted_monitors(&defaults).iter().map(|it| it.interval).collect();
        assert_eq!(promoted, [seconds(11)], "what is promoted has monitors of its own");
        assert_eq!(it.operation("monitor_11000", &defaults).interval, seconds(11));
        assert_eq!(twice.promoted_monitors(&defaults), twice.monitors(&defaults), "or those of what runs");
    }

    #[test]
    fn what_delays_nothing_is_said_to_have_no_effect() {
        let told = |operations: &str| -> Vec<String> {
            let it = primitive(operations);
            let errors = it.operation_errors(&"r".into(), Cloned::of(&it));
            errors.iter().map(ToString::to_string).collect()
        };
        let late =
            told("op start timeout=9s start-delay=5s op monitor interval=10s start-delay=5s op stop start-delay=0");
        assert!(matches!(&late[..], [one] if one.contains("op start start-delay=5s has no effect")), "{late:?}");
        let late = told("op start interval=0 interval-origin=2026-11-22T18:00Z");
        assert!(matches!(&late[..], [one] if one.contains("has no effect")), "{late:?}");
    }

    #[test]
    fn an_origin_is_one_clear_time() {
        let told = |operations: &str| -> Vec<(String, bool)> {
            let it = primitive(operations);
            let errors = it.operation_errors(&"r".into(), Cloned::of(&it));
            errors.iter().map(|error| (error.to_string(), error.is_warning())).collect()
        };
        let check = |operations: &str, wanted: &[(&str, bool)]| {
            let told = told(operations);
            let fits = |(one, (text, is_warning)): (&(String, bool), &(&str, bool))| {
                one.0.contains(text) && one.1 == *is_warning
            };
            assert!(told.len() == wanted.len() && told.iter().zip(wanted).all(fits), "{operations}: {told:?}");
        };
        check("op monitor interval=1d interval-origin=2026-11-22T02:00Z", &[]);
        check("op monitor interval=P7D interval-origin=2009-W01-1", &[]);
        check("op monitor interval=1d interval-origin=2026-11-22T02:00Z start-delay=0", &[]);
        check("op monitor interval=1d interval-origin=night", &[("interval-origin=night is not understood", false)]);
        check("op monitor interval=1d interval-origin=night start-delay=5s", &[("=night is not understood", false)]);
        let both = "op monitor interval=1d interval-origin=2026-11-22T02:00Z start-delay=5s";
        check(both, &[("exclude each other", false)]);
        check("op monitor interval=1d interval-origin=2026-11-22T02:00", &[("is UTC", true)]);
        check("op monitor timeout=9s interval-origin=2026-11-22T02:00Z", &[("has no effect", true)]);
    }

    #[test]
    fn of_delay_and_origin_the_nearer_word_holds() {
        let seconds = Duration::from_secs;
        let read = |operation: &str, name: &str, value: &str| {
            let defaults = Attributes::from([(name.to_owned(), value.to_owned())]);
            let spec = primitive(&format!("op monitor interval=1d {operation}")).operation("monitor", &defaults);
            (spec.origin, spec.start_delay)
        };
        assert_eq!(read("", ORIGIN, "1970-01-02"), (Some(86_400), Duration::ZERO));
        assert_eq!(read("start-delay=5s", ORIGIN, "1970-01-02"), (None, seconds(5)));
        assert_eq!(read("start-delay=0", ORIGIN, "1970-01-02"), (Some(86_400), Duration::ZERO));
        assert_eq!(read("interval-origin=1970-01-02", "start-delay", "5s"), (Some(86_400), Duration::ZERO));
    }

    #[test]
    fn only_what_is_promoted_is_demoted_on_failure() {
        let it =
            primitive("op monitor interval=10s on-fail=demote op monitor interval=11s role=Promoted on-fail=demote");
        let on_fail = |key: &str| it.operation(key, &Attributes::new()).on_fail;
        assert_eq!((on_fail("monitor"), on_fail("monitor_11000")), (OnFail::Restart, OnFail::Demote));
        let errors: Vec<String> =
            it.operation_errors(&"r".into(), Cloned::of(&it)).iter().map(ToString::to_string).collect();
        assert!(errors.iter().any(|error| error.contains("op monitor on-fail=demote has no effect")), "{errors:?}");
    }
}
