//! A primitive: one VM or one fence device, its agent, parameters, meta attributes and operations.

use super::RuledSet;
use crate::grammar::duration;
use crate::id::NodeId;
use crate::rule::{CLASS, KIND, PROVIDER};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// No watchdog is waited for longer, and none is fed on one answer for longer.
pub(crate) const WATCHDOG_LONGEST: Duration = Duration::from_secs(300);

/// Names and values as they were written.
pub type Attributes = BTreeMap<String, String>;

/// `primitive ID AGENT params … meta … op …`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primitive {
    /// What carries out its actions.
    pub agent: Agent,
    /// `params`, handed to the agent; for `vm:libvirt`, `xml` is the domain's definition itself.
    pub params: Attributes,
    /// `meta` attributes as written; `ResourceMeta::read` gives them meaning.
    pub meta: Attributes,
    /// `utilization`, compared with the nodes' capacity.
    pub utilization: Attributes,
    /// `op` lines, in the order written.
    pub operations: Vec<Operation>,
    /// Sets of `params` and `meta` that have a rule or a score, in the order written.
    pub ruled: Vec<RuledSet>,
}

/// `CLASS:TYPE` or `CLASS:PROVIDER:TYPE`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The convention it follows.
    pub class: AgentClass,
    /// The provider, for OCF.
    pub provider: Option<String>,
    /// The agent's own name.
    pub kind: String,
}

/// The conventions an agent may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentClass {
    /// A virtual machine: `vm:libvirt`, `vm:fake`.
    Vm,
    /// A fence device: `stonith:ipmi`, `stonith:fence_ipmilan`, `stonith:fake`.
    Stonith,
    /// An OCF resource agent: `ocf:heartbeat:IPaddr2`.
    Ocf,
    /// A unit of the host's service manager: `systemd:nginx`.
    Systemd,
}

/// `op NAME interval=… timeout=… on-fail=…`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// start, stop or monitor.
    pub name: String,
    /// Its attributes as written.
    pub attributes: Attributes,
}

/// What should become of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetRole {
    /// Running.
    Started,
    /// Not running.
    Stopped,
    /// Running, and of a promotable clone nowhere promoted.
    Unpromoted,
}

/// What follows a failed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFail {
    /// Stop and start it, here or elsewhere.
    Restart,
    /// Fence the node.
    Fence,
    /// Leave it to a person.
    Block,
    /// Go on as if it had not failed.
    Ignore,
    /// Stop it and leave it stopped.
    Stop,
    /// Demote it, and see what is to be promoted then.
    Demote,
}

impl AgentClass {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::Stonith => "stonith",
            Self::Ocf => "ocf",
            Self::Systemd => "systemd",
        }
    }
}

impl Agent {
    /// What rules in defaults may ask of it.
    pub fn facts(&self) -> BTreeMap<String, String> {
        let all = [
            (CLASS, Some(self.class.word().to_owned())),
            (PROVIDER, self.provider.clone()),
            (KIND, Some(self.kind.clone())),
        ];
        all.into_iter().filter_map(|(fact, value)| Some((fact.to_owned(), value?))).collect()
    }

    /// The agent as it is written: `vm:libvirt`.
    pub fn text(&self) -> String {
        let class = self.class.word();
        match &self.provider {
            Some(provider) => format!("{class}:{provider}:{}", self.kind),
            None => format!("{class}:{}", self.kind),
        }
    }
}

impl Primitive {
    /// Whether this is a fence device: configured and used, never started.
    pub fn is_fence_device(&self) -> bool {
        self.agent.class == AgentClass::Stonith
    }

    /// Whether this is a fence device that nobody can tell to act: the host's own watchdog.
    pub fn is_watchdog(&self) -> bool {
        self.is_fence_device() && ["watchdog", "fence_watchdog"].contains(&self.agent.kind.as_str())
    }

    /// Whether this is a fence device that leaves pills on shared disks, for hosts whose watchdog is fed by who reads them.
    pub fn is_pill(&self) -> bool {
        self.is_fence_device() && ["sbd", "fence_sbd"].contains(&self.agent.kind.as_str())
    }

    /// The disks of a device that leaves pills, in the order written.
    pub fn pill_disks(&self) -> Vec<String> {
        crate::pill::disks(self.params.get("devices").map_or("", String::as_str))
    }

    /// Whether the operator has said by name that the device's word is a proof.
    pub fn is_vouched_for(&self) -> bool {
        self.params.get("proves_off").and_then(|value| boolean(value)).unwrap_or(false)
    }

    /// A watchdog's terms but for the grace: its timeout, and for how long an answer allows feeding it.
    pub fn watchdog_times(&self) -> (Duration, Duration) {
        let time = |name: &str, usual: u64| {
            let given = self.params.get(name).and_then(|text| duration(text.trim()));
            given.unwrap_or(Duration::from_secs(usual)).clamp(Duration::from_secs(1), WATCHDOG_LONGEST)
        };
        // Who reads a pill resets itself: the watchdog is for who does not, and need not be patient with a daemon.
        (time("timeout", if self.is_pill() { 5 } else { 10 }), time("window", 5))
    }

    /// Whether an agent on its host starts and stops it: it may be cloned, and is no machine with an identity of its own.
    pub fn is_service(&self) -> bool {
        matches!(self.agent.class, AgentClass::Ocf | AgentClass::Systemd)
    }

    /// The nodes a fence device is for, each once and in the order written: `pcmk_host_list` (blanks, commas or
    /// semicolons between), the names of `pcmk_host_map` (`n1:1;n2:2,3`), and `target`.
    pub fn fence_targets(&self) -> Vec<NodeId> {
        let list = |name: &str| self.params.get(name).map_or("", String::as_str);
        let separators = |c: char| c.is_whitespace() || c == ',' || c == ';';
        let mapped = list("pcmk_host_map")
            .split(|c: char| c.is_whitespace() || c == ';')
            .filter_map(|entry| entry.split([':', '=']).next());
        let named = list("pcmk_host_list").split(separators).chain(mapped).chain(list("target").split(separators));
        let mut targets: Vec<NodeId> = Vec::new();
        for name in named.filter(|name| !name.is_empty()).map(NodeId::from) {
            if !targets.contains(&name) {
                targets.push(name);
            }
        }
        targets
    }
}

/// A yes or no as Pacemaker's users write it.
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fence_targets_come_from_list_map_and_target() {
        let check = |params: &[(&str, &str)], wanted: &[&str]| {
            let device = Primitive {
                agent: Agent { class: AgentClass::Stonith, provider: None, kind: "fake".into() },
                params: params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
                meta: Attributes::new(),
                utilization: Attributes::new(),
                operations: Vec::new(),
                ruled: Vec::new(),
            };
            let wanted: Vec<NodeId> = wanted.iter().copied().map(NodeId::from).collect();
            assert_eq!(device.fence_targets(), wanted, "{params:?}");
        };
        check(&[], &[]);
        check(&[("target", "n1")], &["n1"]);
        check(&[("pcmk_host_list", "n1 n2,n3")], &["n1", "n2", "n3"]);
        check(&[("pcmk_host_map", "n1:1;n2:2,3")], &["n1", "n2"]);
        check(&[("pcmk_host_map", "n1=1 n2=2;")], &["n1", "n2"]);
        check(&[("pcmk_host_map", "n1:1;n2:2"), ("pcmk_host_list", "n2"), ("target", "n1")], &["n2", "n1"]);
    }
}
