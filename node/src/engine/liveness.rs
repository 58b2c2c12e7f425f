//! Who is heard: an answer to a poll proves life when its question was asked. Who polls whom is in `polls`.
//!
//! A buffered answer is no sign of life: it is tied to a poll, and a poll that took too long was given up. Nothing here
//! enters the log; `judge` draws the conclusions, on the leader only.

use super::Ctx;
use super::event::{Event, FirstHand, Presence, View};
use super::polls::{POLL_EVERY, Polls};
use quorate_core::id::{Incarnation, NodeId, ResourceId, SessionId};
use quorate_core::planted::{Mistake, planted};
use quorate_core::time::BootTime;
use quorate_core::view::Progress;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a host said of itself is shown for so long after it was heard.
const FIRST_HAND_LASTS: Duration = Duration::from_secs(5);
/// A report or a refusal older than this says nothing of now.
const FRESH: Duration = Duration::from_millis(1000);
/// A tick that comes this late shows that this host was stalled itself.
const STALL: Duration = Duration::from_millis(400);
/// After its first entry a new leader waits so long for its peers to reconnect, before their silence counts.
const RECONNECT_GRACE: Duration = Duration::from_millis(500);
/// A member that has asked for longer may say of anybody that it is silent.
const ASKED_LONG: Duration = Duration::from_secs(10);

/// What one member hears.
#[derive(Debug)]
pub(super) struct Liveness {
    peers: BTreeMap<NodeId, Peer>,
    /// The boots that the log knows: another boot of the same node is no sign of life of that one.
    sessions: BTreeMap<NodeId, SessionId>,
    polls: Polls,
    last_tick: BootTime,
    /// Silence is counted from here at the earliest: the start of this daemon, or the end of a stall.
    floor: BootTime,
    /// When a majority was last heard again: the network that parted all of them heals link by link.
    regained: BootTime,
    /// Since when this member leads, and whom it followed before.
    led_since: Option<BootTime>,
    deposed: Option<NodeId>,
    /// The boot and daemon start of each member that the log knows, and when this member saw its hello applied.
    hellos: BTreeMap<NodeId, (SessionId, Incarnation, BootTime)>,
    hellos_known: bool,
    last_leader: Option<NodeId>,
}

#[derive(Debug, Default)]
struct Peer {
    /// The last answer: when it was asked for, and what it said.
    heard: Option<(BootTime, Presence)>,
    /// The last time that it told what its host sees of itself.
    told: Option<(BootTime, FirstHand)>,
    /// When its kernel last refused a connection.
    refused: Option<BootTime>,
}

impl Liveness {
    pub(super) fn new(now: BootTime) -> Self {
        Self {
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            polls: Polls::new(now),
            last_tick: now,
            floor: now,
            regained: now,
            led_since: None,
            deposed: None,
            hellos: BTreeMap::new(),
            hellos_known: false,
            last_leader: None,
        }
    }

    /// What was not heard while this host stood still says nothing of the others; any event may be the first after that.
    pub(super) fn wake(&mut self, now: BootTime) {
        if now.since(self.last_tick) > STALL {
            self.floor = now;
        }
    }

    pub(super) fn regain(&mut self, now: BootTime) {
        self.regained = now;
    }

    pub(super) fn tick(&mut self, ctx: &mut Ctx<'_>) {
        self.last_tick = ctx.now;
        if !self.polls.are_due(ctx.now) {
            return;
        }
        let sessions = ctx
            .view
            .state
            .nodes
            .iter()
            .filter_map(|(node, state)| Some((node.clone(), state.session.as_ref()?.id.clone())));
        self.sessions = sessions.collect();
        // Whatever boot it is in: who answers is not in doubt.
        let heard = |node: &NodeId| self.peers.get(node).and_then(|peer| peer.heard.as_ref());
        let silent_for = |node: &NodeId| heard(node).map_or(Duration::MAX, |(asked, _)| ctx.now.since(*asked));
        let polls = self.polls.round(ctx.now, &ctx.view, &ctx.me.node, silent_for);
        ctx.out.extend(polls);
    }

