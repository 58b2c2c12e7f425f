//! This host's own watchdog: when its feeder opens it, what the log is told of it, and the beats that keep it fed.
//!
//! Rule watchdog of SAFETY.md. The device is open before it counts as armed, and disarmed by an entry before it closes;
//! only the answer to this daemon's own entry says so, never what its view shows. Who answers beats, and what follows
//! when nobody does, is in `watchdog_wait`.

use super::event::{Effect, Event, PowerAnswer, Tag};
use super::watchdog_wait::WatchdogWait;
use super::worker::Stage;
use super::{Ctx, Purpose};
use quorate_core::id::ResourceId;
use quorate_core::pill::{Slots, majority};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{Command, NodeState, WATCHDOG_LEVEL};
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, GRACE_BEYOND, Order, Terms};
use std::time::Duration;

/// Between two beats: several fit into any window.
const BEAT_EVERY: Duration = Duration::from_millis(300);
/// What was asked for and is not so yet is asked for again after this.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Watchdog {
    feeder: Option<Feeder>,
    /// When the last beat was sent that the leader said yes to.
    answered: Option<BootTime>,
    next_beat: BootTime,
    next_try: BootTime,
    /// This daemon's own disarming stands, and it has armed nothing since.
    is_disarmed: bool,
    /// The leader's side.
    wait: WatchdogWait,
}

impl Watchdog {
    pub(super) fn is_open(&self) -> bool {
        self.feeder.as_ref().is_some_and(|feeder| feeder.open.is_some())
    }

    fn feeder(&mut self, feeder: Option<Feeder>) {
        let was_open = std::mem::replace(&mut self.feeder, feeder).is_some_and(|feeder| feeder.open.is_some());
        if self.is_open() && !was_open {
            self.next_beat = BootTime(0);
        }
    }

    pub(super) fn disarmed(&mut self) {
        self.is_disarmed = true;
        self.next_try = BootTime(0);
    }

    /// The leader said yes to a beat: good from when that was sent, not from when it was answered.
    fn answered(&mut self, ctx: &mut Ctx<'_>, asked: BootTime) {
        if self.answered.is_some_and(|before| before >= asked) {
            return;
        }
        self.answered = Some(asked);
        if let Some(terms) = self.feeder.as_ref().and_then(|feeder| feeder.open) {
            ctx.out.push(Effect::Feeder(Order::Feed(asked.after(terms.window))));
        }
    }

    pub(super) fn take(&mut self, ctx: &mut Ctx<'_>, event: Event) {
        match event {
            Event::Beat { ticket, node, session } => self.wait.beat(ctx, ticket, node, session),
            Event::Answered(asked) => self.answered(ctx, asked),
            Event::Feeder(feeder) => {
                self.feeder(feeder);
                ctx.bites = self.is_open();
            }
            _ => {}
        }
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, tag: Tag, confirmed: bool) {
        self.wait.read(ctx, tag, confirmed);
    }

    /// Whether that was asked for here.
    pub(super) fn power(&mut self, ctx: &mut Ctx<'_>, tag: Tag, answer: &PowerAnswer) -> bool {
        self.wait.power(ctx, tag, answer)
    }

    pub(super) fn act(&mut self, ctx: &mut Ctx<'_>, stage: Stage) {
        self.keep(ctx, stage);
        self.wait.drive(ctx);
    }

    fn keep(&mut self, ctx: &mut Ctx<'_>, stage: Stage) {
        let Some(feeder) = self.feeder.clone() else { return };
        if stage == Stage::Empty {
            // Nothing is active in this session, by its own goodbye or by its removal.
            return if feeder.open.is_some() {
                self.close(ctx)
            };
        }
        let Some(node) = ctx.view.state.nodes.get(&ctx.me.node) else { return };
        let wanted = if stage == Stage::Here { wanted(ctx) } else { None };
        if ctx.now >= self.next_beat && (feeder.open.is_some() || wanted.is_some()) {
            self.next_beat = ctx.now.after(BEAT_EVERY);
            ctx.out.push(Effect::Beat);
        }
        let is_current = node.is_open(&ctx.me.session) && node.incarnation == ctx.incarnation;
        let is_busy = ctx.is_pending(|purpose| matches!(purpose, Purpose::Arm | Purpose::Disarm));
        if !is_current || is_busy || ctx.now < self.next_try || stage == Stage::Dying {
            return;
        }
        match wanted {
            Some(wanted) if fits(node, &wanted, &feeder) => self.arm(ctx, node, wanted, &feeder),
            _ => self.put_away(ctx, node, &feeder),
        }
    }

