//! A configured fence device as it is for one node: what it calls the node, how its agent is called, and whose it is.
//!
//! A node with several plugs is off when all of them read off, and on when one does.

use super::guid::{self, Whose};
use quorate_agents::fence::ipmi::sensors::{Sensed, Wish};
use quorate_agents::fence::{Call, FenceDevice, FenceError, PowerReading, Sent, Strength};
use quorate_agents::process::Processes;
use quorate_core::config::{DEVICE_PARAMETERS, HostCheck, Primitive};
use quorate_core::id::ResourceId;
use quorate_core::state::Member;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What an agent lists is asked for again after this.
const LIST_KEPT: Duration = Duration::from_secs(60);
/// The actions of which a device may say how they are called.
const ACTIONS: [&str; 4] = ["off", "on", "status", "list"];

/// What agents last listed.
pub(super) type Lists = Arc<Mutex<BTreeMap<ResourceId, (Instant, Vec<String>)>>>;

/// A device that can be asked.
pub(super) struct Device<'a> {
    id: &'a ResourceId,
    definition: &'a Primitive,
    target: &'a Member,
    /// One for each plug, with what it is called.
    plugs: Vec<(String, FenceDevice)>,
    lists: Lists,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looked {
    /// Whether a plug reads on.
    pub(super) on: bool,
    /// A plug reads neither on nor off.
    pub(super) unknown: Option<String>,
    /// The GUID that the device shows.
    pub(super) guid: Option<String>,
}

impl<'a> Device<'a> {
    /// # Errors
    /// What is wrong with its parameters, or that its agent is not here.
    pub(super) fn open(
        id: &'a ResourceId,
        definition: &'a Primitive,
        target: &'a Member,
        processes: &Processes,
        lists: &Lists,
    ) -> Result<Self, String> {
        let theirs = definition.params.iter().filter(|(name, _)| !is_ours(name));
        let params: BTreeMap<String, String> = theirs.map(|(name, value)| (name.clone(), value.clone())).collect();
        // What is built in is one host's, and has no plugs.
        let is_program = definition.agent.kind.starts_with("fence_") && !definition.is_pill();
        let argument = definition.plug_argument().filter(|_| is_program);
        let names = match argument {
            Some(_) => definition.plugs(&target.name),
            None => vec![target.name.to_string()],
        };
        let mut plugs = Vec::new();
        for name in names {
            let mut params = params.clone();
            if let Some(argument) = argument {
                params.entry(argument.to_owned()).or_insert_with(|| name.clone());
            }
            if is_program || definition.is_pill() {
                params.entry("nodename".to_owned()).or_insert_with(|| target.name.to_string());
            }
            let opened = FenceDevice::new(&definition.agent.kind, &params, processes);
            let mut fence = opened.map_err(|error| error.to_string())?;
            for action in ACTIONS {
                fence = fence.called(action, definition.device_call(action));
            }
            plugs.push((name, fence));
        }
        Ok(Self { id, definition, target, plugs, lists: lists.clone() })
    }

    /// Reads the power, by a device that is the node's own as far as it can be told.
    pub(super) async fn look(&self, call: &Call) -> Result<Looked, String> {
        let looked = self.look_at_any(call).await?;
        let (hardware, pinned) = self.expected();
        guid::check(looked.guid.as_deref(), hardware, pinned)?;
        match looked.unknown {
            Some(what) => Err(format!("the power reads neither on nor off: {what}")),
            None => Ok(looked),
        }
    }

    /// The same without heed to whose it is: for who wants to know just that.
    pub(super) async fn look_at_any(&self, call: &Call) -> Result<Looked, String> {
        self.check_listed(call).await?;
        let mut looked = Looked { on: false, unknown: None, guid: None };
        for (number, (_, fence)) in self.plugs.iter().enumerate() {
            let reading = fence.read(&numbered(call, number)).await.map_err(|error| error.to_string())?;
            match reading.power {
                PowerReading::On => looked.on = true,
                PowerReading::Off => {}
                PowerReading::Unknown(what) => looked.unknown = Some(what),
            }
            looked.guid = reading.guid.or(looked.guid);
        }
        Ok(looked)
    }

    /// What the node's sensors say, by a device that is its own as far as it can be told.
    pub(super) async fn sensors(&self, call: &Call) -> Result<Sensed, String> {
        let Some((_, fence)) = self.plugs.first() else { return Err("it has no plug".to_owned()) };
        let wish = Wish { ignored: self.definition.ignored_sensors(), events: self.definition.sensor_events() };
        let sensed = fence.sensors(&wish, call).await.map_err(|error| error.to_string())?;
        let (hardware, pinned) = self.expected();
        guid::check(sensed.guid.as_deref(), hardware, pinned)?;
        Ok(sensed)
    }

    /// Whose the device is that showed this.
    pub(super) fn whose(&self, looked: &Looked) -> Whose {
        let (hardware, pinned) = self.expected();
        guid::whose(looked.guid.as_deref(), hardware, pinned)
    }

    /// Switches every plug off, or on.
    pub(super) async fn order(&self, on: bool, call: &Call) -> Result<(), (String, Sent)> {
        let mut sent = Sent::No;
        for (number, (_, fence)) in self.plugs.iter().enumerate() {
            let call = numbered(call, number);
            let done = if on { fence.on(&call).await } else { fence.off(&call).await };
            match done {
                Ok(_) => sent = Sent::Maybe,
                Err(FenceError { problem, sent: now, .. }) => {
                    let sent = if now == Sent::Maybe { now } else { sent };
                    return Err((problem.to_string(), sent));
                }
            }
        }
        Ok(())
    }