    /// What the members that were heard just now say of their hosts.
    pub(super) fn first_hand(&self, now: BootTime) -> BTreeMap<NodeId, FirstHand> {
        let told = self.peers.iter().filter_map(|(node, peer)| Some((node, peer.told.as_ref()?)));
        let fresh = told.filter(|(_, (asked, _))| now.since(*asked) < FIRST_HAND_LASTS);
        fresh.map(|(node, (_, first_hand))| (node.clone(), first_hand.clone())).collect()
    }

    /// How a poll ended.
    pub(super) fn polled(&mut self, now: BootTime, poll: Event) {
        match poll {
            Event::Heard { asked, presence } => self.heard(now, asked, presence),
            Event::NotHeard { node, asked, refused } => self.not_heard(&node, asked, refused),
            _ => {}
        }
    }

    fn heard(&mut self, now: BootTime, asked: BootTime, mut presence: Presence) {
        if now.since(asked) > FRESH {
            return;
        }
        let peer = self.peers.entry(presence.node.clone()).or_default();
        if peer.heard.as_ref().is_none_or(|(before, _)| *before <= asked) {
            if let Some(first_hand) = presence.first_hand.take() {
                peer.told = Some((asked, first_hand));
            }
            peer.heard = Some((asked, presence));
            peer.refused = None;
        }
    }

    /// How far the migrations are that others send, by their last answers.
    pub(super) fn migrations(&self) -> BTreeMap<ResourceId, Progress> {
        let told = self.peers.values().filter_map(|peer| peer.heard.as_ref());
        told.flat_map(|(_, presence)| presence.migrations.clone()).collect()
    }

    fn not_heard(&mut self, node: &NodeId, asked: BootTime, refused: bool) {
        let peer = self.peers.entry(node.clone()).or_default();
        if refused && peer.refused.is_none_or(|before| before < asked) {
            peer.refused = Some(asked);
        }
    }

    /// Keeps track of who led before, and since when this member does.
    pub(super) fn lead(&mut self, now: BootTime, view: &View<'_>, me: &NodeId) {
        if !view.is_leader {
            self.led_since = None;
        } else if self.led_since.is_none() {
            self.led_since = Some(now);
            self.deposed = self.last_leader.take().filter(|leader| leader != me);
        }
        if let Some(leader) = view.leader.filter(|leader| *leader != me) {
            self.last_leader = Some(leader.clone());
        }
        self.note_hellos(now, view);
    }

    /// A hello that comes to be applied is a sign of life of that boot: it may say so before any poll reached it.
    fn note_hellos(&mut self, now: BootTime, view: &View<'_>) {
        for (node, at) in &view.state.nodes {
            let Some(session) = &at.session else { continue };
            match self.hellos.get_mut(node) {
                Some((known, incarnation, seen)) => {
                    if *known != session.id || *incarnation != at.incarnation {
                        (*known, *incarnation, *seen) = (session.id.clone(), at.incarnation, now);
                    }
                }
                // What was applied before this daemon started says nothing of now; what it had not seen yet does.
                None => {
                    let seen = if self.hellos_known { now } else { BootTime(0) };
                    self.hellos.insert(node.clone(), (session.id.clone(), at.incarnation, seen));
                }
            }
        }
        self.hellos_known = true;
    }

    /// Since when a session has been silent, as this leader may count it.
    pub(super) fn silence(&self, node: &NodeId, session: &SessionId, now: BootTime) -> Duration {
        let heard = self.last_heard(node, session).unwrap_or(BootTime(0));
        let grace = match self.led_since {
            Some(since) if self.deposed.as_ref() != Some(node) => since.after(RECONNECT_GRACE),
            _ => BootTime(0),
        };
        let hello =
            self.hellos.get(node).filter(|(known, _, _)| known == session).map_or(BootTime(0), |(_, _, seen)| *seen);
        let regained = self.regained.after(RECONNECT_GRACE);
        now.since(heard.max(self.floor).max(grace).max(hello).max(regained))
    }

