//! A primitive: one VM or one fence device, its agent, parameters, meta attributes and operations.

use crate::id::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
}

impl Agent {
    /// The agent as it is written: `vm:libvirt`.
    pub fn text(&self) -> String {
        let class = match self.class {
            AgentClass::Vm => "vm",
            AgentClass::Stonith => "stonith",
            AgentClass::Ocf => "ocf",
        };
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
pub(crate) fn boolean(text: &str) -> Option<bool> {
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