    /// Where it is known by its agent's list for whom the device is, the node has to be in it.
    async fn check_listed(&self, call: &Call) -> Result<(), String> {
        let is_asked =
            self.definition.host_check() == HostCheck::DynamicList && self.definition.fence_targets().is_empty();
        let Some((_, fence)) = self.plugs.first().filter(|_| is_asked) else { return Ok(()) };
        let known = self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(self.id).cloned();
        let listed = match known.filter(|(at, _)| at.elapsed() < LIST_KEPT) {
            Some((_, listed)) => listed,
            None => {
                let listed = fence.list(call).await.map_err(|error| error.to_string())?;
                let now = (Instant::now(), listed.clone());
                self.lists.lock().unwrap_or_else(PoisonError::into_inner).insert(self.id.clone(), now);
                listed
            }
        };
        match self.plugs.iter().find(|(plug, _)| !listed.contains(plug)) {
            None => Ok(()),
            Some((plug, _)) => Err(format!(
                "the device does not list {plug}, so it is not known to be for {}; name it in pcmk_host_map where it is",
                self.target.name
            )),
        }
    }

    fn expected(&self) -> (Option<&quorate_core::id::HardwareId>, Option<&str>) {
        let pinned = self.definition.params.get("system_guid").map(String::as_str);
        (self.target.hardware_is_dmi.then_some(&self.target.hardware), pinned)
    }

    /// The agent's name, and what an off reading of it is worth.
    pub(super) fn strength(&self) -> (&str, Strength) {
        self.plugs.first().map_or(("", Strength::None), |(_, fence)| (fence.agent(), fence.strength()))
    }

    /// strength: only a device that is known to read the power of the host itself proves by its word, or one of which the
    /// operator has said so by name.
    pub(super) fn proves(&self) -> bool {
        self.definition.is_vouched_for() || self.strength().1 == Strength::PowerVerified
    }
}

/// What concerns us, and not the agent.
fn is_ours(name: &str) -> bool {
    DEVICE_PARAMETERS.contains(&name) || name.starts_with("pcmk_")
}

/// Each plug's call has a cgroup of its own.
fn numbered(call: &Call, number: usize) -> Call {
    let action = if number == 0 { call.action.clone() } else { format!("{}.{number}", call.action) };
    Call { action, ..call.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::grammar;
    use quorate_core::id::{HardwareId, RaftId, StoreId};
    use quorate_core::time::Timestamp;

    fn target() -> Member {
        Member {
            name: "n1".into(),
            raft_id: RaftId(1),
            address: "10.0.0.1:5407".to_owned(),
            hardware: HardwareId::from("hw"),
            hardware_is_dmi: false,
            store: StoreId::from("store"),
            fingerprint: "key".to_owned(),
            joined: Timestamp(0),
            witness: false,
        }
    }

    fn definition(params: &str) -> Primitive {
        let text = format!("primitive f1 stonith:fence_dummy params {params}\n");
        let config = grammar::read(&text, &mut |_| Err(String::new())).expect("the text is valid");
        config.primitives[&ResourceId::from("f1")].clone()
    }

    async fn look(definition: &Primitive) -> Result<Looked, String> {
        let (id, target, processes, lists) = (ResourceId::from("f1"), target(), Processes::new(None), Lists::default());
        let device = Device::open(&id, definition, &target, &processes, &lists)?;
        device.look(&Call::new("t1", Duration::from_secs(20))).await
    }

    /// fence_dummy of the fence-agents package has one file for all plugs; its map is made of the file's name here.
    #[tokio::test]
    async fn all_plugs_of_a_node_are_off_before_it_is() {
        if quorate_agents::fence::describe::metadata("fence_dummy", &Processes::new(None)).await.is_err() {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "fence-agents is not installed");
            return;
        }
        let dir = tempfile::TempDir::new().expect("a directory");
        let file = |name: &str| dir.path().join(name).display().to_string();
        let (a, b) = (file("a"), file("b"));
        let both = definition(&format!("pcmk_host_map=n1:{a},{b} pcmk_host_argument=status_file"));
        for (first, second, wanted) in [("on", "off", true), ("off", "on", true), ("off", "off", false)] {
            std::fs::write(&a, first).expect("written");
            std::fs::write(&b, second).expect("written");
            assert_eq!(look(&both).await.map(|looked| looked.on), Ok(wanted), "{first} {second}");
        }
        // An order reaches every plug.
        std::fs::write(&a, "on").expect("written");
        std::fs::write(&b, "on").expect("written");
        let (id, target, processes, lists) = (ResourceId::from("f1"), target(), Processes::new(None), Lists::default());
        let device = Device::open(&id, &both, &target, &processes, &lists).expect("a device");
        assert!(!device.proves(), "fence_dummy proves nothing by itself");
        device.order(false, &Call::new("t2", Duration::from_secs(20))).await.expect("both are switched");
        assert_eq!(look(&both).await.map(|looked| looked.on), Ok(false));
        // It has no list: for whom it is cannot be known by that.
        let listed = definition(&format!("pcmk_host_check=dynamic-list status_file={a}"));
        assert!(look(&listed).await.expect_err("no list").contains("fence_dummy list"));
    }
}
