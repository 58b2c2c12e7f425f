//! This node's own unfencing: each device that has to let it in is told `on` and read, once in a boot.
//!
//! A look at the leader comes right before the `on`, so that who was fenced meanwhile does not let itself in again. Nothing
//! that needs it is active here then (`apply` starts nothing before), and it is not tried while something is.

use super::event::{Effect, PowerAnswer, PowerVerb, Tag};
use super::{Ctx, Purpose};
use quorate_core::id::ResourceId;
use quorate_core::state::{Command, Unfencing};
use quorate_core::time::BootTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// The first pause between two tries; it doubles with each that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Unfence {
    under_way: Option<Try>,
    /// How often each device failed in a row, and when it may be asked again.
    rests: BTreeMap<ResourceId, (u32, BootTime)>,
}

#[derive(Debug)]
struct Try {
    device: ResourceId,
    stage: Stage,
    asked: BootTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A linearizable read, to see that this session is open still.
    Checking(Tag),
    On(Tag),
    /// What it says then.
    Reading(Tag),
}

impl Unfence {
    pub(super) fn drive(&mut self, ctx: &mut Ctx<'_>) {
        let state = ctx.view.state;
        let node = &ctx.me.node;
        if !state.is_current(&ctx.speaker()) {
            *self = Self::default();
            return;
        }
        let wanted = state.to_unfence(node);
        self.rests.retain(|device, _| wanted.contains(device));
        // What was never answered is given up.
        let patience = state.properties().stonith_timeout * 3;
        self.under_way.take_if(|it| ctx.now.since(it.asked) > patience);
        if self.under_way.is_some() || ctx.is_pending(|purpose| *purpose == Purpose::Unfence) {
            return;
        }
        let rests = |device: &ResourceId| self.rests.get(device).is_some_and(|(_, until)| ctx.now < *until);
        let Some(device) = wanted.into_iter().find(|it| !rests(it) && state.may_unfence(node, it)) else { return };
        let tag = ctx.tag();
        ctx.out.push(Effect::Read(tag));
        self.under_way = Some(Try { device, stage: Stage::Checking(tag), asked: ctx.now });
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, tag: Tag, fresh: bool) {
        let Some(it) = self.under_way.as_mut().filter(|it| it.stage == Stage::Checking(tag)) else { return };
        let is_mine = ctx.view.state.is_current(&ctx.speaker());
        if fresh && is_mine && ctx.view.state.may_unfence(&ctx.me.node, &it.device) {
            it.stage = Stage::On(tag);
            self.ask(ctx, PowerVerb::On, Stage::On);
        } else {
            let device = it.device.clone();
            self.under_way = None;
            self.rests.entry(device).or_insert((0, ctx.now)).1 = ctx.now.after(FIRST_PAUSE);
        }
    }

    pub(super) fn power(&mut self, ctx: &mut Ctx<'_>, tag: Tag, answer: &PowerAnswer) {
        let Some(stage) = self.under_way.as_ref().map(|it| it.stage) else { return };
        match (stage, &answer.result) {
            (Stage::On(asked), Ok(_)) if asked == tag => self.ask(ctx, PowerVerb::Read, Stage::Reading),
            (Stage::Reading(asked), Ok(true)) if asked == tag => self.tell(ctx, Ok(())),
            (Stage::Reading(asked), Ok(false)) if asked == tag => {
                self.tell(ctx, Err("it took the on and reads off".to_owned()));
            }
            (Stage::On(asked) | Stage::Reading(asked), Err(error)) if asked == tag => {
                self.tell(ctx, Err(error.clone()));
            }
            _ => {}
        }
    }

    fn ask(&mut self, ctx: &mut Ctx<'_>, verb: PowerVerb, stage: fn(Tag) -> Stage) {
        let Some(it) = &mut self.under_way else { return };
        let Some(definition) = ctx.view.state.config.primitives.get(&it.device).cloned() else {
            self.under_way = None;
            return;
        };
        let tag = ctx.tag();
        it.stage = stage(tag);
        ctx.out.push(Effect::Power {
            tag,
            device: it.device.clone(),
            definition: Box::new(definition),
            target: ctx.me.node.clone(),
            verb,
            timeout: ctx.view.state.properties().stonith_timeout,
        });
    }

    /// A quiet cluster writes nothing: an error that is known is not told again.
    fn tell(&mut self, ctx: &mut Ctx<'_>, outcome: Result<(), String>) {
        let Some(it) = self.under_way.take() else { return };
        let failures = self.rests.get(&it.device).map_or(0, |(failures, _)| *failures);
        let failures = if outcome.is_ok() { 0 } else { failures.saturating_add(1) };
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(failures.min(6));
        self.rests.insert(it.device.clone(), (failures, ctx.now.after(pause)));
        let here = ctx.view.state.nodes.get(&ctx.me.node);
        let known = here.and_then(|here| here.unfenced.get(&it.device)).and_then(|last| last.error.as_ref());
        if outcome.as_ref().err().is_some_and(|error| known == Some(error)) {
            return;
        }
        let unfencing = Unfencing { speaker: ctx.speaker(), device: it.device, outcome };
        ctx.propose(Purpose::Unfence, Command::Unfenced(unfencing));
    }
}
