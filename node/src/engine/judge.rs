//! The leader's judgement of silent nodes: Suspect, a dead daemon, or Lost.
//!
//! Rules beats to all voters, new leader, early reading and daemon-gone of SAFETY.md. A power cut is judged fast, by
//! two readings of `off`; everything else waits for the full timeout.

use super::event::{Effect, PowerAnswer, PowerVerb, Tag};
use super::fencing::lasts;
use super::hand_over::STALL;
use super::liveness::Liveness;
use super::majority::Majority;
use super::{Ctx, Purpose};
use quorate_core::config::Properties;
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{Command, Grant, Intent, Liveness as State, Matter, NodeState, SessionState, Spent, Verdict};
use quorate_core::time::BootTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many readings of `off` in a row, with the majority's word, are enough to judge early.
const EARLY_READINGS: u32 = 2;
/// A reading may take so long.
const READ_TIMEOUT: Duration = Duration::from_millis(2000);
/// Time between two readings that are not `off`.
const READ_PAUSE: Duration = Duration::from_millis(300);
/// After a refused judgement the leader waits so long before it asks again.
const REFUSED_PAUSE: Duration = Duration::from_millis(500);
/// The same after one that could not be brought into the log.
const NOT_SENT_PAUSE: Duration = Duration::from_millis(100);
/// A judgement that is not in the log by then is made anew, from what is so by then.
const LASTS: Duration = Duration::from_secs(1);

/// beats to all voters: until when the engine's command may be brought into the log, by the clock of the host it was
/// made on, and only where that member still leads; `None`: at any time, by whoever leads. A leader that stood still after
/// it judged may find another in its place, and those it judged alive.
pub fn append_by(command: &Command, made: BootTime) -> Option<BootTime> {
    let is_judgement = matches!(command, Command::Judge { .. } | Command::Ask { .. });
    (is_judgement && !planted(Mistake::JudgeLate)).then(|| made.after(LASTS))
}

#[derive(Debug, Default)]
pub(super) struct Judge {
    suspects: BTreeMap<NodeId, Suspect>,
    /// Since when this leader has seen a node without its daemon.
    gone: BTreeMap<NodeId, BootTime>,
    /// When the kernel of a node last refused a connection: the host lived then, and its silence is counted from there.
    lived: BTreeMap<NodeId, BootTime>,
    pauses: BTreeMap<NodeId, BootTime>,
    /// Nodes whose judgement was refused: the next comes without a grant, which the storm brake may have held up.
    refused: BTreeSet<NodeId>,
    /// power restore: nodes that would be lost by now, and until when they are waited for.
    waits: BTreeMap<NodeId, BootTime>,
    /// Since when this leader has seen a node away, and a quarantined one steady.
    away: BTreeMap<NodeId, BootTime>,
    steady: BTreeMap<NodeId, BootTime>,
}

#[derive(Debug)]
struct Suspect {
    session: SessionId,
    /// Readings under way: the level's devices that have not answered.
    asked: BTreeMap<Tag, ResourceId>,
    /// Whether every answer of the reading under way was `off`.
    all_off: bool,
    offs: u32,
    /// When the reading under way began, and how long those before it took.
    reading: BootTime,
    readings: Duration,
    /// After a reading that was not `off` the device gets a rest.
    next: BootTime,
}

impl Judge {
    /// Whether the first grant comes with the judgement: its devices hold no off back, and the last one was not refused.
    fn goes_on_at_once(&self, ctx: &Ctx<'_>, node: &NodeId, session: &SessionId) -> bool {
        let state = ctx.view.state;
        let first = state.fence_levels(node).into_iter().next().unwrap_or_default();
        !self.refused.contains(node) && state.fence_delay(node, session, &first).total().is_zero()
    }

    /// A member that does not lead forgets: a new leader begins anew.
    fn rest(&mut self) {
        *self = Self::default();
    }

    /// A judgement was refused, or could not be brought into the log at all.
    pub(super) fn unwritten(&mut self, now: BootTime, node: &NodeId, was_refused: bool) {
        let pause = if was_refused { REFUSED_PAUSE } else { NOT_SENT_PAUSE };
        self.pauses.insert(node.clone(), now.after(pause));
        if was_refused {
            self.refused.insert(node.clone());
        }
    }

