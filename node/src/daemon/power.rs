//! Fence devices on behalf of the engine. Every order begins with a look: whose device is this, and does it answer?

use super::device::{Device, Lists};
use super::guid::Whose;
use crate::engine::{PowerAnswer, PowerVerb, SensorReport, Tag};
use quorate_agents::fence::ipmi::sensors::Sensed;
use quorate_agents::fence::{BootTime, Call, Sent, sbd};
use quorate_agents::process::Processes;
use quorate_core::config::Primitive;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::pill::Pill;
use quorate_core::state::Member;
use quorate_core::text::limited;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A device that is tested may take so long.
const TEST_TIME: Duration = Duration::from_secs(15);

/// Asks fence devices.
#[derive(Clone)]
pub struct Power {
    processes: Arc<Processes>,
    lists: Lists,
}

/// How long a device may be asked, and until when an off may leave.
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub(super) send_by: quorate_core::time::BootTime,
    pub(super) timeout: Duration,
}

impl Power {
    /// With the place where agents that are programs run.
    pub fn new(processes: Arc<Processes>) -> Self {
        Self { processes, lists: Lists::default() }
    }

    /// Asks, and cuts what the device has to say of an error: a device's words are not ours, and enter the log.
    pub(super) async fn ask(
        &self,
        tag: Tag,
        device: &ResourceId,
        definition: &Primitive,
        target: &Member,
        verb: PowerVerb,
        time: Time,
    ) -> PowerAnswer {
        let answer = self.ask_device(tag, device, definition, target, verb, time).await;
        PowerAnswer { result: answer.result.map_err(limited), ..answer }
    }

    async fn ask_device(
        &self,
        tag: Tag,
        device: &ResourceId,
        definition: &Primitive,
        target: &Member,
        verb: PowerVerb,
        time: Time,
    ) -> PowerAnswer {
        let opened = Device::open(device, definition, target, &self.processes, &self.lists);
        let fence = match opened {
            Ok(fence) => fence,
            Err(error) => return PowerAnswer { result: Err(error), sent: false },
        };
        let send_by = BootTime(Duration::from_millis(time.send_by.0));
        let call = Call::new(format!("fence-{device}-{}-{}", target.name, tag.0), time.timeout).send_by(send_by);
        let looked = fence.look(&call).await;
        match verb {
            PowerVerb::Read => PowerAnswer { result: looked.and_then(|looked| worth(looked.on, &fence)), sent: false },
            PowerVerb::Drill => {
                PowerAnswer { result: looked.and_then(|looked| proven(&fence).map(|()| looked.on)), sent: false }
            }
            PowerVerb::On => {
                let result = match looked {
                    Err(error) => Err(error),
                    Ok(_) => fence.order(true, &call).await.map(|()| true).map_err(|(error, _)| error),
                };
                PowerAnswer { result, sent: false }
            }
            PowerVerb::Off => match looked {
                Err(error) => PowerAnswer { result: Err(error), sent: false },
                // already-off: the off is explicit all the same.
                Ok(_) => match fence.order(false, &call).await {
                    Ok(()) => PowerAnswer { result: Ok(true), sent: true },
                    Err((error, sent)) => PowerAnswer { result: Err(error), sent: sent == Sent::Maybe },
                },
            },
        }
    }

    /// Reads the sensors of a node by one of its devices.
    pub(super) async fn sensors(
        &self,
        tag: Tag,
        device: &ResourceId,
        definition: &Primitive,
        target: &Member,
        timeout: Duration,
    ) -> Result<SensorReport, String> {
        let fence = Device::open(device, definition, target, &self.processes, &self.lists).map_err(limited)?;
        let call = Call::new(format!("sensors-{device}-{}-{}", target.name, tag.0), timeout);
        let Sensed { signs, sensors, events, .. } = fence.sensors(&call).await.map_err(limited)?;
        Ok(SensorReport { signs, sensors, events })
    }

    /// Reads a node's power by one device, and says whose that is: harmless, and nothing rests on it.
    pub(crate) async fn test(&self, device: &ResourceId, definition: &Primitive, target: &Member) -> Tested {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let begun = Instant::now();
        let opened = Device::open(device, definition, target, &self.processes, &self.lists);
        let mut tested = Tested { proves: opened.as_ref().is_ok_and(Device::proves), ..Tested::default() };
        let fence = match opened {
            Ok(fence) => fence,
            Err(error) => return Tested { error: Some(limited(error)), ..tested },
        };
        tested.strength = fence.strength().1.to_string();
        let action = format!("test-{device}-{}-{}", target.name, CALLS.fetch_add(1, Ordering::Relaxed));
        match fence.look_at_any(&Call::new(action, TEST_TIME)).await {
            Ok(looked) => {
                tested.whose = Some(fence.whose(&looked));
                tested.power = Some(match &looked.unknown {
                    Some(what) => limited(format!("unknown ({what})")),
                    None if looked.on => "on".to_owned(),
                    None => "off".to_owned(),
                });
                tested.guid = looked.guid;
            }
            Err(error) => tested.error = Some(limited(error)),
        }
        tested.took = begun.elapsed();
        tested
    }
}

/// Leaves a pill, or looks for it; one that is there reads off.
pub(super) async fn pill(from: &NodeId, target: &NodeId, pill: &Pill, verb: PowerVerb, time: Time) -> PowerAnswer {
    let deadline = tokio::time::Instant::now() + time.timeout;
    let send_by = BootTime(Duration::from_millis(time.send_by.0));
    let answer = match verb {
        PowerVerb::Off => {
            let left = sbd::leave(target.as_str(), from.as_str(), pill, send_by, deadline).await;
            PowerAnswer { result: left.result.map(|()| true), sent: left.sent }
        }
        PowerVerb::Read | PowerVerb::Drill | PowerVerb::On => {
            let looked = sbd::is_there(target.as_str(), pill, deadline).await;
            PowerAnswer { result: looked.map(|is_there| !is_there), sent: false }
        }
    };
    PowerAnswer { result: answer.result.map_err(limited), ..answer }
}

/// What a test of a device found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tested {
    /// on, off, or neither.
    pub(crate) power: Option<String>,
    /// Why it says nothing.
    pub(crate) error: Option<String>,
    /// Whose it is, where it answered.
    pub(crate) whose: Option<Whose>,
    /// The GUID that it shows.
    pub(crate) guid: Option<String>,
    /// What its agent's type is worth.
    pub(crate) strength: String,
    /// Whether an off reading of it proves something.
    pub(crate) proves: bool,
    /// How long it took.
    pub(crate) took: Duration,
}

/// strength: what proves nothing may not say off.
fn worth(on: bool, fence: &Device<'_>) -> Result<bool, String> {
    if on || fence.proves() {
        return Ok(on);
    }
    let (agent, strength) = fence.strength();
    Err(format!(
        "{agent} reads off, and it is not known that this proves anything of the host ({strength}); where it does, set proves_off=true"
    ))
}

/// strength: long before it is needed it is told that an off of it would prove nothing.
fn proven(fence: &Device<'_>) -> Result<(), String> {
    let (agent, strength) = fence.strength();
    let why = || {
        format!(
            "{agent} answers, and it is not known that its off proves anything of the host ({strength}); where it does, set proves_off=true"
        )
    };
    fence.proves().then_some(()).ok_or_else(why)
}
