//! Who polls whom, how often, and what is asked.
//!
//! beats to all voters: every voter polls every member, so that a majority of them can say who is silent. A learner has
//! no say in that: it polls the voters, at leisure, to notice when it is no member any more, and whoever is in doubt, to
//! say so if it hears that one. An answer names others only to who leads or is about to, and only while somebody is in
//! doubt.

use super::event::{Effect, Question, View};
use quorate_core::id::NodeId;
use quorate_core::state::{Liveness, NodeState, SessionState};
use quorate_core::time::BootTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two polls of one member.
pub const POLL_EVERY: Duration = Duration::from_millis(200);
/// A learner polls a voter in every so manyth round: still more often than an answer is fresh.
const LEISURE: u32 = 3;
/// A leader asks what the hosts see of themselves in every so manyth round.
const FIRST_HAND: u64 = 5;
/// A member that has not been heard for so long, which is more than a poll, is in doubt.
const DOUBT: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Polls {
    next: BootTime,
    round: u64,
    /// Whether this member votes, and so asks everybody in every round.
    votes: bool,
    /// Who is asked, and since when without a pause.
    asked: BTreeMap<NodeId, BootTime>,
}

impl Polls {
    pub(super) fn new(now: BootTime) -> Self {
        Self { next: now, round: 0, votes: true, asked: BTreeMap::new() }
    }

    pub(super) fn are_due(&self, now: BootTime) -> bool {
        now >= self.next
    }

    /// Whom this member asks, and since when without a pause.
    pub(super) fn asked(&self) -> &BTreeMap<NodeId, BootTime> {
        &self.asked
    }

    /// A member that has not been heard for so long should have been.
    pub(super) fn patience(&self) -> Duration {
        if self.votes { DOUBT } else { DOUBT + POLL_EVERY * (LEISURE - 1) }
    }

    /// The polls of one round; `silent_for` says since when a member gave no answer here.
    pub(super) fn round(
        &mut self,
        now: BootTime,
        view: &View<'_>,
        me: &NodeId,
        silent_for: impl Fn(&NodeId) -> Duration,
    ) -> Vec<Effect> {
        self.next = now.after(POLL_EVERY);
        self.round += 1;
        let others = || view.state.members.keys().filter(|node| *node != me);
        let is_voter = |node: &NodeId| view.voters.is_empty() || view.voters.contains(node);
        let node = |node: &NodeId| view.state.nodes.get(node);
        let takes_part = |name: &NodeId| node(name).is_some_and(NodeState::is_online);
        // It may have VMs, and it is not away in order.
        let matters = |name: &NodeId| {
            let session = node(name).filter(|node| node.liveness != Liveness::Away).and_then(NodeState::living_session);
            session.is_some_and(|session| session.state == SessionState::Open)
        };
        let votes = is_voter(me);
        self.votes = votes;
        let is_asked = |node: &&NodeId| votes || is_voter(node) || !takes_part(node);
        let at_leisure = |node: &NodeId| !votes && takes_part(node);
        let before = std::mem::take(&mut self.asked);
        self.asked =
            others().filter(is_asked).map(|node| (node.clone(), before.get(node).copied().unwrap_or(now))).collect();

        let is_silent = |node: &NodeId| silent_for(node) > DOUBT;
        let leads = view.leader.is_none_or(|leader| leader == me || is_silent(leader));
        let doubted: BTreeSet<NodeId> = match leads {
            // Of this host an earlier boot may be in doubt, which only the others can say they do not hear.
            true => {
                let is_doubted = |node: &&NodeId| !takes_part(node) || (*node != me && is_silent(node));
                view.state.members.keys().filter(is_doubted).cloned().collect()
            }
            false => BTreeSet::new(),
        };
        // Where somebody fell silent, it matters who else hears whom: leadership may have to move.
        let is_troubled = doubted.iter().any(|node| is_silent(node) && matters(node));
        let question = |node: &NodeId| Question {
            about: if is_troubled && is_voter(node) { None } else { Some(doubted.clone()) },
            first_hand: leads && self.round.is_multiple_of(FIRST_HAND),
        };
        let due = self.asked.keys().filter(|node| self.round.is_multiple_of(u64::from(LEISURE)) || !at_leisure(node));
        due.map(|node| Effect::Poll(node.clone(), question(node))).collect()
    }
}
