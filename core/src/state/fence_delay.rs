//! How long the first off of a fence waits, and for what: `pcmk_delay_base` and `pcmk_delay_max` of its devices, and
//! `priority-fencing-delay`.
//!
//! A minority fences nobody, so no delay decides who lives. It is time for a node that still runs what is important to be
//! heard again: who is heard meanwhile is not fenced at all. At random means: by the session that is fenced, so that every
//! leader waits equally long. Nothing here holds up a fence of what already reads off, and no safety rests on it.

use super::{Activity, ClusterState, FenceCause, Seen};
use crate::id::{NodeId, ResourceId, SessionId};
use crate::time::Timestamp;
use std::time::Duration;

/// Why the first off of a session waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FenceDelay {
    /// For what the device, or its network, needs.
    pub device: Duration,
    /// Because what runs there is more important than what runs elsewhere.
    pub priority: Duration,
}

impl FenceDelay {
    /// Both, one after the other.
    pub fn total(&self) -> Duration {
        self.device + self.priority
    }

    /// In words.
    pub fn words(&self) -> String {
        let part = |time: Duration, why: &str| (!time.is_zero()).then(|| format!("{} s by {why}", seconds(time)));
        let parts = [
            part(self.priority, "priority-fencing-delay, for what runs there is the most important"),
            part(self.device, "pcmk_delay_base and pcmk_delay_max of its device"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// That a fence is not tried before its delay is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceWait {
    /// By the log's time; the member that carries it on counts by its own clock, from when it took it up.
    pub until: Timestamp,
    /// What for, in words.
    pub why: String,
}

impl ClusterState {
    /// How long the first off of a session that was lost is held back, by devices that are asked together.
    pub fn fence_delay(&self, target: &NodeId, session: &SessionId, devices: &[ResourceId]) -> FenceDelay {
        let definitions = devices.iter().filter_map(|id| Some((id, self.config.primitives.get(id)?)));
        let delays = definitions.map(|(id, device)| {
            let (least, most) = device.fence_delay(target);
            let span = u64::try_from((most - least).as_millis()).unwrap_or(u64::MAX);
            let part = if span == 0 { 0 } else { spread(session.as_str(), id.as_str()) % (span + 1) };
            least + Duration::from_millis(part)
        });
        FenceDelay { device: delays.max().unwrap_or_default(), priority: self.priority_delay(target) }
    }

    /// What an intent waits for that was not tried yet.
    pub fn fence_wait(&self, target: &NodeId) -> Option<FenceWait> {
        let intent = self.intents.get(target).filter(|intent| intent.tries == 0)?;
        let delay = self.wanted_delay(target, &intent.session, &intent.cause);
        (!delay.total().is_zero()).then(|| FenceWait { until: intent.since.after(delay.total()), why: delay.words() })
    }

    /// The delay of a fence with this cause, by the devices that are asked first.
    pub fn wanted_delay(&self, target: &NodeId, session: &SessionId, cause: &FenceCause) -> FenceDelay {
        let first = self.fence_levels(target).into_iter().next().unwrap_or_default();
        let delay = self.fence_delay(target, session, &first);
        match cause {
            FenceCause::Lost(_) => delay,
            // It is heard: that it may be heard again is nothing to wait for.
            _ => FenceDelay { priority: Duration::ZERO, ..delay },
        }
    }

    /// `priority-fencing-delay` as Pacemaker means it: for the node with the highest sum of priorities, where the others
    /// that take part are no more than half of the hosts, and not all sums are equal.
    fn priority_delay(&self, target: &NodeId) -> Duration {
        let delay = self.properties().priority_fencing_delay;
        if delay.is_zero() {
            return delay;
        }
        let hosts: Vec<&NodeId> = self.members.keys().filter(|node| !self.is_witness(node)).collect();
        let here = self.online().filter(|(node, _)| *node != target && hosts.contains(node)).count();
        let sums = || hosts.iter().map(|node| self.priority_of(node));
        let (least, most) = (sums().min().unwrap_or(0), sums().max().unwrap_or(0));
        let waits = here * 2 <= hosts.len() && least < most && self.priority_of(target) == most;
        if waits { delay } else { Duration::ZERO }
    }

    /// The sum of the priorities of what runs on a node; what is promoted counts one more.
    fn priority_of(&self, node: &NodeId) -> i64 {
        let here = self.resources.iter().filter_map(|(id, nodes)| Some((id, nodes.get(node)?)));
        let one = |(id, activity): (&ResourceId, &Activity)| {
            let primitive = activity.definition.as_ref().or_else(|| self.config.primitives.get(id));
            let priority = primitive.map_or(0, |primitive| self.meta(id, primitive).priority);
            match activity.seen {
                Seen::Promoted if priority != 0 => priority.saturating_add(1),
                Seen::Promoted | Seen::Running | Seen::Paused(_) => priority,
                Seen::Stopped | Seen::Failed(_) | Seen::Unknown(_) => 0,
            }
        };
        here.map(one).fold(0, i64::saturating_add)
    }
}

fn seconds(time: Duration) -> String {
    let text = format!("{:.1}", time.as_secs_f64());
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// FNV-1a over both.
fn spread(session: &str, device: &str) -> u64 {
    let bytes = session.bytes().chain([0]).chain(device.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
