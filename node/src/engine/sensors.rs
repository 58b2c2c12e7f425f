//! How well the hardware is, by the sensors and the event log of each node's BMC: read by a member other than the node.
//!
//! Only where something follows from it (`node-health-strategy`). The log is told when what is wrong has changed, and a second
//! reading said the same: a quiet cluster writes nothing, and a reading that was wrong once moves nobody.

use super::drill::{Key, mine};
use super::event::{Effect, SensorReport, Tag};
use super::{Ctx, Purpose};
use quorate_core::config::HealthStrategy;
use quorate_core::state::{Command, HEALTH_LEVEL, SensorSign, SensorWord, are_same};
use quorate_core::time::BootTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The second reading comes so long after the first, if not sooner by itself.
const AGAIN: Duration = Duration::from_secs(10);
/// How often it is seen whether something is due.
const PAUSE: Duration = Duration::from_secs(1);
/// A reading may take so long: a BMC may have hundreds of sensors.
const TIMEOUT: Duration = Duration::from_secs(60);
/// What was never answered is given up.
const FORGOTTEN: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub(super) struct Sensors {
    looked: Option<BootTime>,
    due: BTreeMap<Key, BootTime>,
    /// One at a time: it is never a burst.
    asked: Option<(Tag, Key, u64, BootTime)>,
    /// What was read the last time, where it is not what the log has.
    doubted: BTreeMap<Key, Vec<SensorSign>>,
    found: BTreeMap<Key, (BootTime, String)>,
}

impl Sensors {
    pub(super) fn tick(&mut self, ctx: &mut Ctx<'_>) {
        let (now, state) = (ctx.now, ctx.view.state);
        if self.looked.is_some_and(|looked| now.since(looked) < PAUSE) {
            return;
        }
        self.looked = Some(now);
        let properties = state.properties();
        let every = properties.node_health_interval;
        let is_wanted = properties.node_health.strategy != HealthStrategy::None && !every.is_zero();
        let mine = if is_wanted && state.level >= HEALTH_LEVEL { with_sensors(ctx) } else { BTreeSet::new() };
        self.due.retain(|key, _| mine.contains(key));
        self.found.retain(|key, _| mine.contains(key));
        self.doubted.retain(|key, _| mine.contains(key));
        for key in &mine {
            self.due.entry(key.clone()).or_insert(now.after(AGAIN.min(every)));
        }
        if self.asked.as_ref().is_some_and(|(.., at)| now.since(*at) < FORGOTTEN) {
            return;
        }
        let is_quiet = |(key, due): &(&Key, &BootTime)| **due <= now && !state.intents.contains_key(&key.1);
        let next = self.due.iter().filter(is_quiet).min_by_key(|(_, due)| **due).map(|(key, _)| key.clone());
        let Some(key) = next else { return };
        self.due.insert(key.clone(), now.after(every));
        let (device, target) = key.clone();
        let Some(definition) = state.config.primitives.get(&device).cloned() else { return };
        let tag = ctx.tag();
        self.asked = Some((tag, key, state.revision, now));
        ctx.out.push(Effect::Sensors { tag, device, definition: Box::new(definition), target, timeout: TIMEOUT });
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, tag: Tag, answer: Result<SensorReport, String>) {
        let Some((_, key, revision, _)) = self.asked.take_if(|(asked, ..)| *asked == tag) else { return };
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                self.found.insert(key, (ctx.now, format!("cannot be read: {error}")));
                return;
            }
        };
        self.found.insert(key.clone(), (ctx.now, report.words()));
        let (device, node) = key.clone();
        let known = ctx.view.state.nodes.get(&node).and_then(|at| at.sensors.get(&device));
        let known = known.map(|health| health.signs.as_slice()).unwrap_or_default();
        if are_same(known, &report.signs) {
            self.doubted.remove(&key);
            return;
        }
        let is_said_again = self.doubted.get(&key).is_some_and(|before| are_same(before, &report.signs));
        if !is_said_again {
            self.doubted.insert(key.clone(), report.signs);
            if let Some(due) = self.due.get_mut(&key) {
                *due = (*due).min(ctx.now.after(AGAIN));
            }
            return;
        }
        let purpose = Purpose::Sensors(device.clone(), node.clone());
        if !ctx.is_pending(|other| *other == purpose) {
            let word = SensorWord { by: ctx.me.node.clone(), node, device, revision, signs: report.signs };
            ctx.propose(purpose, Command::Sensors(word));
        }
    }

    /// What a device's sensors said the last time, and how long ago.
    pub(super) fn told(&self, now: BootTime, key: &Key) -> Option<String> {
        let (at, words) = self.found.get(key)?;
        Some(format!("{words} ({} s ago)", now.since(*at).as_secs()))
    }
}

/// The devices of other nodes that have sensors which are read.
fn with_sensors(ctx: &Ctx<'_>) -> BTreeSet<Key> {
    let has = |key: &Key| ctx.view.state.config.primitives.get(&key.0).is_some_and(|device| device.has_sensors());
    mine(ctx).into_iter().filter(has).collect()
}
