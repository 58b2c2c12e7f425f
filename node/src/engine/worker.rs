//! This node's worker: hello, then its ready actions, one operation per resource, and its monitors.
//!
//! Rules incarnation, answer-only, contained, inventory and breathing of SAFETY.md. Before its hello stands it does
//! nothing but look.

use super::event::{Effect, Event, Executed, FirstHand, Known, ProposeError, Tag};
use super::monitor::Monitors;
use super::operations::Operations;
use super::{Ctx, Purpose};
use quorate_core::id::ResourceId;
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{Activity, Command, Liveness, NodeState, Outcome, Proof, Refusal, Seen, SessionState};
use quorate_core::time::BootTime;
use quorate_core::view::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two hellos that were not welcome.
const HELLO_PAUSE: Duration = Duration::from_millis(500);

/// How far a daemon start has come.
#[derive(Debug, Default)]
enum Phase {
    /// It waits until it is a member, then looks.
    #[default]
    New,
    /// Leftovers are being killed, and resources looked for.
    Looking,
    /// What it saw, ready for a hello, from this moment on.
    Ready(BTreeMap<ResourceId, Seen>, BootTime),
    /// Its hello stands.
    Working,
    /// It stops in order.
    Leaving,
    /// Its host shuts down: everything was stopped, and it has said goodbye.
    Gone,
    /// Its session was proven dead, or it must behave as if.
    Dead,
    /// It was removed from the cluster, as somebody told it.
    Out(String),
}

/// How this host's watchdog is to be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The daemon takes part, or is about to.
    Here,
    /// It goes in order.
    Leaving,
    /// Nothing is left on the host, nor may be: it said goodbye, or was removed.
    Empty,
    /// It is to die; the watchdog may help.
    Dying,
}

/// After a removal whatever comes in within this was on its way; later a person may have started it.
const LATE: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct Worker {
    phase: Phase,
    /// A refused hello or goodbye is not repeated before this.
    hello_from: BootTime,
    /// Until then something may still come in that was on its way when this member was removed.
    late_until: BootTime,
    operations: Operations,
    monitors: Monitors,
    present: BTreeSet<ResourceId>,
    findings: Vec<String>,
}