    /// Opens it first, then says so.
    fn arm(&mut self, ctx: &mut Ctx<'_>, node: &NodeState, wanted: Wanted, feeder: &Feeder) {
        let Wanted { device, terms, disks } = wanted;
        let Some(until) = self.answered.map(|asked| asked.after(terms.window)).filter(|until| ctx.now < *until) else {
            return;
        };
        if feeder.open.is_none() {
            self.next_try = ctx.now.after(PAUSE);
            let slots = Slots { disks, node: ctx.me.node.to_string(), session: ctx.me.session.to_string() };
            ctx.out.push(Effect::Feeder(Order::Open { terms, until, slots }));
        } else if node.dog.armed.is_none() && reads_enough(feeder) {
            self.next_try = ctx.now.after(PAUSE);
            self.is_disarmed = false;
            let command = Command::Arm {
                speaker: ctx.speaker(),
                follows: node.dog.turn,
                device,
                identity: feeder.identity.clone(),
                was_reset: feeder.was_reset,
                terms,
                disks,
                opening: feeder.opening.clone(),
            };
            ctx.propose(Purpose::Arm, command);
        }
    }

    /// Disarms it, by an entry, and closes it then.
    fn put_away(&mut self, ctx: &mut Ctx<'_>, node: &NodeState, feeder: &Feeder) {
        if node.dog.armed.is_none() && feeder.open.is_none() {
            return;
        }
        let may_close = self.is_disarmed && node.dog.armed.is_none();
        if may_close || (planted(Mistake::CloseBeforeDisarm) && feeder.open.is_some()) {
            return self.close(ctx);
        }
        self.next_try = ctx.now.after(PAUSE);
        let speaker = ctx.speaker();
        ctx.propose(Purpose::Disarm, Command::Disarm(speaker));
    }

    fn close(&mut self, ctx: &mut Ctx<'_>) {
        if ctx.now >= self.next_try {
            self.next_try = ctx.now.after(PAUSE);
            ctx.out.push(Effect::Feeder(Order::Close));
        }
    }
}

/// What a host's watchdog is to be.
struct Wanted {
    device: ResourceId,
    terms: Terms,
    disks: Vec<String>,
}

/// What is configured for this host, and the terms that follow.
fn wanted(ctx: &Ctx<'_>) -> Option<Wanted> {
    let state = ctx.view.state;
    let properties = state.properties();
    if !properties.stonith_enabled || state.level < WATCHDOG_LEVEL || state.is_witness(&ctx.me.node) {
        return None;
    }
    let device = state.watchdog(&ctx.me.node)?;
    let primitive = state.config.primitives.get(device)?;
    let (timeout, window) = primitive.watchdog_times();
    let disks = if primitive.is_pill() { primitive.pill_disks() } else { Vec::new() };
    // Who reads its slot lives on without a daemon, and needs no grace for that.
    let grace = if disks.is_empty() { properties.daemon_grace + GRACE_BEYOND } else { Duration::ZERO };
    Some(Wanted { device: device.clone(), terms: Terms { timeout, window, grace }, disks })
}

/// Whether what is open and what is armed are what is wanted, as far as they are there.
fn fits(node: &NodeState, wanted: &Wanted, feeder: &Feeder) -> bool {
    let is_open = |open: Terms| open == wanted.terms && feeder.disks.iter().map(|disk| &disk.path).eq(&wanted.disks);
    feeder.open.is_none_or(is_open)
        && node.dog.armed.as_ref().is_none_or(|armed| {
            // A feeder that was started anew has marked its slots anew, and nobody looks for that mark.
            let is_same = feeder.open.is_none() || armed.opening == feeder.opening;
            is_same && armed.terms == wanted.terms && armed.device == wanted.device && armed.disks == wanted.disks
        })
}

/// Whether enough disks have a slot of this host's for a pill to reach it.
fn reads_enough(feeder: &Feeder) -> bool {
    let read = feeder.disks.iter().filter(|disk| disk.trouble.is_none()).count();
    feeder.disks.is_empty() || read >= majority(feeder.disks.len())
}
