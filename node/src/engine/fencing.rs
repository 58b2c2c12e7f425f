//! Carrying fence intents on: a grant, a look at its deadline, the off, a fresh reading, the result.
//!
//! Rules send-by, proofs (2), called off and of the target of SAFETY.md. The leader carries them on, or another member
//! where the leader itself is the target or was judged lost; what it left when it lost leadership ends by its deadline.

use super::drill::Drill;
use super::event::{Drilled, Effect, PowerAnswer, PowerVerb, ProposeError, Tag};
use super::liveness::Liveness;
use super::power_on::PowerOn;
use super::unfence::Unfence;
use super::{Ctx, Purpose, pill};
use quorate_core::config::Properties;
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{Attempt, Command, FenceCause, FenceIntent, Outcome, SessionState};
use quorate_core::time::BootTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// The first pause between two tries; it doubles up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Time between two readings of a device that took the off and still reads on.
const READ_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause between two questions for a grant that the storm brake holds up.
const BRAKED_PAUSE: Duration = Duration::from_secs(30);
/// A leader waits so much longer than a grant lasts before it settles it: the executor's clock began earlier.
const EXPIRY_MARGIN: Duration = Duration::from_secs(1);

/// What is wrong with a device that acknowledges and does nothing.
const STILL_ON: &str = "the device took the off and its power still reads on";

#[derive(Debug, Default)]
pub(super) struct Fencing {
    /// Tries that this daemon was granted, by target.
    running: BTreeMap<NodeId, Try>,
    /// When this leader first saw an open try, by target and number.
    seen_open: BTreeMap<(NodeId, u32), BootTime>,
    /// The last try of this daemon's own whose result was answered, by target: a view that lags still shows it open.
    closed: BTreeMap<NodeId, u32>,
    /// When the last try ended here, by target.
    ended: BTreeMap<NodeId, (u32, BootTime)>,
    /// When a grant was last asked for, by target: one that was refused is not asked for again at every step.
    asked: BTreeMap<NodeId, BootTime>,
    /// When an intent was first seen here, by target and session: a device may want an off held back.
    held_since: BTreeMap<(NodeId, SessionId), BootTime>,
    /// What follows a proof.
    power_on: PowerOn,
    /// What comes long before.
    drill: Drill,
    /// Of its own node.
    unfence: Unfence,
    device_errors: BTreeMap<ResourceId, String>,
    /// Nodes whose power read on when it was last read here, and by which device.
    reads_on: BTreeMap<NodeId, ResourceId>,
}

#[derive(Debug)]
struct Try {
    session: SessionId,
    number: u32,
    deadline: BootTime,
    devices: Vec<ResourceId>,
    stage: Stage,
    /// Answers that are waited for.
    asked: BTreeMap<Tag, ResourceId>,
    /// When the devices were last asked, and how long their answers took before.
    asked_at: BootTime,
    took: Duration,
    sent: bool,
    reads_on: bool,
    /// Some reading of this try said on, after the off was taken.
    was_on: bool,
    error: Option<String>,
    /// What a device answered to the off, where it did not take it.
    off_error: Option<String>,
    report: Option<Result<(), String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A linearizable read, to see that the grant still stands.
    Checking(Tag),
    Off,
    Reading,
    /// It read on; until the next reading.
    Resting(BootTime),
    Reporting,
}

/// How long a fence grant lasts.
pub(super) fn lasts(properties: &Properties) -> Duration {
    properties.stonith_timeout
}

impl Fencing {
    pub(super) fn device_errors(&self) -> &BTreeMap<ResourceId, String> {
        &self.device_errors
    }

    /// What the devices said that this member is in charge of, when they were last read for practice.
    pub(super) fn drilled(&self, now: BootTime) -> Vec<Drilled> {
        self.drill.told(now)
    }

    /// The device that last read this node's power as on, if the last reading here said so.
    pub(super) fn reads_on(&self, node: &NodeId) -> Option<&ResourceId> {
        self.reads_on.get(node)
    }

