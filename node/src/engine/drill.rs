//! The drill of fence devices: each is read at its time, by a member other than the node it is for, long before it is needed.
//!
//! A reading is harmless and proves nothing. What it finds is told to people with its age; in the log is only that a device
//! passed for the first time, which arms its node, and that it fails from then on, or passes again: a quiet cluster writes
//! nothing. No device is read that is at work on a fence.

use super::event::{Drilled, Effect, PowerAnswer, PowerVerb, Tag};
use super::{Ctx, Purpose, fencing};
use quorate_core::config::Primitive;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ARMING_LEVEL, Command, DrillWord, NodeState};
use quorate_core::time::BootTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who has just taken this up waits so long: there is enough to do after a change of leader.
const FIRST: Duration = Duration::from_secs(60);
/// What has never passed is read again after this, twice as long with each time: some devices lock a user out who comes with
/// a wrong password again and again. What passed before and did not now is read once more after this, before that is believed.
const AGAIN: Duration = Duration::from_secs(10);
/// The longest of those pauses.
const AGAIN_MOST: Duration = Duration::from_secs(600);
/// How often it is seen whether something is due.
const PAUSE: Duration = Duration::from_secs(1);
/// A reading may take so long.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What was never answered is given up.
const FORGOTTEN: Duration = Duration::from_secs(120);
/// So many devices that have never passed are read at the same time.
const AT_ONCE: usize = 4;

/// A device, and the node it is read for.
pub(super) type Key = (ResourceId, NodeId);

#[derive(Debug, Default)]
pub(super) struct Drill {
    /// When it was looked, at which revision of the configuration.
    looked: Option<(BootTime, u64)>,
    due: BTreeMap<Key, Due>,
    /// What was asked, with which revision, and when.
    asked: BTreeMap<Tag, (Key, u64, BootTime)>,
    found: BTreeMap<Key, (BootTime, Result<bool, String>)>,
    /// What failed once, and is believed when it does so again.
    doubted: BTreeSet<Key>,
}

/// When a device is read next.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: BootTime,
    /// Since which revision it is what it is.
    revision: u64,
    /// How often it was read without having passed before.
    tries: u32,
}

impl Drill {
    pub(super) fn tick(&mut self, ctx: &mut Ctx<'_>) {
        let (now, state) = (ctx.now, ctx.view.state);
        if self.looked.is_some_and(|(at, revision)| now.since(at) < PAUSE && revision == state.revision) {
            return;
        }
        self.looked = Some((now, state.revision));
        let every = state.properties().fence_drill_interval;
        let mut mine = if state.properties().stonith_enabled { mine(ctx) } else { BTreeSet::new() };
        mine.extend(own(ctx).filter(|key| state.properties().stonith_enabled && is_untested(ctx, key)));
        let is_drilled = |key: &&Key| state.config.primitives.get(&key.0).is_some_and(Primitive::is_drilled);
        let mine: BTreeSet<&Key> = mine.iter().filter(is_drilled).collect();
        // What a node needs to be armed is read as soon as it takes part, and whenever it has come back.
        let is_wanted = |key: &Key| if is_untested(ctx, key) { takes_part(ctx, &key.1) } else { !every.is_zero() };
        self.due.retain(|key, _| mine.contains(key) && is_wanted(key));
        // What reads off says nothing of its device where its node is gone, and would be held against it when that is back.
        let tells = |key: &Key, result: &Result<bool, String>| *result != Ok(false) || takes_part(ctx, &key.1);
        self.found.retain(|key, (_, result)| mine.contains(key) && tells(key, result));
        self.doubted.retain(|key| mine.contains(key));
        for key in mine.into_iter().filter(|key| is_wanted(key)) {
            let revision = state.device_revision(&key.0, &key.1);
            let at = if is_untested(ctx, key) { now } else { now.after(FIRST.min(every)) };
            let first = Due { at, revision, tries: 0 };
            let due = self.due.entry(key.clone()).or_insert(first);
            if due.revision != revision {
                *due = first;
            } else if !is_untested(ctx, key) {
                // It was waited for with longer and longer pauses until it passed.
                due.at = due.at.min(now.after(every));
            }
        }
        self.asked.retain(|_, (_, _, at)| now.since(*at) < FORGOTTEN);
        while let Some(key) = self.next(ctx) {
            self.ask(ctx, key, every);
        }
    }

    /// What is read next, if anything is due. One at a time, so that it is never a burst; what keeps a node from being armed
    /// waits for nobody.
    fn next(&self, ctx: &Ctx<'_>) -> Option<Key> {
        let is_asked = |key: &Key| self.asked.values().any(|(asked, ..)| asked == key);
        let is_quiet = |key: &Key| !ctx.view.state.intents.contains_key(&key.1) && !is_asked(key);
        let due = self.due.iter().filter(|(key, due)| due.at <= ctx.now && is_quiet(key));
        let most = |key: &Key| if is_untested(ctx, key) { AT_ONCE } else { 1 };
        let may = due.filter(|(key, _)| self.asked.len() < most(key));
        may.min_by_key(|(_, due)| due.at).map(|(key, _)| key.clone())
    }

