//! What is the cluster's part of a fence device's parameters: for which nodes it is, what it calls them, how long it is
//! waited for. The names are Pacemaker's; what is an agent's own is not read here.

use super::{AgentClass, Primitive};
use crate::grammar::duration;
use crate::id::NodeId;
use std::time::Duration;

/// The parameters that are never handed to an agent.
pub const DEVICE_PARAMETERS: &[&str] = &[
    "target",
    "system_guid",
    "proves_off",
    "drill",
    "sensors",
    "sensors_ignored",
    "sensors_events",
    "pcmk_host_list",
    "pcmk_host_map",
    "pcmk_host_check",
    "pcmk_host_argument",
    "pcmk_delay_base",
    "pcmk_delay_max",
    "pcmk_off_action",
    "pcmk_off_timeout",
    "pcmk_off_retries",
    "pcmk_on_action",
    "pcmk_on_timeout",
    "pcmk_on_retries",
    "pcmk_status_action",
    "pcmk_status_timeout",
    "pcmk_status_retries",
    "pcmk_list_action",
    "pcmk_list_timeout",
];

/// Tries of one order or reading in all, unless a device says otherwise.
const TRIES: u32 = 2;
/// An event in a BMC's log counts for a day, unless a device says otherwise.
const EVENTS_COUNT: Duration = Duration::from_secs(24 * 3600);
/// More tries are not made.
const TRIES_MOST: u32 = 20;

/// How it is known whether a device is for a node that neither its list nor its map names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCheck {
    /// It is not.
    StaticList,
    /// It is when its agent's list has the node.
    DynamicList,
    /// It is when its agent knows the node's status.
    Status,
    /// It is for every node.
    None,
}

/// How one of a device's actions is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCall {
    /// The agent's word for it.
    pub word: String,
    /// How long it may take, where the device says so.
    pub timeout: Option<Duration>,
    /// How often it is tried in all, within that time.
    pub tries: u32,
}