    /// Whether this session gave a sign of life since then. Another boot of its host, heard before its hello is applied,
    /// is none: that hello ends the session by a better proof than a fence.
    pub(super) fn was_heard_since(&self, node: &NodeId, session: &SessionId, since: BootTime) -> bool {
        let answered = self.last_heard(node, session).is_some_and(|asked| asked >= since);
        answered || self.hellos.get(node).is_some_and(|(known, _, seen)| known == session && *seen > since)
    }

    /// breathing: who heard this session in answer to a question that was asked after that moment, on this member's
    /// clock. What was asked before and came late says nothing.
    pub(super) fn heard_after(
        &self,
        me: &NodeId,
        node: &NodeId,
        session: &SessionId,
        after: BootTime,
    ) -> Option<NodeId> {
        let is_after = |at: BootTime| at > after || planted(Mistake::BelieveBuffered);
        if self.last_heard(node, session).is_some_and(is_after) {
            return Some(me.clone());
        }
        let others = self.peers.iter().filter(|(peer, _)| *peer != node);
        let heard = others.filter_map(|(peer, known)| Some((peer, known.heard.as_ref()?)));
        let mut heard = heard.filter(|(_, (asked, presence))| {
            let ago = heard_ago(presence, node, session).filter(|ago| *ago <= FRESH);
            ago.is_some_and(|ago| is_after(BootTime(asked.0.saturating_sub(quorate_core::time::millis(ago)))))
        });
        heard.next().map(|(peer, _)| peer.clone())
    }

    /// Whether it answers, in whatever boot.
    pub(super) fn is_fresh(&self, node: &NodeId, now: BootTime) -> bool {
        let heard = self.peers.get(node).and_then(|peer| peer.heard.as_ref());
        heard.is_some_and(|(asked, _)| now.since(*asked) <= FRESH)
    }

    /// Whether this session answers.
    pub(super) fn hears(&self, node: &NodeId, session: &SessionId, now: BootTime) -> bool {
        self.last_heard(node, session).is_some_and(|asked| now.since(asked) <= FRESH)
    }

    /// Whether a peer said, when it last answered, that it hears this session.
    pub(super) fn is_heard_by(&self, peer: &NodeId, node: &NodeId, session: &SessionId) -> bool {
        let said = self.peers.get(peer).and_then(|peer| peer.heard.as_ref());
        said.is_some_and(|(_, presence)| says_it_hears(presence, node, session))
    }

    /// When the last poll was asked that this session answered.
    pub(super) fn last_heard(&self, node: &NodeId, session: &SessionId) -> Option<BootTime> {
        let (asked, presence) = self.peers.get(node)?.heard.as_ref()?;
        (presence.session == *session).then_some(*asked)
    }

    /// This node is heard in another boot.
    pub(super) fn is_reborn(&self, node: &NodeId, session: &SessionId, now: BootTime) -> bool {
        let heard = self.peers.get(node).and_then(|peer| peer.heard.as_ref());
        heard.is_some_and(|(asked, presence)| now.since(*asked) <= FRESH && presence.session != *session)
    }

    /// The kernel of this node refused a connection just now, to this member or to one that says so: the host lives,
    /// its daemon does not.
    pub(super) fn is_refused(&self, node: &NodeId, now: BootTime) -> bool {
        let here = self.peers.get(node).and_then(|peer| peer.refused).is_some_and(|at| now.since(at) <= FRESH);
        here || self.peers.values().filter_map(|peer| peer.heard.as_ref()).any(|(asked, presence)| {
            let ago = presence.refused.get(node).map(|ago| *ago + now.since(*asked));
            ago.is_some_and(|ago| ago <= FRESH)
        })
    }

    /// How long ago the kernel of each member refused a connection from here.
    pub(super) fn refusals(&self, now: BootTime) -> BTreeMap<NodeId, Duration> {
        let refused = |(node, peer): (&NodeId, &Peer)| Some((node.clone(), now.since(peer.refused?)));
        self.peers.iter().filter_map(refused).collect()
    }

