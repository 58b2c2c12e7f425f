//! What the log knows of a host's watchdog.

use super::release::PILL_LEVEL;
use super::{ClusterState, Speaker};
use crate::config::{FenceAction, Primitive};
use crate::id::{NodeId, ResourceId, SessionId};
use crate::pill::{Pill, SentPill};
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
    /// The shared disks on which its feeder reads whether it still may; none where it lives on the leader's answers alone.
    pub disks: Vec<String>,
    /// What its feeder has marked its slots there with.
    pub opening: String,
    /// Since when.
    pub since: Timestamp,
}

/// A pill that is not in its slot any more after it was waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GonePill {
    /// Who says so.
    pub speaker: Speaker,
    /// For which node it was.
    pub target: NodeId,
    /// Which boot.
    pub session: SessionId,
    /// Which pill.
    pub note: String,
}

impl Dog {
    /// Whatever was armed is not any more, and nobody can prove anything by it.
    pub(super) fn disarm(&mut self) -> Option<Armed> {
        self.turn += 1;
        self.armed.take()
    }
}

impl ClusterState {
    /// The watchdog that is configured for a node: the first by name that is not distrusted, and one with disks before others.
    pub fn watchdog(&self, node: &NodeId) -> Option<&ResourceId> {
        let all = &self.config.primitives;
        let with_disks = all.iter().filter(|(_, it)| it.is_pill() && self.level >= PILL_LEVEL);
        let named = with_disks.chain(all.iter().filter(|(_, it)| it.is_watchdog())).filter(|(_, it)| it.fences(node));
        named.map(|(id, _)| id).find(|id| !self.distrusted.contains_key(*id))
    }

    /// Whether this device leaves pills.
    pub fn is_pill(&self, device: &ResourceId) -> bool {
        self.config.primitives.get(device).is_some_and(Primitive::is_pill)
    }

    /// Whether this device can leave a pill for a node now: that host has armed its watchdog on the device's disks.
    pub fn takes_pills(&self, node: &NodeId, device: &ResourceId) -> bool {
        let armed = self.nodes.get(node).and_then(|state| state.dog.armed.as_ref());
        armed.is_some_and(|armed| armed.device == *device && !armed.disks.is_empty())
    }

    /// What a try by these devices would leave for a node, where that is a pill.
    pub(super) fn next_pill(&self, node: &NodeId, devices: &[ResourceId]) -> Option<SentPill> {
        let turn = self.nodes.get(node)?.dog.turn;
        let number = self.intents.get(node)?.tries.saturating_add(1);
        let leaves = devices.iter().any(|device| self.takes_pills(node, device));
        leaves.then(|| SentPill { turn, note: format!("{turn}.{number}") })
    }

    /// A pill for a node, as it is left for it.
    pub fn pill(&self, node: &NodeId, pill: &SentPill) -> Option<Pill> {
        let intent = self.intents.get(node)?;
        let dog = &self.nodes.get(node)?.dog;
        let armed = dog.armed.as_ref().filter(|_| dog.turn == pill.turn)?;
        let (disks, opening) = (armed.disks.clone(), armed.opening.clone());
        Some(Pill { disks, opening, session: intent.session.clone(), note: pill.note.clone(), action: intent.action })
    }

    /// A pill that was never left: who looks for it sees whether one could be, for that host's feeder reads these disks.
    pub fn no_pill(&self, node: &NodeId, device: &ResourceId) -> Option<Pill> {
        let session = self.nodes.get(node)?.living_session()?.id.clone();
        let armed = self.nodes.get(node)?.dog.armed.as_ref().filter(|_| self.takes_pills(node, device))?;
        let (disks, opening, action) = (armed.disks.clone(), armed.opening.clone(), FenceAction::Reboot);
        Some(Pill { disks, opening, session, note: String::new(), action })
    }

    /// The pill that is waited for until it has worked.
    pub fn sent_pill(&self, node: &NodeId) -> Option<&SentPill> {
        let turn = self.nodes.get(node)?.dog.turn;
        self.intents.get(node)?.pill.as_ref().filter(|pill| pill.turn == turn)
    }

    /// Why the wait for a node's watchdog proves nothing now, if so: whose host reads slots lives on until it reads a pill.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn watchdog_due(&self, node: &NodeId) -> Result<&Armed, String> {
        let armed = self.watchdog_proves(node)?;
        if armed.disks.is_empty() || self.sent_pill(node).is_some() || planted(Mistake::PillUnsent) {
            return Ok(armed);
        }
        Err(format!("no pill was left for {node} yet: it lives on while it reads its slot"))
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