    /// For how long silent nodes are still waited for, that were not heard since a majority returned.
    pub(super) fn waits(&self, now: BootTime) -> BTreeMap<NodeId, Duration> {
        self.waits.iter().map(|(node, until)| (node.clone(), until.since(now))).collect()
    }

    /// Judges where this member leads.
    pub(super) fn act(&mut self, ctx: &mut Ctx<'_>, liveness: &Liveness, majority: &Majority) {
        if ctx.view.is_leader { self.judge(ctx, liveness, majority) } else { self.rest() }
    }

    fn judge(&mut self, ctx: &mut Ctx<'_>, liveness: &Liveness, majority: &Majority) {
        self.judge_self(ctx);
        let properties = ctx.view.state.properties();
        let all = ctx.view.state;
        let me = ctx.me;
        // Of its own node it judges an earlier boot, where its hello did not end that.
        let is_mine = |node: &NodeId, state: &NodeState| {
            *node == me.node && state.session.as_ref().is_none_or(|session| session.id == me.session)
        };
        for (node, state) in all.nodes.iter().filter(|(node, state)| !is_mine(node, state)) {
            let Some(session) = state.living_session().filter(|session| session.state == SessionState::Open) else {
                self.suspects.remove(node);
                self.gone.remove(node);
                self.refused.remove(node);
                self.waits.remove(node);
                continue;
            };
            let paused = self.pauses.get(node).is_some_and(|until| ctx.now < *until);
            if !paused && !ctx.is_pending(|purpose| is_about(purpose, node)) {
                self.judge_one(ctx, (liveness, majority), &properties, node, state, &session.id);
            }
        }
    }

    /// Whoever led before may have judged this node silent; it leads now, so it is heard. A witness needs no proof to come
    /// back, however it was judged.
    fn judge_self(&self, ctx: &mut Ctx<'_>) {
        let me = ctx.me.node.clone();
        let Some(state) = ctx.view.state.nodes.get(&me) else { return };
        let is_silent = match state.liveness {
            State::Suspect | State::DaemonGone => state.is_open(&ctx.me.session),
            State::Lost => state.is_open(&ctx.me.session) && ctx.view.state.is_witness(&me),
            State::Joining | State::Online | State::Away | State::Off => false,
        };
        let paused = self.pauses.get(&me).is_some_and(|until| ctx.now < *until);
        if is_silent && !paused && !ctx.is_pending(|purpose| is_about(purpose, &me)) {
            let session = ctx.me.session.clone();
            say(ctx, &me, &session, Verdict::Online);
        }
    }

    fn judge_one(
        &mut self,
        ctx: &mut Ctx<'_>,
        (liveness, majority): (&Liveness, &Majority),
        properties: &Properties,
        node: &NodeId,
        state: &NodeState,
        session: &SessionId,
    ) {
        let silence = liveness.silence(node, session, ctx.now);
        let is_heard = silence < properties.suspect_after;
        let refused = liveness.is_refused(node, ctx.now);
        if refused {
            self.lived.insert(node.clone(), ctx.now);
        }
        if state.liveness != State::Away {
            self.away.remove(node);
        }
        if state.flapping.quarantine.is_none() || state.liveness != State::Online || !is_heard {
            self.steady.remove(node);
        }
        if state.liveness != State::Suspect {
            self.suspects.remove(node);
        }
        if state.liveness != State::DaemonGone {
            self.gone.remove(node);
        }
        self.waits.remove(node);
        match state.liveness {
            State::Online if is_heard => self.release(ctx, properties, node, state),
            State::Online if refused => say(ctx, node, session, Verdict::DaemonGone),
            State::Online => say(ctx, node, session, Verdict::Suspect),
            State::Suspect if is_heard => say(ctx, node, session, Verdict::Online),
            State::Suspect if refused => say(ctx, node, session, Verdict::DaemonGone),
            State::Suspect => {
                let silence = self.lived.get(node).map_or(silence, |at| silence.min(ctx.now.since(*at)));
                self.suspect(ctx, (liveness, majority), properties, node, session, silence);
            }
            State::DaemonGone if is_heard => say(ctx, node, session, Verdict::Online),
            State::DaemonGone if !refused => say(ctx, node, session, Verdict::Suspect),
            State::DaemonGone => {
                let since = *self.gone.entry(node.clone()).or_insert(ctx.now);
                let waited = ctx.now.since(since);
                // A refusal on the leader's own way may be a firewall's: others may hear this daemon well.
                let agreed =
                    may_judge(ctx, majority) && liveness.majority_agrees(ctx, node, session, properties.suspect_after);
                let grace = patience(ctx, (liveness, majority), (node, session), properties, properties.daemon_grace);
                if waited >= grace && agreed && state.intent == Intent::Maintenance {
                    ask(ctx, node, session, state, Matter::LostInMaintenance);
                } else if waited >= grace && agreed {
                    let evidence = format!("its daemon did not return within {} s", grace.as_secs());
                    let spent = Spent { silence, readings: Duration::ZERO };
                    lose(ctx, node, session, (evidence, spent), self.goes_on_at_once(ctx, node, session));
                }
            }
            // It was to come back in the same boot, and is here in another.
            State::Away if *node == ctx.me.node || liveness.is_reborn(node, session, ctx.now) => {
                say(ctx, node, session, Verdict::Suspect)
            }
            State::Lost if is_heard && ctx.view.state.is_witness(node) => say(ctx, node, session, Verdict::Online),
            State::Away => {
                let since = *self.away.entry(node.clone()).or_insert(ctx.now);
                if ctx.now.since(since) >= properties.away_grace {
                    ask(ctx, node, session, state, Matter::AwayTooLong);
                }
            }
            State::Joining | State::Lost | State::Off => {}
        }
    }