    /// Asks for grants, settles overdue ones, takes back or condemns who is heard again.
    pub(super) fn drive(&mut self, ctx: &mut Ctx<'_>, liveness: &Liveness) {
        self.power_on.drive(ctx);
        self.unfence.drive(ctx);
        let intents: Vec<(NodeId, FenceIntent)> =
            ctx.view.state.intents.iter().map(|(node, intent)| (node.clone(), intent.clone())).collect();
        self.seen_open.retain(|(node, _), _| ctx.view.state.intents.contains_key(node));
        self.ended.retain(|node, _| ctx.view.state.intents.contains_key(node));
        self.reads_on.retain(|node, _| ctx.view.state.intents.contains_key(node));
        self.asked.retain(|node, _| ctx.view.state.intents.contains_key(node));
        self.closed.retain(|node, _| ctx.view.state.intents.contains_key(node));
        self.held_since.retain(|(node, _), _| ctx.view.state.intents.contains_key(node));
        for (target, intent) in intents {
            let busy = ctx.is_pending(|purpose| match purpose {
                Purpose::Grant { target: about, .. } | Purpose::FenceSettle(about) | Purpose::FenceResult(about) => {
                    *about == target
                }
                _ => false,
            });
            if busy {
                continue;
            }
            if self.is_unanswered(ctx, &target, &intent) {
                self.close_unanswered(ctx, &target, &intent);
                continue;
            }
            if !carries(ctx, &target) {
                continue;
            }
            match intent.open_attempt() {
                Some(attempt) => self.watch(ctx, &target, &intent, attempt),
                None => self.go_on(ctx, liveness, &target, &intent),
            }
        }
    }

    /// A try was granted to this very daemon, and the answer was lost: it is not and will not be carried out.
    fn is_unanswered(&self, ctx: &Ctx<'_>, target: &NodeId, intent: &FenceIntent) -> bool {
        let mine = |attempt: &&Attempt| attempt.executor == ctx.me.node && attempt.incarnation == ctx.incarnation;
        let is_running = self
            .running
            .get(target)
            .is_some_and(|running| running.session == intent.session && running.number == intent.tries);
        let is_closed = self.closed.get(target).is_some_and(|closed| *closed >= intent.tries);
        intent.open_attempt().filter(mine).is_some() && !is_running && !is_closed
    }

    /// answer-only: without the answer to its own grant nothing was sent, and that can be said at once.
    fn close_unanswered(&mut self, ctx: &mut Ctx<'_>, target: &NodeId, intent: &FenceIntent) {
        self.closed.insert(target.clone(), intent.tries);
        let command = Command::FenceResult {
            speaker: ctx.speaker(),
            target: target.clone(),
            session: intent.session.clone(),
            attempt: intent.tries,
            outcome: Err("the answer to the grant was lost, so nothing was sent".to_owned()),
            sent: false,
            took: Duration::ZERO,
        };
        ctx.propose(Purpose::FenceResult(target.clone()), command);
    }

    /// Settles a try whose executor cannot answer any more.
    fn watch(&mut self, ctx: &mut Ctx<'_>, target: &NodeId, intent: &FenceIntent, attempt: &Attempt) {
        let number = intent.tries;
        let since = *self.seen_open.entry((target.clone(), number)).or_insert(ctx.now);
        if ctx.now.since(since) < attempt.lasts + EXPIRY_MARGIN {
            return;
        }
        let command = Command::FenceExpire { target: target.clone(), session: intent.session.clone(), attempt: number };
        ctx.propose(Purpose::FenceSettle(target.clone()), command);
    }