impl Primitive {
    fn given(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// What holds for nodes that the device does not name; what is not understood is a static list.
    pub fn host_check(&self) -> HostCheck {
        self.given("pcmk_host_check").and_then(host_check).unwrap_or(HostCheck::StaticList)
    }

    /// Whether this fence device is for a node.
    pub fn fences(&self, node: &NodeId) -> bool {
        let named = self.fence_targets();
        named.contains(node) || (named.is_empty() && self.host_check() != HostCheck::StaticList)
    }

    /// What the device calls a node: its plugs by `pcmk_host_map`, else the node's own name.
    pub fn plugs(&self, node: &NodeId) -> Vec<String> {
        let mapped = entries(self.given("pcmk_host_map").unwrap_or_default());
        let of = mapped.into_iter().filter(|(name, _)| *name == node.as_str()).flat_map(|(_, plugs)| plugs.split(','));
        let plugs: Vec<String> = of.filter(|plug| !plug.is_empty()).map(str::to_owned).collect();
        if plugs.is_empty() { vec![node.to_string()] } else { plugs }
    }

    /// The agent's parameter that takes the plug; `None` where it is to be given none.
    pub fn plug_argument(&self) -> Option<&str> {
        // What the operator says himself is not overruled.
        if self.given("plug").or_else(|| self.given("port")).is_some() {
            return None;
        }
        Some(self.given("pcmk_host_argument").unwrap_or("plug")).filter(|argument| *argument != "none")
    }

    /// How an action of the agent is called: `off`, `on`, `status` or `list`.
    pub fn device_call(&self, action: &str) -> DeviceCall {
        let of = |what: &str| self.given(&format!("pcmk_{action}_{what}"));
        let tries = of("retries").and_then(|text| text.parse().ok()).unwrap_or(TRIES);
        DeviceCall {
            word: of("action").unwrap_or(action).to_owned(),
            timeout: of("timeout").and_then(duration).filter(|timeout| !timeout.is_zero()),
            tries: u32::clamp(tries, 1, TRIES_MOST),
        }
    }

    /// Whether it is read for practice, and has to pass that before it arms a node: `drill=false` has it counted as it is.
    pub fn is_drilled(&self) -> bool {
        self.given("drill").and_then(super::boolean).unwrap_or(true)
    }

    /// Whether the node's sensors are read by it: `sensors=false` has it left alone.
    pub fn has_sensors(&self) -> bool {
        let is_wanted = self.given("sensors").and_then(super::boolean).unwrap_or(true);
        is_wanted && self.agent.class == AgentClass::Stonith && self.agent.kind == "ipmi"
    }

    /// Sensors whose word counts for nothing, by their names.
    pub fn ignored_sensors(&self) -> Vec<String> {
        let names = self.given("sensors_ignored").unwrap_or_default().split([',', ';']).map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// For how long an event in a BMC's log counts.
    pub fn sensor_events(&self) -> Duration {
        self.given("sensors_events").and_then(duration).unwrap_or(EVENTS_COUNT)
    }

    /// How long an off of this node is held back, at least and at most.
    pub fn fence_delay(&self, node: &NodeId) -> (Duration, Duration) {
        let base = self.given("pcmk_delay_base").unwrap_or_default();
        let of_node = entries(base).into_iter().find(|(name, _)| *name == node.as_str()).map(|(_, text)| text);
        let base = duration(of_node.unwrap_or(base)).unwrap_or_default();
        let most = self.given("pcmk_delay_max").and_then(duration).unwrap_or_default();
        (base, most.max(base))
    }
}

/// `n1:1;n2:2,3`, with blanks or semicolons between and `:` or `=` within.
fn entries(text: &str) -> Vec<(&str, &str)> {
    let all = text.split(|c: char| c.is_whitespace() || c == ';');
    all.filter_map(|entry| entry.split_once([':', '='])).collect()
}

fn host_check(text: &str) -> Option<HostCheck> {
    match text {
        "static-list" => Some(HostCheck::StaticList),
        "dynamic-list" => Some(HostCheck::DynamicList),
        "status" => Some(HostCheck::Status),
        "none" => Some(HostCheck::None),
        _ => None,
    }
}

/// What the value of one of these parameters should be, where it is not.
pub(super) fn refused(name: &str, value: &str) -> Option<&'static str> {
    const TIME: &str = "a time such as 10s or 1m";
    let is_list = value.contains([':', '=']);
    let fits_map = |fits: fn(&str) -> bool| {
        let parts = value.split(|c: char| c.is_whitespace() || c == ';').filter(|part| !part.is_empty());
        parts.clone().all(|part| part.split_once([':', '=']).is_some_and(|(node, what)| !node.is_empty() && fits(what)))
    };
    let is_time = |text: &str| duration(text).is_some();
    let (fits, wanted) = match name {
        "pcmk_host_check" => (host_check(value).is_some(), "static-list, dynamic-list, status or none"),
        "pcmk_host_map" => {
            (fits_map(|plug| !plug.is_empty()), "NODE:PLUG with semicolons between, such as n1:1;n2:2,3")
        }
        "pcmk_delay_base" if is_list => (fits_map(is_time), "a time, or NODE:TIME with semicolons between"),
        "pcmk_delay_base" | "pcmk_delay_max" => (is_time(value), TIME),
        "sensors_events" => (is_time(value), TIME),
        "proves_off" | "drill" | "sensors" => (super::boolean(value).is_some(), "true or false"),
        _ if name.starts_with("pcmk_") && name.ends_with("_timeout") => {
            (duration(value).is_some_and(|time| !time.is_zero()), TIME)
        }
        _ if name.starts_with("pcmk_") && name.ends_with("_retries") => {
            (value.parse::<u32>().is_ok_and(|tries| (1..=TRIES_MOST).contains(&tries)), "a number from 1 to 20")
        }
        _ => return None,
    };
    (!fits).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::{Agent, AgentClass, Attributes};
    use super::*;

    fn device(params: &[(&str, &str)]) -> Primitive {
        Primitive {
            agent: Agent { class: AgentClass::Stonith, provider: None, kind: "fence_x".into() },
            params: params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            meta: Attributes::new(),
            utilization: Attributes::new(),
            operations: Vec::new(),
            ruled: Vec::new(),
        }
    }

    #[test]
    fn a_device_is_for_whom_it_names_or_for_all() {
        let rows: [(&[(&str, &str)], bool); 7] = [
            (&[], false),
            (&[("pcmk_host_check", "static-list")], false),
            (&[("pcmk_host_check", "none")], true),
            (&[("pcmk_host_check", "dynamic-list")], true),
            (&[("pcmk_host_check", "status")], true),
            (&[("pcmk_host_check", "none"), ("pcmk_host_list", "n2")], false),
            (&[("pcmk_host_map", "n1:7")], true),
        ];
        for (params, wanted) in rows {
            assert_eq!(device(params).fences(&"n1".into()), wanted, "{params:?}");
        }
    }

    #[test]
    fn plugs_words_times_and_delays_are_pacemakers() {
        let it = device(&[
            ("pcmk_host_map", "n1:1;n2:2,3 n4=4"),
            ("pcmk_off_action", "disable"),
            ("pcmk_off_timeout", "7"),
            ("pcmk_off_retries", "5"),
            ("pcmk_delay_base", "n1:0;n2:10s"),
            ("pcmk_delay_max", "15s"),
        ]);
        let plugs = |node: &str| it.plugs(&node.into()).join("+");
        assert_eq!([plugs("n1"), plugs("n2"), plugs("n3"), plugs("n4")], ["1", "2+3", "n3", "4"]);
        assert_eq!(it.plug_argument(), Some("plug"));
        assert_eq!(device(&[("port", "3")]).plug_argument(), None);
        assert_eq!(device(&[("pcmk_host_argument", "none")]).plug_argument(), None);
        assert_eq!(device(&[("pcmk_host_argument", "domain")]).plug_argument(), Some("domain"));
        let seconds = Duration::from_secs;
        let off = DeviceCall { word: "disable".to_owned(), timeout: Some(seconds(7)), tries: 5 };
        assert_eq!(it.device_call("off"), off);
        assert_eq!(it.device_call("status"), DeviceCall { word: "status".to_owned(), timeout: None, tries: 2 });
        let delay = |node: &str| it.fence_delay(&node.into());
        assert_eq!(delay("n2"), (seconds(10), seconds(15)));
        assert_eq!(delay("n1"), (seconds(0), seconds(15)));
        assert_eq!(delay("n3"), (seconds(0), seconds(15)));
        assert_eq!(device(&[("pcmk_delay_base", "5")]).fence_delay(&"n1".into()), (seconds(5), seconds(5)));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused: Vec<&str> = [
            ("pcmk_host_check", "dynamic"),
            ("pcmk_host_check", "status"),
            ("pcmk_host_map", "n1"),
            ("pcmk_host_map", "n1:1;n2:2,3"),
            ("pcmk_delay_base", "soon"),
            ("pcmk_delay_base", "n1:1s;n2:soon"),
            ("pcmk_delay_base", "n1:1s;n2:10"),
            ("pcmk_off_timeout", "0"),
            ("pcmk_off_retries", "0"),
            ("pcmk_status_retries", "3"),
            ("proves_off", "perhaps"),
        ]
        .into_iter()
        .filter(|(name, value)| refused(name, value).is_some())
        .map(|(_, value)| value)
        .collect();
        assert_eq!(refused, ["dynamic", "n1", "soon", "n1:1s;n2:soon", "0", "0", "perhaps"]);
    }
}