    fn suspect(
        &mut self,
        ctx: &mut Ctx<'_>,
        (liveness, majority): (&Liveness, &Majority),
        properties: &Properties,
        node: &NodeId,
        session: &SessionId,
        silence: Duration,
    ) {
        let agree = |silent| may_judge(ctx, majority) && liveness.majority_agrees(ctx, node, session, silent);
        // What is enough to doubt is not enough to be sure: another voter may just have missed two answers.
        let (agreed, agreed_lost) = (agree(properties.suspect_after), agree(properties.lost_after));
        let suspect = self.suspects.entry(node.clone()).or_insert_with(|| Suspect::new(session));
        if suspect.session != *session {
            *suspect = Suspect::new(session);
        }
        // A node lost in maintenance is not fenced: a person is asked.
        let state = ctx.view.state.nodes.get(node).filter(|state| state.intent == Intent::Maintenance);
        if let Some(state) = state {
            if silence >= properties.lost_after && agreed_lost {
                ask(ctx, node, session, state, Matter::LostInMaintenance);
            }
            return;
        }
        let spent = Spent { silence, readings: suspect.readings };
        if suspect.offs >= EARLY_READINGS && agreed {
            let evidence = format!("its power reads off, and it has been silent for {} ms", silence.as_millis());
            return lose(ctx, node, session, (evidence, spent), !self.refused.contains(node));
        }
        let patience = patience(ctx, (liveness, majority), (node, session), properties, properties.lost_after);
        if patience > properties.lost_after && silence >= properties.lost_after {
            self.waits.insert(node.clone(), ctx.now.after(patience.saturating_sub(silence)));
        }
        if silence >= patience && agreed_lost {
            let evidence = format!("silent for {} ms, by a majority's word", silence.as_millis());
            return lose(ctx, node, session, (evidence, spent), self.goes_on_at_once(ctx, node, session));
        }
        suspect.read_again(ctx, node);
    }

    /// quarantine: it ends when the node was steady for long enough, by this leader's clock.
    fn release(&mut self, ctx: &mut Ctx<'_>, properties: &Properties, node: &NodeId, state: &NodeState) {
        if state.flapping.quarantine.is_none() {
            return;
        }
        let since = *self.steady.entry(node.clone()).or_insert(ctx.now);
        if ctx.now.since(since) >= properties.quarantine_time {
            ctx.propose(Purpose::Judge(node.clone()), Command::Release { actor: None, node: node.clone() });
        }
    }

    pub(super) fn power(&mut self, now: BootTime, tag: Tag, answer: &PowerAnswer) {
        for suspect in self.suspects.values_mut() {
            if suspect.asked.remove(&tag).is_none() {
                continue;
            }
            suspect.all_off &= answer.result == Ok(false);
            if suspect.asked.is_empty() {
                suspect.readings += now.since(suspect.reading);
                suspect.offs = if suspect.all_off { suspect.offs + 1 } else { 0 };
                // The second reading follows at once; what is not judged on two is not judged faster on more.
                if suspect.all_off && suspect.offs < EARLY_READINGS {
                    suspect.next = BootTime(0);
                }
            }
        }
    }
}

