//! The leader's side of watchdogs: it answers the beats by which hosts feed theirs, and waits for those that nobody
//! feeds any more.
//!
//! Rules watchdog and proofs (4) of SAFETY.md. A beat is answered after a round with a majority that began after the
//! beat arrived, and never once a fence of its session is wanted. The wait is on this host's boot-time clock, in this
//! term, from this leader's own first entry, the intent as it saw it, or the last beat that it answered: whichever is
//! the latest. `apply` looks at how long it was.

use super::event::{Effect, PowerAnswer, PowerVerb, Tag};
use super::{Ctx, Purpose, pill};
use quorate_core::id::{NodeId, SessionId};
use quorate_core::pill::SentPill;
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{Command, GonePill};
use quorate_core::time::BootTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// A proposal that came to nothing is made again after this.
const PAUSE: Duration = Duration::from_secs(1);
/// A look whether a pill is still there may take so long, and is made again after that.
const LOOK: Duration = Duration::from_secs(8);
/// So many looks in a row that nobody answers, and another try is made: by what else there is, or by a person.
const LOOKS: u32 = 3;
/// More beats than this do not wait for a round at once.
const ROUNDS: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct WatchdogWait {
    /// The term in which this member leads, and since when.
    led: Option<(u64, BootTime)>,
    /// Beats that wait for their round.
    rounds: BTreeMap<Tag, (u64, NodeId, SessionId)>,
    /// When this leader last said yes to a session.
    answered: BTreeMap<NodeId, (SessionId, BootTime)>,
    waits: BTreeMap<NodeId, Wait>,
    /// Looks whether a pill was there to the end of its wait.
    looks: BTreeMap<Tag, Look>,
}

/// A wait that is over, if its pill is still there.
#[derive(Debug)]
struct Look {
    node: NodeId,
    session: SessionId,
    pill: SentPill,
    waited: Duration,
}

/// A watchdog that is waited for.
#[derive(Debug)]
struct Wait {
    session: SessionId,
    turn: u64,
    pill: Option<SentPill>,
    /// When this leader first saw that it is to be.
    since: BootTime,
    next_try: BootTime,
    /// Looks at the pill that came to nothing.
    blind: u32,
}

impl WatchdogWait {
    pub(super) fn beat(&mut self, ctx: &mut Ctx<'_>, ticket: u64, node: NodeId, session: SessionId) {
        if !ctx.view.is_leader || self.rounds.len() >= ROUNDS {
            return ctx.out.push(Effect::Answer(ticket, false));
        }
        if planted(Mistake::FeedWithoutQuorum) {
            return self.answer(ctx, ticket, node, session);
        }
        let tag = ctx.tag();
        self.rounds.insert(tag, (ticket, node, session));
        ctx.out.push(Effect::Round(tag));
    }

