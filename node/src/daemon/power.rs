//! Fence devices on behalf of the engine. Every order begins with a look: whose device is this, and does it answer?

use super::guid;
use crate::engine::{PowerAnswer, PowerVerb, Tag};
use quorate_agents::fence::{BootTime, Call, FenceDevice, PowerReading, Sent, Strength};
use quorate_agents::process::Processes;
use quorate_core::config::Primitive;
use quorate_core::id::{HardwareId, ResourceId};
use quorate_core::state::Member;
use quorate_core::text::limited;
use std::sync::Arc;
use std::time::Duration;

/// Parameters that concern us, not the agent: whose device it is, and what its word is worth.
const OURS: &[&str] = &["proves_off", "system_guid", "target"];

/// Asks fence devices.
#[derive(Clone)]
pub struct Power {
    processes: Arc<Processes>,
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
        Self { processes }
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
        // What says for which node a device is concerns us, not the agent.
        let ours = |name: &str| OURS.contains(&name) || name.starts_with("pcmk_");
        let parameters =
            definition.params.iter().filter(|(name, _)| !ours(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let opened = FenceDevice::new(&definition.agent.kind, &parameters, &self.processes);
        let fence = match opened {
            Ok(fence) => fence,
            Err(error) => return PowerAnswer { result: Err(error.to_string()), sent: false },
        };
        let send_by = BootTime(Duration::from_millis(time.send_by.0));
        let call = Call::new(format!("fence-{device}-{}-{}", target.name, tag.0), time.timeout).send_by(send_by);
        let hardware = target.hardware_is_dmi.then_some(&target.hardware);
        let pinned = definition.params.get("system_guid").map(String::as_str);
        let looked = look(&fence, &call, hardware, pinned).await;
        match verb {
            PowerVerb::Read => PowerAnswer { result: looked.and_then(|on| worth(on, &fence, definition)), sent: false },
            PowerVerb::On => {
                let result = match looked {
                    Err(error) => Err(error),
                    Ok(_) => fence.on(&call).await.map(|_| true).map_err(|error| error.to_string()),
                };
                PowerAnswer { result, sent: false }
            }
            PowerVerb::Off => match looked {
                Err(error) => PowerAnswer { result: Err(error), sent: false },
                // already-off: the off is explicit all the same.
                Ok(_) => match fence.off(&call).await {
                    Ok(_) => PowerAnswer { result: Ok(true), sent: true },
                    Err(error) => PowerAnswer { result: Err(error.to_string()), sent: error.sent == Sent::Maybe },
                },
            },
        }
    }
}

/// Reads the power, by a device that is the node's own as far as it can be told.
async fn look(
    fence: &FenceDevice,
    call: &Call,
    hardware: Option<&HardwareId>,
    pinned: Option<&str>,
) -> Result<bool, String> {
    let reading = fence.read(call).await.map_err(|error| error.to_string())?;
    guid::check(reading.guid.as_deref(), hardware, pinned)?;
    match reading.power {
        PowerReading::On => Ok(true),
        PowerReading::Off => Ok(false),
        PowerReading::Unknown(what) => Err(format!("the power reads neither on nor off: {what}")),
    }
}

/// strength: only a device that is known to read the power of the host itself proves by its word, or one of which the
/// operator has said so by name.
fn worth(on: bool, fence: &FenceDevice, definition: &Primitive) -> Result<bool, String> {
    let said_so = definition.params.get("proves_off").is_some_and(|value| value == "true");
    if on || said_so || fence.strength() == Strength::PowerVerified {
        return Ok(on);
    }
    Err(format!(
        "{} reads off, and it is not known that this proves anything of the host ({:?}); where it does, set proves_off=true",
        fence.agent(),
        fence.strength()
    ))
}