    fn ask(&mut self, ctx: &mut Ctx<'_>, key: Key, every: Duration) {
        let is_untested = is_untested(ctx, &key);
        let Some(due) = self.due.get_mut(&key) else { return };
        let again = match is_untested {
            true => AGAIN.saturating_mul(2_u32.saturating_pow(due.tries)).min(AGAIN_MOST),
            false => every,
        };
        *due = Due { at: ctx.now.after(again), tries: due.tries.saturating_add(1), ..*due };
        let (device, target) = key.clone();
        let Some(definition) = ctx.view.state.config.primitives.get(&device).cloned() else { return };
        let tag = ctx.tag();
        self.asked.insert(tag, (key, ctx.view.state.revision, ctx.now));
        let verb = if may_arm(&definition) { PowerVerb::Drill } else { PowerVerb::Read };
        // Whether a pill that is left here would be read there: another disk by the same path has slots too.
        if let Some(pill) = ctx.view.state.no_pill(&target, &device) {
            return ctx.out.push(Effect::Pill { tag, target, pill: Box::new(pill), verb, timeout: TIMEOUT });
        }
        let definition = Box::new(definition);
        ctx.out.push(Effect::Power { tag, device, definition, target, verb, timeout: TIMEOUT });
    }

    pub(super) fn power(&mut self, ctx: &mut Ctx<'_>, tag: Tag, answer: &PowerAnswer) {
        let Some((key, revision, _)) = self.asked.remove(&tag) else { return };
        self.found.insert(key.clone(), (ctx.now, answer.result.clone()));
        let state = ctx.view.state;
        let (device, node) = key.clone();
        let Some(known) = state.drilled(&device, &node) else { return };
        let may_arm = state.config.primitives.get(&device).is_some_and(may_arm);
        if !may_arm || !takes_part(ctx, &node) || state.intents.contains_key(&node) || state.level < ARMING_LEVEL {
            return;
        }
        let outcome = match &answer.result {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("it reads off, and {node} is heard: it is not its power that is read")),
            Err(error) => Err(error.clone()),
        };
        if outcome.is_ok() {
            self.doubted.remove(&key);
        }
        let is_news = match (&outcome, &known.passed, &known.failing) {
            (Ok(()), passed, failing) => passed.is_none() || failing.is_some(),
            (Err(_), _, Some(_)) => false,
            (Err(_), None, None) => true,
            (Err(_), Some(_), None) if self.doubted.insert(key.clone()) => {
                if let Some(due) = self.due.get_mut(&key) {
                    due.at = due.at.min(ctx.now.after(AGAIN));
                }
                false
            }
            (Err(_), Some(_), None) => true,
        };
        let purpose = Purpose::Drilled(device.clone(), node.clone());
        if is_news && !ctx.is_pending(|other| *other == purpose) {
            let word = DrillWord { by: ctx.me.node.clone(), node, device, revision, outcome };
            ctx.propose(purpose, Command::Drilled(word));
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

/// Whether it has to pass a drill yet, so that its node is armed.
fn is_untested(ctx: &Ctx<'_>, (device, node): &Key) -> bool {
    let state = ctx.view.state;
    state.config.primitives.get(device).is_some_and(may_arm)
        && state.drilled(device, node).is_some_and(|drilled| drilled.passed.is_none())
}

/// What keeps a node from its storage is there for that, and nobody is told that it proves nothing, unless it is to.
fn may_arm(device: &Primitive) -> bool {
    !device.unfences() || device.is_vouched_for()
}

fn takes_part(ctx: &Ctx<'_>, node: &NodeId) -> bool {
    ctx.view.state.nodes.get(node).is_some_and(NodeState::is_online)
}

/// Every device of the nodes that this member would fence.
pub(super) fn mine(ctx: &Ctx<'_>) -> BTreeSet<Key> {
    let state = ctx.view.state;
    let others = state.members.keys().filter(|node| **node != ctx.me.node && fencing::carries(ctx, node));
    others.flat_map(|node| devices(ctx, node)).collect()
}

/// Its own, where nobody else takes part: a host whose peers are dead does not wait for them to be armed.
fn own(ctx: &Ctx<'_>) -> impl Iterator<Item = Key> {
    let node = Some(&ctx.me.node).filter(|node| ctx.view.state.reads_own_devices(node));
    node.into_iter().flat_map(|node| devices(ctx, node))
}

fn devices(ctx: &Ctx<'_>, node: &NodeId) -> Vec<Key> {
    let levels = ctx.view.state.fence_levels(node).into_iter().flatten();
    levels.map(|device| (device, node.clone())).collect()
}