impl Suspect {
    fn new(session: &SessionId) -> Self {
        Self {
            session: session.clone(),
            asked: BTreeMap::new(),
            all_off: true,
            offs: 0,
            reading: BootTime(0),
            readings: Duration::ZERO,
            next: BootTime(0),
        }
    }

    /// Reads the power by every device of a level, when no reading is under way: of the first that passes its drills, for a BMC
    /// that refuses one reading after the other may run out of sessions, or lock its user out, before it is needed.
    fn read_again(&mut self, ctx: &mut Ctx<'_>, node: &NodeId) {
        if !self.asked.is_empty() || ctx.now < self.next {
            return;
        }
        let (state, levels) = (ctx.view.state, ctx.view.state.fence_levels(node));
        let fails = |device: &ResourceId| {
            state.drilled(device, node).is_some_and(|drilled| drilled.passed.is_none() || drilled.failing.is_some())
        };
        let passing = levels.iter().find(|level| !level.iter().any(fails));
        let Some(level) = passing.or(levels.first()) else { return };
        self.all_off = true;
        self.reading = ctx.now;
        self.next = ctx.now.after(READ_PAUSE);
        for device in level {
            let Some(definition) = ctx.view.state.config.primitives.get(device) else { continue };
            let tag = ctx.tag();
            self.asked.insert(tag, device.clone());
            ctx.out.push(Effect::Power {
                tag,
                device: device.clone(),
                definition: Box::new(definition.clone()),
                target: node.clone(),
                verb: PowerVerb::Read,
                timeout: READ_TIMEOUT,
            });
        }
    }
}

/// beats to all voters: what a leader judges without a majority, or while its commits stall, could be committed long
/// after it stopped being true.
fn may_judge(ctx: &Ctx<'_>, majority: &Majority) -> bool {
    majority.is_there() && ctx.oldest_proposal() < STALL
}

/// power restore: a node that was not heard since this daemon started, or since a majority returned after long, may
/// still be booting, as after a power failure of all hosts: it is not fenced for its absence before the join grace.
fn patience(
    ctx: &Ctx<'_>,
    (liveness, majority): (&Liveness, &Majority),
    (node, session): (&NodeId, &SessionId),
    properties: &Properties,
    usual: Duration,
) -> Duration {
    let was_heard = *node == ctx.me.node || liveness.was_heard_since(node, session, majority.restored());
    if was_heard { usual } else { usual.max(properties.join_grace) }
}

/// One question, asked once.
fn ask(ctx: &mut Ctx<'_>, node: &NodeId, session: &SessionId, state: &NodeState, matter: Matter) {
    // A witness runs nothing: nobody waits for it.
    if state.asked.is_none() && !ctx.view.state.is_witness(node) {
        let command = Command::Ask { node: node.clone(), session: session.clone(), matter };
        ctx.propose(Purpose::Judge(node.clone()), command);
    }
}

fn say(ctx: &mut Ctx<'_>, node: &NodeId, session: &SessionId, verdict: Verdict) {
    let command = Command::Judge { node: node.clone(), session: session.clone(), verdict };
    ctx.propose(Purpose::Judge(node.clone()), command);
}

/// Lost, with the intent; and, where a device could do it, with this leader's own first grant in the same entry.
fn lose(ctx: &mut Ctx<'_>, node: &NodeId, session: &SessionId, (evidence, spent): (String, Spent), with_grant: bool) {
    let properties = ctx.view.state.properties();
    let levels = ctx.view.state.fence_levels(node);
    let lasts = lasts(&properties);
    let may_fence = with_grant && ctx.view.state.is_current(&ctx.speaker());
    let devices = levels.into_iter().next().filter(|_| properties.stonith_enabled && may_fence);
    let grant = devices.clone().map(|devices| Grant { speaker: ctx.speaker(), devices, lasts });
    let verdict = Verdict::Lost { evidence, spent, grant };
    let command = Command::Judge { node: node.clone(), session: session.clone(), verdict };
    let purpose = match devices {
        Some(devices) => {
            Purpose::Grant { target: node.clone(), session: session.clone(), asked: ctx.now, lasts, devices }
        }
        None => Purpose::Judge(node.clone()),
    };
    ctx.propose(purpose, command);
}

fn is_about(purpose: &Purpose, node: &NodeId) -> bool {
    matches!(purpose, Purpose::Judge(about) | Purpose::Grant { target: about, .. } if about == node)
}