    /// A round has ended: this member led when it began, and a majority said so, or not.
    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, tag: Tag, confirmed: bool) {
        match self.rounds.remove(&tag) {
            Some((ticket, node, session)) if confirmed => self.answer(ctx, ticket, node, session),
            Some((ticket, ..)) => ctx.out.push(Effect::Answer(ticket, false)),
            None => {}
        }
    }

    fn answer(&mut self, ctx: &mut Ctx<'_>, ticket: u64, node: NodeId, session: SessionId) {
        let may = ctx.view.is_leader && ctx.view.state.may_be_fed(&node, &session);
        if may {
            self.answered.insert(node, (session, ctx.now));
        }
        ctx.out.push(Effect::Answer(ticket, may));
    }

    pub(super) fn drive(&mut self, ctx: &mut Ctx<'_>) {
        if !ctx.view.is_leader {
            self.looks.clear();
            (self.led, self.answered) = (None, BTreeMap::new());
            return self.waits.clear();
        }
        let led = match self.led {
            Some((term, since)) if term == ctx.view.term => since,
            // Another leader may have answered in between: it begins anew.
            _ => {
                self.waits.clear();
                self.looks.clear();
                ctx.now
            }
        };
        self.led = Some((ctx.view.term, led));
        let state = ctx.view.state;
        self.waits.retain(|node, wait| state.intents.get(node).is_some_and(|intent| intent.session == wait.session));
        if !state.properties().stonith_enabled {
            return self.waits.clear();
        }
        // Of its own node it waits for an earlier boot.
        let others = state.intents.iter().filter(|(_, intent)| intent.session != ctx.me.session);
        let wanted: Vec<(NodeId, SessionId)> =
            others.map(|(node, intent)| (node.clone(), intent.session.clone())).collect();
        for (node, session) in wanted {
            self.wait_for(ctx, led, node, session);
        }
    }

    fn wait_for(&mut self, ctx: &mut Ctx<'_>, led: BootTime, node: NodeId, session: SessionId) {
        let state = ctx.view.state;
        let at = state.nodes.get(&node).filter(|at| at.living_session().is_some_and(|living| living.id == session));
        let armed = state.watchdog_due(&node);
        let (Some(at), Ok(armed)) = (at, armed) else {
            self.waits.remove(&node);
            return;
        };
        let (now, turn, pill) = (ctx.now, at.dog.turn, state.sent_pill(&node));
        let anew = || Wait {
            session: session.clone(),
            turn,
            pill: pill.cloned(),
            since: now,
            next_try: BootTime(0),
            blind: 0,
        };
        let wait = self.waits.entry(node.clone()).or_insert_with(anew);
        if wait.session != session || wait.turn != turn || wait.pill.as_ref() != pill {
            *wait = anew();
        }
        let fed = self.answered.get(&node).filter(|(of, _)| *of == session).map_or(BootTime(0), |(_, at)| *at);
        let (mut from, mut needed) = (led.max(wait.since).max(fed), armed.terms.wait());
        if planted(Mistake::WatchdogTooEarly) {
            (from, needed) = (wait.since, armed.terms.timeout);
        }
        let waited = now.since(from);
        if waited < needed || now < wait.next_try || ctx.is_pending(|it| *it == Purpose::Waited(node.clone())) {
            return;
        }
        wait.next_try = now.after(PAUSE);
        if let Some(pill) = pill.filter(|_| !planted(Mistake::PillTakenAway)) {
            wait.next_try = now.after(LOOK);
            let (tag, pill) = (ctx.tag(), pill.clone());
            if pill::look(ctx, &node, &pill, tag, PowerVerb::Read, LOOK) {
                self.looks.insert(tag, Look { node, session, pill, waited });
            }
            return;
        }
        let pill = pill.map(|pill| pill.note.clone());
        let command =
            Command::WatchdogWaited { speaker: ctx.speaker(), target: node.clone(), session, turn, waited, pill };
        ctx.propose(Purpose::Waited(node), command);
    }

    /// What a look at a pill has shown, at the end of its wait: it was there all the time, or somebody took it away.
    /// Whether it was asked for here.
    pub(super) fn power(&mut self, ctx: &mut Ctx<'_>, tag: Tag, answer: &PowerAnswer) -> bool {
        let look = self.looks.remove(&tag);
        let Some(look) = look else { return false };
        match (&answer.result, self.waits.get_mut(&look.node)) {
            (Ok(on), _) => self.looked(ctx, &look, !on),
            // Where nobody can say, it is looked at again.
            (Err(_), Some(wait)) if wait.blind + 1 < LOOKS => wait.blind += 1,
            (Err(_), _) => self.looked(ctx, &look, false),
        }
        true
    }

    fn looked(&self, ctx: &mut Ctx<'_>, look: &Look, is_there: bool) {
        let Look { node, session, pill, waited } = look;
        if !ctx.view.is_leader || ctx.view.state.sent_pill(node) != Some(pill) {
            return;
        }
        let (speaker, target, session) = (ctx.speaker(), node.clone(), session.clone());
        let (turn, note, waited) = (pill.turn, pill.note.clone(), *waited);
        let command = match is_there {
            true => Command::WatchdogWaited { speaker, target, session, turn, waited, pill: Some(note) },
            false => Command::PillGone(GonePill { speaker, target, session, note }),
        };
        ctx.propose(Purpose::Waited(node.clone()), command);
    }
}
