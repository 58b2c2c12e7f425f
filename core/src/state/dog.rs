//! What the log knows of a host's watchdog.

use super::ClusterState;
use crate::id::{NodeId, ResourceId, SessionId};
use crate::planted::{Mistake, planted};
use crate::time::Timestamp;
use crate::watchdog::{Terms, is_software};
use serde::{Deserialize, Serialize};

/// A host's watchdog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dog {
    /// Rises whenever it is armed or disarmed; who arms it names the one before.
    pub turn: u64,
    /// It is armed in the node's current session, and bites unless it is fed.
    pub armed: Option<Armed>,
    /// The watchdog that was once seen to reset this host, by its kernel's name.
    pub seen: Option<String>,
}

/// A watchdog that is armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// Its name in the configuration.
    pub device: ResourceId,
    /// What the kernel calls it.
    pub identity: String,
    /// On which terms it is fed.
    pub terms: Terms,
    /// Since when.
    pub since: Timestamp,
}

impl Dog {
    /// Whatever was armed is not any more, and nobody can prove anything by it.
    pub(super) fn disarm(&mut self) -> Option<Armed> {
        self.turn += 1;
        self.armed.take()
    }
}

impl ClusterState {
    /// The watchdog that is configured for a node: the first by name that is not distrusted.
    pub fn watchdog(&self, node: &NodeId) -> Option<&ResourceId> {
        let named = self.config.primitives.iter().filter(|(_, it)| it.is_watchdog() && it.fences(node));
        named.map(|(id, _)| id).find(|id| !self.distrusted.contains_key(*id))
    }

    /// Why what a node's watchdog does proves nothing, if so; `Ok` with the one that does.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn watchdog_proves(&self, node: &NodeId) -> Result<&Armed, String> {
        let dog = self.nodes.get(node).map(|state| &state.dog);
        let Some((dog, armed)) = dog.and_then(|dog| Some((dog, dog.armed.as_ref()?))) else {
            return Err("no watchdog is armed there".to_owned());
        };
        if planted(Mistake::DogProvesAnyway) {
            return Ok(armed);
        }
        if let Some(distrust) = self.distrusted.get(&armed.device) {
            return Err(format!("{} is distrusted: {}", armed.device, distrust.why));
        }
        if is_software(&armed.identity) {
            return Err(format!("{} is a timer in software ({}): it proves nothing", armed.device, armed.identity));
        }
        let is_vouched = self.config.primitives.get(&armed.device).is_some_and(|it| it.is_vouched_for());
        if dog.seen.as_ref() != Some(&armed.identity) && !is_vouched {
            return Err(format!(
                "{} was never seen to reset this host, and nobody has vouched for it (proves_off=true)",
                armed.device
            ));
        }
        Ok(armed)
    }

    /// watchdog: whether a leader may answer a beat of this session, so that its host goes on feeding.
    pub fn may_be_fed(&self, node: &NodeId, session: &SessionId) -> bool {
        let is_open = self.nodes.get(node).is_some_and(|state| state.is_open(session));
        (is_open && !self.intents.contains_key(node)) || planted(Mistake::FeedTheCondemned)
    }
}
