//! What a member read of a node's sensors.

use super::stale;
use crate::config::{Colour, Config, HealthStrategy};
use crate::state::{
    ClusterState, EventKind, Outcome, Refusal, SIGNS_KEPT, SensorHealth, SensorSign, SensorWord, are_same,
};
use crate::text::limited;

impl ClusterState {
    pub(super) fn sensors(&mut self, word: &SensorWord) -> Result<Outcome, Refusal> {
        let SensorWord { by, node, device, revision, signs } = word;
        let fences = self.config.primitives.get(device).is_some_and(|it| it.has_sensors() && it.fences(node));
        if !fences || !self.nodes.contains_key(node) {
            return stale(format!("{device} is no fence device of {node}"));
        }
        if self.revision != *revision {
            return stale(format!("the configuration was changed since {device} was read"));
        }
        let bad = signs.iter().filter(|sign| sign.colour != Colour::Green).take(SIGNS_KEPT);
        let signs: Vec<SensorSign> = bad.cloned().map(cut).collect();
        let since = self.now;
        let Some(at) = self.nodes.get_mut(node) else { return Ok(Outcome::Done) };
        let known = at.sensors.get(device).map(|health| health.signs.as_slice()).unwrap_or_default();
        if are_same(known, &signs) {
            return Ok(Outcome::Done);
        }
        let text = match signs.first() {
            None => format!("the sensors of {node} are well again, read by {by} ({device})"),
            Some(worst) => {
                let each: Vec<String> = signs.iter().map(SensorSign::words).collect();
                format!("the sensors of {node} are {}: {}, read by {by} ({device})", worst.colour, each.join("; "))
            }
        };
        match signs.is_empty() {
            true => _ = at.sensors.remove(device),
            false => _ = at.sensors.insert(device.clone(), SensorHealth { since, signs }),
        }
        self.record(EventKind::Health, Some(node), None, limited(text));
        Ok(Outcome::Done)
    }

    /// What was read by a device that is another one by now, or is for other nodes, counts no more; nor does what nobody reads.
    pub(super) fn forget_sensors(&mut self, old: &Config) {
        let is_read = self.properties().node_health.strategy != HealthStrategy::None;
        let config = &self.config;
        for (node, at) in &mut self.nodes {
            at.sensors.retain(|id, _| {
                let device = config.primitives.get(id).filter(|it| it.is_fence_device() && it.fences(node));
                is_read && device.is_some_and(|it| it.has_sensors() && old.primitives.get(id) == Some(it))
            });
        }
    }
}

fn cut(sign: SensorSign) -> SensorSign {
    SensorSign { sensor: limited(sign.sensor), what: limited(sign.what), value: sign.value.map(limited), ..sign }
}