impl Worker {
    pub(super) fn tick(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.phase, Phase::Working) {
            self.monitors.due(ctx, &self.operations);
        }
    }

    /// Whatever happened: what is there to do now?
    pub(super) fn act(&mut self, ctx: &mut Ctx<'_>) {
        let Some(node) = ctx.view.state.nodes.get(&ctx.me.node) else {
            // removal: it is not a member any more, and so it does nothing.
            if !matches!(self.phase, Phase::New | Phase::Dead | Phase::Leaving | Phase::Out(_)) {
                self.phase = Phase::New;
                ctx.out.push(Effect::Abandon("it is no member any more".to_owned()));
            }
            return;
        };
        if !matches!(self.phase, Phase::Dead | Phase::Out(_))
            && let Some(why) = must_die(ctx, node)
        {
            self.phase = Phase::Dead;
            super::breathing::confess(ctx);
            ctx.out.push(Effect::SelfFence(why));
            return;
        }
        match &self.phase {
            Phase::New => {
                self.phase = Phase::Looking;
                ctx.out.push(Effect::TakeInventory(known(ctx)));
            }
            Phase::Ready(found, from) if ctx.now >= *from => {
                let found = found.clone();
                self.hello(ctx, found);
            }
            Phase::Working if superseded(ctx, node) => self.phase = Phase::New,
            Phase::Working if has_left(ctx, node) => self.phase = Phase::Gone,
            Phase::Working if node.leaving && may_part(ctx) => self.part(ctx),
            Phase::Working => self.operations.act(ctx),
            // The shutdown was called off, or never came: it takes part again.
            Phase::Gone if !node.leaving => self.phase = Phase::New,
            Phase::Leaving => leave(ctx),
            Phase::Looking | Phase::Ready(..) | Phase::Gone | Phase::Dead | Phase::Out(_) => {}
        }
    }

    /// proofs (1): nothing is left here, and so the session may end.
    fn part(&mut self, ctx: &mut Ctx<'_>) {
        if ctx.now >= self.hello_from && !ctx.is_pending(|purpose| *purpose == Purpose::Goodbye) {
            self.hello_from = ctx.now.after(HELLO_PAUSE);
            let speaker = ctx.speaker();
            ctx.propose(Purpose::Goodbye, Command::Goodbye(speaker));
        }
    }

    fn hello(&mut self, ctx: &mut Ctx<'_>, inventory: BTreeMap<ResourceId, Seen>) {
        if ctx.view.leader.is_none() || ctx.is_pending(|purpose| *purpose == Purpose::Hello) {
            return;
        }
        let Some(node) = ctx.view.state.nodes.get(&ctx.me.node) else { return };
        let command = Command::Hello {
            node: ctx.me.node.clone(),
            hardware: ctx.me.hardware.clone(),
            session: ctx.me.session.clone(),
            follows: node.incarnation,
            inventory: inventory.clone(),
            release: ctx.me.release.clone(),
        };
        ctx.propose(Purpose::Hello, command);
        self.phase = Phase::Ready(inventory, ctx.now.after(HELLO_PAUSE));
    }

    /// What is on this host.
    pub(super) fn saw(&mut self, ctx: &mut Ctx<'_>, seen: Event) {
        match seen {
            Event::Inventory(found) => self.inventory(ctx, found),
            Event::Surveyed { present, findings } => self.surveyed(ctx, present, findings),
            _ => {}
        }
    }

    fn inventory(&mut self, ctx: &mut Ctx<'_>, found: BTreeMap<ResourceId, Seen>) {
        if matches!(self.phase, Phase::Looking) {
            self.phase = Phase::Ready(found, self.hello_from.max(ctx.now));
        }
    }

    pub(super) fn welcomed(&mut self) {
        self.phase = Phase::Working;
        self.operations = Operations::default();
        self.monitors = Monitors::default();
    }

    pub(super) fn answered(&mut self, ctx: &mut Ctx<'_>, purpose: &Purpose, answer: &Result<Outcome, ProposeError>) {
        if let Ok(Outcome::Refused(Refusal::SessionEnded(session))) = answer
            && *session == ctx.me.session
            && !matches!(self.phase, Phase::Dead)
        {
            self.phase = Phase::Dead;
            return ctx.out.push(Effect::SelfFence("this session was proven dead".to_owned()));
        }
        match purpose {
            // The inventory is taken again: what it says must not be older than the refusal.
            Purpose::Hello if matches!(answer, Ok(Outcome::Refused(_))) => {
                self.phase = Phase::Looking;
                self.hello_from = ctx.now.after(HELLO_PAUSE);
            }
            Purpose::GoAway if answer.is_ok() => ctx.out.push(Effect::Stopped),
            _ => self.operations.answered(ctx, purpose, answer),
        }
        if matches!(self.phase, Phase::Looking) && *purpose == Purpose::Hello {
            ctx.out.push(Effect::TakeInventory(known(ctx)));
        }
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, tag: Tag, fresh: bool) {
        self.operations.read(ctx, tag, fresh);
    }

    pub(super) fn prepared(&mut self, ctx: &mut Ctx<'_>, tag: Tag) {
        self.operations.prepared(ctx, tag);
    }

    /// An operation ended, or a reload did.
    pub(super) fn executed(&mut self, ctx: &mut Ctx<'_>, event: Event) {
        match event {
            Event::Executed(tag, executed) => self.operations.executed(ctx, tag, executed, None),
            Event::Reloads(tag, executed, reload) => self.operations.executed(ctx, tag, executed, Some(reload)),
            _ => {}
        }
    }

    /// What becomes of a migration.
    pub(super) fn sent(&mut self, ctx: &mut Ctx<'_>, event: &Event) {
        match event {
            Event::Gone(tag, moved) => self.operations.gone(ctx, *tag, *moved),
            Event::Progress(tag, progress) => self.operations.progress(*tag, *progress),
            _ => {}
        }
    }

    pub(super) fn migrations(&self) -> BTreeMap<ResourceId, Progress> {
        self.operations.migrations()
    }

    pub(super) fn looked(&mut self, ctx: &mut Ctx<'_>, tag: Tag, executed: Executed) {
        self.monitors.looked(ctx, tag, executed);
    }

    pub(super) fn changed(&mut self, ctx: &mut Ctx<'_>, resource: &ResourceId) {
        if matches!(self.phase, Phase::Working) {
            self.operations.forget_unsure(resource);
            self.monitors.look_now(ctx, &self.operations, resource);
        }
    }

    /// inventory: what is here and should not be is looked at, and so enters the log.
    fn surveyed(&mut self, ctx: &mut Ctx<'_>, present: BTreeSet<ResourceId>, findings: Vec<String>) {
        let is_stray = |resource: &&ResourceId| {
            let here = ctx.view.state.activity(resource, &ctx.me.node);
            here.is_some_and(Activity::is_stopped)
        };
        let strays: Vec<ResourceId> = present.iter().filter(is_stray).cloned().collect();
        (self.present, self.findings) = (present, findings);
        if let Phase::Out(why) = &self.phase
            && !self.present.is_empty()
            && ctx.now < self.late_until
        {
            // A migration that was given up long ago may still arrive, and nobody else looks here any more.
            ctx.out.push(Effect::Abandon(why.clone()));
        }
        for stray in strays {
            self.changed(ctx, &stray);
        }
    }

    pub(super) fn first_hand(&self) -> FirstHand {
        FirstHand {
            present: self.present.clone(),
            unseen: self.monitors.unseen().clone(),
            findings: self.findings.clone(),
            drills: Vec::new(),
        }
    }

    /// removal: whoever was removed has no business with the cluster's VMs. It had none when it went, unless what
    /// proved it dead was wrong.
    fn cast_out(&mut self, ctx: &mut Ctx<'_>, why: String) {
        if !matches!(self.phase, Phase::Dead | Phase::Leaving | Phase::Out(_)) {
            ctx.out.push(Effect::Abandon(why.clone()));
            self.phase = Phase::Out(why);
            self.late_until = ctx.now.after(LATE);
        }
    }

    pub(super) fn is_cast_out(&self) -> Option<&str> {
        match &self.phase {
            Phase::Out(why) => Some(why),
            _ => None,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.phase {
            Phase::New | Phase::Looking | Phase::Ready(..) | Phase::Working => Stage::Here,
            Phase::Leaving => Stage::Leaving,
            Phase::Gone | Phase::Out(_) => Stage::Empty,
            Phase::Dead => Stage::Dying,
        }
    }

    /// This member goes: it was removed, or its daemon is to stop.
    pub(super) fn end(&mut self, ctx: &mut Ctx<'_>, how: Event) {
        match how {
            Event::CastOut(why) => self.cast_out(ctx, why),
            _ => self.stop(ctx),
        }
    }

    fn stop(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.phase, Phase::Working) {
            self.phase = Phase::Leaving;
            leave(ctx);
        } else {
            self.phase = Phase::Leaving;
            ctx.out.push(Effect::Stopped);
        }
    }
}

