//! Switching a node on again after its proof (`stonith-action=reboot`): a wish of its own, never part of the proof.
//!
//! It comes into being in the very entry that proves the session dead, so nothing can be sent before; it outlives the
//! leader that saw the proof. It only spares somebody a walk: it ends with the node's next boot, with the device's
//! acknowledgement, or when it was tried often enough.

use crate::id::{NodeId, ResourceId, SessionId};
use crate::state::{ClusterState, EventKind, Outcome, Refusal};
use crate::text::limited;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// So often a device is asked to switch a node on; then a person has to.
pub const POWER_ON_TRIES: u32 = 8;

/// That a node is to be switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerOn {
    /// The session that was proven dead.
    pub session: SessionId,
    /// The devices that switched it off.
    pub devices: Vec<ResourceId>,
    /// Since when.
    pub since: Timestamp,
    /// How often it was tried in vain.
    pub tries: u32,
    /// The last error.
    pub error: Option<String>,
}

impl ClusterState {
    /// The session was proven dead by a reading of off, and is to be followed by another boot.
    pub(super) fn want_power_on(&mut self, node: &NodeId, session: SessionId, devices: Vec<ResourceId>) {
        let wish = PowerOn { session, devices, since: self.now, tries: 0, error: None };
        self.power_on.insert(node.clone(), wish);
    }

    pub(super) fn power_on_result(
        &mut self,
        node: &NodeId,
        session: &SessionId,
        outcome: &Result<(), String>,
    ) -> Result<Outcome, Refusal> {
        let Some(wish) = self.power_on.get_mut(node).filter(|wish| wish.session == *session) else {
            return Err(Refusal::Stale(format!("nobody wants {node} to be switched on")));
        };
        let devices: Vec<String> = wish.devices.iter().map(ToString::to_string).collect();
        match outcome {
            Ok(()) => {
                self.power_on.remove(node);
                let text = format!("{node} is switched on again by {}", devices.join(" and "));
                self.record(EventKind::PowerOn, Some(node), None, text);
            }
            Err(error) => {
                let error = limited(error.clone());
                wish.tries = wish.tries.saturating_add(1);
                wish.error = Some(error.clone());
                if wish.tries >= POWER_ON_TRIES {
                    self.power_on.remove(node);
                    let text = format!("{node} stays off, for it could not be switched on: {error}");
                    self.record(EventKind::PowerOn, Some(node), None, text);
                }
            }
        }
        Ok(Outcome::Done)
    }
}
