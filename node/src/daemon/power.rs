//! Fence devices on behalf of the engine.

use crate::engine::{PowerAnswer, PowerVerb, Tag};
use quorate_agents::fence::{BootTime, Call, FenceDevice, PowerReading, Sent};
use quorate_agents::process::Processes;
use quorate_core::config::Primitive;
use quorate_core::id::{NodeId, ResourceId};
use std::sync::Arc;
use std::time::Duration;

/// Asks fence devices.
#[derive(Clone)]
pub struct Power {
    processes: Arc<Processes>,
}

impl Power {
    /// With the place where agents that are programs run.
    pub fn new(processes: Arc<Processes>) -> Self {
        Self { processes }
    }

    pub(super) async fn ask(
        &self,
        tag: Tag,
        device: &ResourceId,
        definition: &Primitive,
        target: &NodeId,
        verb: PowerVerb,
        timeout: Duration,
    ) -> PowerAnswer {
        // What says for which node a device is concerns us, not the agent.
        let ours = |name: &str| name == "target" || name.starts_with("pcmk_");
        let parameters = definition.params.iter().filter(|(name, _)| !ours(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let opened = FenceDevice::new(&definition.agent.kind, &parameters, &self.processes);
        let fence = match opened {
            Ok(fence) => fence,
            Err(error) => return PowerAnswer { result: Err(error.to_string()), sent: false },
        };
        let call = Call::new(format!("fence-{device}-{target}-{}", tag.0), timeout).send_by(BootTime::now().plus(timeout));
        match verb {
            PowerVerb::Read => {
                let read = fence.read(&call).await;
                let result = match read {
                    Ok(reading) => match reading.power {
                        PowerReading::On => Ok(true),
                        PowerReading::Off => Ok(false),
                        PowerReading::Unknown(what) => Err(format!("the power reads neither on nor off: {what}")),
                    },
                    Err(error) => Err(error.to_string()),
                };
                PowerAnswer { result, sent: false }
            }
            PowerVerb::Off => match fence.off(&call).await {
                Ok(_) => PowerAnswer { result: Ok(true), sent: true },
                Err(error) => PowerAnswer { result: Err(error.to_string()), sent: error.sent == Sent::Maybe },
            },
        }
    }
}