    fn go_on(&mut self, ctx: &mut Ctx<'_>, liveness: &Liveness, target: &NodeId, intent: &FenceIntent) {
        let tries = intent.tries;
        let (counted, ended) = *self.ended.entry(target.clone()).or_insert((tries, ctx.now));
        let ended = if counted == tries { ended } else { ctx.now };
        self.ended.insert(target.clone(), (tries, ended));
        if self.came_back(ctx, liveness, target, intent, ended) {
            return;
        }
        let doubled = FIRST_PAUSE * 2_u32.saturating_pow(tries.clamp(1, 16) - 1);
        // The log's time decides when the brake is off, and it stands still while nothing is entered.
        let pause = if ctx.view.state.brake(target).is_some() { BRAKED_PAUSE } else { FIRST_PAUSE };
        let rests = self.asked.get(target).is_some_and(|asked| ctx.now.since(*asked) < pause);
        if rests || (tries > 0 && ctx.now.since(ended) < doubled.min(LONGEST_PAUSE)) {
            return;
        }
        let properties = ctx.view.state.properties();
        let levels = ctx.view.state.fence_levels(target);
        let has_to_wait = levels.is_empty() || pill::is_waited_for(ctx.view.state, target, ctx.now.since(ended));
        if has_to_wait || !properties.stonith_enabled || proves_itself(ctx, liveness, target, intent) {
            return;
        }
        let devices = levels[tries as usize % levels.len()].clone();
        if tries == 0 {
            let since = *self.held_since.entry((target.clone(), intent.session.clone())).or_insert(ctx.now);
            let delay = ctx.view.state.wanted_delay(target, &intent.session, &intent.cause);
            if ctx.now.since(since) < delay.total() {
                return;
            }
        }
        let lasts = lasts(&properties);
        let command = Command::FenceGrant {
            speaker: ctx.speaker(),
            target: target.clone(),
            session: intent.session.clone(),
            devices: devices.clone(),
            lasts,
        };
        self.asked.insert(target.clone(), ctx.now);
        let session = intent.session.clone();
        ctx.propose(Purpose::Grant { target: target.clone(), session, asked: ctx.now, lasts, devices }, command);
    }

    /// The session is heard again while fencing did not succeed.
    fn came_back(
        &self,
        ctx: &mut Ctx<'_>,
        liveness: &Liveness,
        target: &NodeId,
        intent: &FenceIntent,
        ended: BootTime,
    ) -> bool {
        let is_me = *target == ctx.me.node && intent.session == ctx.me.session;
        let is_heard = is_me || liveness.last_heard(target, &intent.session).is_some_and(|asked| asked > ended);
        let is_lost = ctx
            .view
            .state
            .nodes
            .get(target)
            .and_then(|node| node.session.as_ref())
            .is_some_and(|session| session.state == SessionState::Lost);
        let failed = match intent.attempts.back() {
            Some(attempt) => attempt.end.as_ref().is_some_and(|end| end.error().is_some()),
            // Nobody may try it: it would be silent for ever, whoever hears it. And what a delay is for is this.
            None => {
                let state = ctx.view.state;
                acting(ctx, target).is_none() || state.held(target).is_some() || state.fence_wait(target).is_some()
            }
        };
        let may_end = match &intent.cause {
            FenceCause::Lost(_) => true,
            // It was heard when it was asked for: the wish ends when no level could do it, or nobody is left who may.
            FenceCause::Asked { .. } => {
                intent.tries as usize >= ctx.view.state.fence_levels(target).len() || acting(ctx, target).is_none()
            }
            // That it is heard was never in doubt; but where nobody is left who may, it would stay lost for nothing.
            FenceCause::StopFailed { .. } | FenceCause::Broken { .. } | FenceCause::TicketLost { .. } => {
                acting(ctx, target).is_none()
            }
            FenceCause::FalseProof => false,
        };
        if !is_heard || !is_lost || !failed || !may_end || intent.condemned {
            return false;
        }
        let (target_, session) = (target.clone(), intent.session.clone());
        let command = if intent.off_sent {
            Command::Condemn { target: target_, session }
        } else {
            Command::FenceCallOff { target: target_, session }
        };
        ctx.propose(Purpose::FenceSettle(target.clone()), command);
        true
    }