    /// beats to all voters: whether a majority of the voters this one can reach, itself included, do not hear this
    /// session either. Who answers and does not say so does not agree; learners ask only some, and have no say.
    pub(super) fn majority_agrees(&self, ctx: &Ctx<'_>, node: &NodeId, session: &SessionId, silent: Duration) -> bool {
        let is_voter = |peer: &NodeId| ctx.view.voters.is_empty() || ctx.view.voters.contains(peer);
        let others = self.peers.iter().filter(|(peer, _)| *peer != node && **peer != ctx.me.node && is_voter(peer));
        let reached = others.filter_map(|(_, peer)| peer.heard.as_ref());
        let reached = reached.filter(|(asked, _)| ctx.now.since(*asked) <= FRESH);
        // What a peer said is older than now by a poll and its way.
        let enough = silent.saturating_sub(POLL_EVERY * 2);
        let (mut agree, mut all) = (1_usize, 1_usize);
        for (_, presence) in reached {
            all += 1;
            agree += usize::from(silent_for(presence, node, session).is_some_and(|silence| silence >= enough));
        }
        agree * 2 > all
    }

    /// Whether everybody who is asked was heard just now.
    pub(super) fn hears_all(&self, now: BootTime) -> bool {
        self.silences(now).values().all(|silence| *silence <= self.polls.patience())
    }

    /// For how long each member that is asked has not been heard here, in the boot that the log knows.
    pub(super) fn silences(&self, now: BootTime) -> BTreeMap<NodeId, Duration> {
        let silence = |(node, _): (&NodeId, &BootTime)| {
            let known = self.sessions.get(node);
            let heard = self.peers.get(node).and_then(|peer| peer.heard.as_ref());
            let heard = heard.filter(|(_, presence)| known.is_none_or(|known| *known == presence.session));
            (node.clone(), now.since(heard.map_or(BootTime(0), |(asked, _)| *asked)))
        };
        self.polls.asked().iter().map(silence).collect()
    }

    /// For how long those have been asked that have not been for long.
    pub(super) fn asking(&self, now: BootTime) -> BTreeMap<NodeId, Duration> {
        let asked = self.polls.asked().iter().map(|(node, since)| (node.clone(), now.since(*since)));
        asked.filter(|(_, asked)| *asked < ASKED_LONG).collect()
    }

    /// In which boot each member was last heard.
    pub(super) fn boots(&self) -> BTreeMap<NodeId, SessionId> {
        let heard = |(node, peer): (&NodeId, &Peer)| Some((node.clone(), peer.heard.as_ref()?.1.session.clone()));
        self.peers.iter().filter_map(heard).collect()
    }

    pub(super) fn hearers(&self, me: &NodeId, node: &NodeId, session: &SessionId, now: BootTime) -> Vec<NodeId> {
        let own = self.hears(node, session, now);
        let others = self.peers.iter().filter(|(peer, _)| *peer != node).filter(|(_, peer)| {
            peer.heard
                .as_ref()
                .is_some_and(|(asked, presence)| now.since(*asked) <= FRESH && says_it_hears(presence, node, session))
        });
        own.then(|| me.clone()).into_iter().chain(others.map(|(peer, _)| peer.clone())).collect()
    }
}

/// How long ago a peer heard a session, by its own word.
fn heard_ago(presence: &Presence, node: &NodeId, session: &SessionId) -> Option<Duration> {
    presence.silence.get(node).copied().filter(|_| presence.boots.get(node) == Some(session))
}

fn says_it_hears(presence: &Presence, node: &NodeId, session: &SessionId) -> bool {
    heard_ago(presence, node, session).is_some_and(|ago| ago <= FRESH)
}

/// For how long a peer knows a session to be silent, by its own word: for ever, where it hears another boot of that
/// host, but never for longer than it has asked. `None` where it does not ask, or was not asked about it.
pub(super) fn silent_for(presence: &Presence, node: &NodeId, session: &SessionId) -> Option<Duration> {
    let silence = *presence.silence.get(node)?;
    let silence = heard_ago(presence, node, session).unwrap_or(Duration::MAX).max(silence);
    Some(presence.asking.get(node).map_or(silence, |asked| silence.min(*asked)))
}