/// Tells the cluster that this daemon stops in order; again and again, where nobody leads just now. The daemon itself
/// limits how long that may take.
fn leave(ctx: &mut Ctx<'_>) {
    // watchdog: nobody would feed it any more.
    if ctx.bites {
        return;
    }
    if ctx.view.leader.is_some() && !ctx.is_pending(|purpose| *purpose == Purpose::GoAway) {
        let speaker = ctx.speaker();
        ctx.propose(Purpose::GoAway, Command::GoAway(speaker));
    }
}

/// breathing, called off: a session that was proven dead, or condemned, takes its VMs down with it.
fn must_die(ctx: &Ctx<'_>, node: &NodeState) -> Option<String> {
    let session = node.session.as_ref().filter(|session| session.id == ctx.me.session)?;
    if matches!(&session.state, SessionState::Ended(proof) if !matches!(proof, Proof::Goodbye { .. })) {
        return Some("this session was proven dead".to_owned());
    }
    let intent = ctx.view.state.intents.get(&ctx.me.node).filter(|intent| intent.session == ctx.me.session)?;
    intent.condemned.then(|| "an off was sent to this host and had no effect".to_owned())
}

/// proofs (1): nothing that it has is left, nor anything that it may have.
fn may_part(ctx: &Ctx<'_>) -> bool {
    ctx.view.state.held_by(&ctx.me.node).is_empty() || planted(Mistake::GoodbyeTooSoon)
}

/// Its own goodbye stands.
fn has_left(ctx: &Ctx<'_>, node: &NodeState) -> bool {
    let mine = node.session.as_ref().filter(|session| session.id == ctx.me.session);
    mine.is_some_and(|session| matches!(session.state, SessionState::Ended(Proof::Goodbye { .. })))
}

/// The session was taken back, or another hello of this boot stands: this daemon has to look and say hello again.
fn superseded(ctx: &Ctx<'_>, node: &NodeState) -> bool {
    let mine = node.session.as_ref().is_some_and(|session| session.id == ctx.me.session);
    mine && node.incarnation != ctx.incarnation
        && node.incarnation > ctx.incarnation
        && node.liveness != Liveness::Joining
}

/// Everything that is configured or may be active, with what it would be stopped by here.
fn known(ctx: &Ctx<'_>) -> BTreeMap<ResourceId, Known> {
    let state = ctx.view.state;
    // It needs no hypervisor to say that nothing is there.
    if state.is_witness(&ctx.me.node) {
        return BTreeMap::new();
    }
    let configured =
        state.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device()).map(|(id, _)| id);
    configured
        .chain(state.resources.keys())
        .filter(|id| state.is_looked_for(id, &ctx.me.node))
        .filter_map(|id| {
            let definition = state.definition(id, &ctx.me.node)?;
            let definition = state.definition_on(definition, &ctx.me.node).among(state.nodes.len());
            let may_take = |name: &str| definition.operation(name, &state.config.op_defaults).timeout;
            let (look, stop) = (may_take("monitor"), may_take("stop"));
            Some((id.clone(), Known { definition, look, stop }))
        })
        .collect()
}