    /// This daemon's own proposal was granted: from here on it may send an off, until the deadline.
    pub(super) fn granted(&mut self, ctx: &mut Ctx<'_>, purpose: &Purpose, number: u32) {
        let Purpose::Grant { target, session, asked, lasts, devices } = purpose else { return };
        let tag = ctx.tag();
        ctx.out.push(Effect::Read(tag));
        let mut attempt = Try {
            session: session.clone(),
            number,
            deadline: asked.after(*lasts),
            devices: devices.clone(),
            stage: Stage::Checking(tag),
            asked: BTreeMap::new(),
            asked_at: ctx.now,
            took: Duration::ZERO,
            sent: false,
            reads_on: false,
            was_on: false,
            error: None,
            off_error: None,
            report: None,
        };
        if planted(Mistake::IgnoreSendBy) {
            attempt.ask(ctx, target, PowerVerb::Off);
        }
        self.running.insert(target.clone(), attempt);
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, tag: Tag, fresh: bool) {
        self.power_on.read(ctx, tag, fresh);
        self.unfence.read(ctx, tag, fresh);
        let Some((target, attempt)) =
            self.running.iter_mut().find(|(_, attempt)| attempt.stage == Stage::Checking(tag))
        else {
            return;
        };
        let state = ctx.view.state;
        let stands = state.intents.get(target).is_some_and(|intent| {
            intent.session == attempt.session && intent.open_attempt().is_some() && intent.tries == attempt.number
        });
        let lives = state
            .nodes
            .get(target)
            .and_then(|node| node.living_session())
            .is_some_and(|session| session.id == attempt.session);
        if !fresh {
            attempt.finish(
                ctx,
                target,
                Err("the leader could not be asked whether the fence is still wanted".to_owned()),
            );
        } else if !stands || !lives {
            attempt.finish(ctx, target, Err("the fence is not wanted any more".to_owned()));
        } else if ctx.now >= attempt.deadline {
            attempt.finish(ctx, target, Err("its deadline passed before an off was sent".to_owned()));
        } else {
            attempt.ask(ctx, target, PowerVerb::Off);
        }
    }

    pub(super) fn power(&mut self, ctx: &mut Ctx<'_>, tag: Tag, answer: &PowerAnswer) {
        self.power_on.power(ctx, tag, answer);
        self.unfence.power(ctx, tag, answer);
        self.drill.power(ctx, tag, answer);
        let Some((target, attempt)) = self.running.iter_mut().find(|(_, attempt)| attempt.asked.contains_key(&tag))
        else {
            return;
        };
        let Some(device) = attempt.asked.remove(&tag) else { return };
        let answer = pill::heed(ctx, &device, answer);
        attempt.sent |= answer.sent;
        match &answer.result {
            Ok(on) => {
                self.device_errors.remove(&device);
                if attempt.stage == Stage::Reading {
                    if *on {
                        self.reads_on.insert(target.clone(), device.clone());
                    } else {
                        self.reads_on.remove(target);
                    }
                }
                attempt.reads_on |= *on && attempt.stage == Stage::Reading;
                attempt.was_on |= attempt.reads_on;
            }
            Err(error) => {
                self.device_errors.insert(device.clone(), error.clone());
                attempt.error = Some(format!("{device}: {error}"));
            }
        }
        if attempt.asked.is_empty() {
            attempt.took += ctx.now.since(attempt.asked_at);
            attempt.next(ctx, target);
        }
    }

    /// The result was answered; without an answer it is proposed again, until the deadline settles it.
    pub(super) fn reported(&mut self, target: &NodeId, answer: &Result<Outcome, ProposeError>) {
        if answer.is_ok()
            && let Some(ended) = self.running.remove(target)
        {
            self.closed.insert(target.clone(), ended.number);
        }
    }

    /// As time passes: reads a device for practice, proposes results again that were not answered, and reads again what still reads on.
    pub(super) fn repeat(&mut self, ctx: &mut Ctx<'_>) {
        self.drill.tick(ctx);
        for (target, attempt) in &mut self.running {
            let open = ctx.is_pending(|purpose| matches!(purpose, Purpose::FenceResult(about) if about == target));
            match attempt.stage {
                Stage::Reporting if !open => attempt.tell(ctx, target),
                Stage::Resting(until) if ctx.now >= until => attempt.ask(ctx, target, PowerVerb::Read),
                _ => {}
            }
        }
    }
}

/// of the target: the leader carries a fence on; where it is the target, or may not act itself, the first member that
/// takes part does. Where none does, the leader can at least take back or condemn who is heard.
pub(super) fn carries(ctx: &Ctx<'_>, target: &NodeId) -> bool {
    match acting(ctx, target) {
        Some(node) => *node == ctx.me.node && (ctx.view.is_leader || ctx.view.leader != Some(node)),
        None => ctx.view.is_leader,
    }
}

