//! The drill of fence devices: each is read at its time, by a member other than the node it is for, long before it is needed.
//!
//! A reading is harmless and proves nothing. What it finds is told to people with its age and is in no log: a quiet cluster
//! writes nothing. Nothing here decides anything, and no device is read that is at work on a fence.

use super::event::{Drilled, Effect, PowerAnswer, PowerVerb, Tag};
use super::{Ctx, fencing};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::time::BootTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who has just taken this up waits so long: there is enough to do after a change of leader.
const FIRST: Duration = Duration::from_secs(60);
/// How often it is seen whether something is due.
const PAUSE: Duration = Duration::from_secs(1);
/// A reading may take so long.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What was never answered is given up.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// A device, and the node it is read for.
pub(super) type Key = (ResourceId, NodeId);

#[derive(Debug, Default)]
pub(super) struct Drill {
    looked: Option<BootTime>,
    due: BTreeMap<Key, BootTime>,
    /// One at a time: it is never a burst.
    asked: Option<(Tag, Key, BootTime)>,
    found: BTreeMap<Key, (BootTime, Result<bool, String>)>,
}

impl Drill {
    pub(super) fn tick(&mut self, ctx: &mut Ctx<'_>) {
        if self.looked.is_some_and(|looked| ctx.now.since(looked) < PAUSE) {
            return;
        }
        self.looked = Some(ctx.now);
        let properties = ctx.view.state.properties();
        let every = properties.fence_drill_interval;
        let is_wanted = properties.stonith_enabled && !every.is_zero();
        let mine = if is_wanted { mine(ctx) } else { BTreeSet::new() };
        self.due.retain(|key, _| mine.contains(key));
        self.found.retain(|key, _| mine.contains(key));
        for key in &mine {
            self.due.entry(key.clone()).or_insert(ctx.now.after(FIRST.min(every)));
        }
        if self.asked.as_ref().is_some_and(|(_, _, at)| ctx.now.since(*at) < FORGOTTEN) {
            return;
        }
        let is_quiet =
            |(key, due): &(&Key, &BootTime)| **due <= ctx.now && !ctx.view.state.intents.contains_key(&key.1);
        let Some(key) = self.due.iter().filter(is_quiet).min_by_key(|(_, due)| **due).map(|(key, _)| key.clone())
        else {
            return;
        };
        self.due.insert(key.clone(), ctx.now.after(every));
        let (device, target) = key.clone();
        let Some(definition) = ctx.view.state.config.primitives.get(&device).cloned() else { return };
        let tag = ctx.tag();
        self.asked = Some((tag, key, ctx.now));
        let (definition, verb) = (Box::new(definition), PowerVerb::Read);
        ctx.out.push(Effect::Power { tag, device, definition, target, verb, timeout: TIMEOUT });
    }

    pub(super) fn power(&mut self, now: BootTime, tag: Tag, answer: &PowerAnswer) {
        if let Some((_, key, _)) = self.asked.take_if(|(asked, _, _)| *asked == tag) {
            self.found.insert(key, (now, answer.result.clone()));
        }
    }

    /// What was found, and how long ago.
    pub(super) fn told(&self, now: BootTime) -> Vec<Drilled> {
        let one = |((device, node), (at, result)): (&Key, &(BootTime, Result<bool, String>))| Drilled {
            device: device.clone(),
            node: node.clone(),
            ago: now.since(*at),
            on: result.as_ref().ok().copied(),
            error: result.as_ref().err().cloned(),
            sensors: None,
        };
        self.found.iter().map(one).collect()
    }
}

/// Every device of the nodes that this member would fence.
pub(super) fn mine(ctx: &Ctx<'_>) -> BTreeSet<Key> {
    let state = ctx.view.state;
    let others = state.members.keys().filter(|node| **node != ctx.me.node && fencing::carries(ctx, node));
    let devices = |node: &NodeId| {
        let levels = state.fence_levels(node).into_iter().flatten();
        levels.map(|device| (device, node.clone())).collect::<Vec<_>>()
    };
    others.flat_map(devices).collect()
}