/// session: the target is heard in another boot of hardware whose next hello proves this one dead. An off would only
/// hit the newborn, and hold its hello up.
fn proves_itself(ctx: &Ctx<'_>, liveness: &Liveness, target: &NodeId, intent: &FenceIntent) -> bool {
    let is_dmi = ctx.view.state.members.get(target).is_some_and(|member| member.hardware_is_dmi);
    is_dmi && liveness.is_reborn(target, &intent.session, ctx.now)
}

/// Who may be granted an off to this target.
fn acting<'a>(ctx: &Ctx<'a>, target: &NodeId) -> Option<&'a NodeId> {
    let may = |node: &&NodeId| ctx.view.state.may_fence(node, target);
    ctx.view.leader.filter(may).or_else(|| ctx.view.state.nodes.keys().find(may))
}

impl Try {
    /// All devices of the level are asked at once.
    fn ask(&mut self, ctx: &mut Ctx<'_>, target: &NodeId, verb: PowerVerb) {
        self.stage = if verb == PowerVerb::Read { Stage::Reading } else { Stage::Off };
        self.reads_on = false;
        self.asked_at = ctx.now;
        let mut left = Duration::from_millis(self.deadline.0.saturating_sub(ctx.now.0));
        if planted(Mistake::IgnoreSendBy) {
            left = left.max(Duration::from_secs(4));
        }
        for device in self.devices.clone() {
            let Some(definition) = ctx.view.state.config.primitives.get(&device).cloned() else {
                self.error = Some(format!("{device} is not configured any more"));
                continue;
            };
            let tag = ctx.tag();
            self.asked.insert(tag, device.clone());
            if pill::ask(ctx, target, tag, verb, left) {
                continue;
            }
            let definition = Box::new(definition);
            ctx.out.push(Effect::Power { tag, device, definition, target: target.clone(), verb, timeout: left });
        }
        if self.asked.is_empty() {
            self.next(ctx, target);
        }
    }

    /// After the off a fresh reading, until all read off or the deadline is there.
    fn next(&mut self, ctx: &mut Ctx<'_>, target: &NodeId) {
        if planted(Mistake::OnBeforeProof) && self.stage == Stage::Off && self.sent {
            self.ask(ctx, target, PowerVerb::On);
            self.asked.clear();
        }
        match self.stage {
            Stage::Off if planted(Mistake::SkipVerify) && self.error.is_none() => self.finish(ctx, target, Ok(())),
            // already-off: some devices refuse it then, and the reading is what counts.
            Stage::Off if self.sent || self.error.is_none() => {
                self.off_error = self.error.take();
                self.ask(ctx, target, PowerVerb::Read);
            }
            Stage::Reading if self.error.is_none() && !self.reads_on => self.finish(ctx, target, Ok(())),
            // Its last reading was only cut short by the deadline: that is not what is wrong with it.
            Stage::Reading if self.was_on && self.off_error.is_none() && ctx.now >= self.deadline => {
                self.finish(ctx, target, Err(STILL_ON.to_owned()));
            }
            Stage::Off | Stage::Reading if self.error.is_some() || self.off_error.is_some() => {
                let error = self.off_error.take().or(self.error.take()).unwrap_or_default();
                self.finish(ctx, target, Err(error));
            }
            // A host takes a moment to go down, and a BMC is no place to hammer at.
            Stage::Reading if ctx.now < self.deadline => self.stage = Stage::Resting(ctx.now.after(READ_PAUSE)),
            Stage::Reading => self.finish(ctx, target, Err(STILL_ON.to_owned())),
            Stage::Off | Stage::Checking(_) | Stage::Resting(_) | Stage::Reporting => {}
        }
    }

    fn finish(&mut self, ctx: &mut Ctx<'_>, target: &NodeId, outcome: Result<(), String>) {
        self.stage = Stage::Reporting;
        self.report = Some(outcome);
        self.tell(ctx, target);
    }

    fn tell(&mut self, ctx: &mut Ctx<'_>, target: &NodeId) {
        let Some(outcome) = self.report.clone() else { return };
        let command = Command::FenceResult {
            speaker: ctx.speaker(),
            target: target.clone(),
            session: self.session.clone(),
            attempt: self.number,
            outcome,
            sent: self.sent,
            took: self.took,
        };
        ctx.propose(Purpose::FenceResult(target.clone()), command);
    }
}
