//! Whether a majority of the voters is heard, since when, and who was not heard since.
//!
//! Rules power restore and beats to all voters of SAFETY.md. After a power failure of all, hosts come back one by one
//! and slowly: whoever has not been heard since the majority returned is not fenced for its absence at once.

use super::event::View;
use super::liveness::Liveness;
use super::{Ctx, Purpose};
use quorate_core::id::NodeId;
use quorate_core::state::{Command, EventKind};
use quorate_core::time::BootTime;
use std::collections::BTreeSet;
use std::time::Duration;

/// After so long without a majority everybody gets the time to come back.
const LONG: Duration = Duration::from_secs(60);

/// An absence of a majority that is longer than an election is told, when it is over.
const TOLD: Duration = Duration::from_secs(3);
/// For so long after the return of a majority its members know of an absence that no leader has told yet.
const TELLS_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Majority {
    /// When a majority and a leader were last seen.
    seen: BootTime,
    is_there: bool,
    is_heard: bool,
    /// Voters that were not heard while there was none, once there was one.
    missed: Option<BTreeSet<NodeId>>,
    /// An absence that is over and not told yet.
    over: Option<Over>,
    /// The start of this daemon, or the return of a majority that was away for long. A stall of this host looks the
    /// same: what it heard before that says nothing either.
    restored: BootTime,
}

/// An absence of a majority that is over.
#[derive(Debug)]
struct Over {
    /// How long it was.
    absence: Duration,
    /// Who was missed.
    missed: BTreeSet<NodeId>,
    since: BootTime,
    /// The log's index then.
    index: u64,
}

impl Majority {
    pub(super) fn new(now: BootTime) -> Self {
        Self { seen: now, is_there: false, is_heard: false, missed: None, over: None, restored: now }
    }

    pub(super) fn tick(&mut self, ctx: &mut Ctx<'_>, liveness: &mut Liveness) {
        self.look(ctx.now, &ctx.view, &ctx.me.node, liveness);
        self.tell(ctx);
    }

    fn look(&mut self, now: BootTime, view: &View<'_>, me: &NodeId, liveness: &mut Liveness) {
        let is_heard = hears_majority(view, me, liveness, now);
        if is_heard && !self.is_heard {
            liveness.regain(now);
        }
        self.is_heard = is_heard;
        self.is_there = view.leader.is_some() && is_heard;
        if !self.is_there {
            let is_missed =
                |node: &&NodeId| *node != me && view.state.members.contains_key(*node) && !liveness.is_fresh(node, now);
            let unheard = view.voters.iter().filter(is_missed).cloned();
            if let Some(missed) = &mut self.missed {
                missed.extend(unheard);
            }
            return;
        }
        let missed = self.missed.replace(BTreeSet::new()).unwrap_or_default();
        if now.since(self.seen) >= TOLD && !missed.is_empty() {
            let index = view.state.index;
            self.over = Some(Over { absence: now.since(self.seen), missed, since: now, index });
        }
        if now.since(self.seen) >= LONG {
            self.restored = now;
        }
        self.seen = now;
    }

    /// The timeline says why nobody was fenced meanwhile: what could not be committed is not in it. Whoever leads once the
    /// first elections are over tells it, unless another leader has.
    fn tell(&mut self, ctx: &mut Ctx<'_>) {
        let events = &ctx.view.state.events;
        let was_told = |over: &Over| {
            let later = events.iter().rev().take_while(|event| event.index > over.index);
            later.into_iter().any(|event| event.kind == EventKind::Majority)
        };
        self.over.take_if(|over| ctx.now.since(over.since) > TELLS_WITHIN || was_told(over));
        // A leader tells it once it may speak.
        let over = if ctx.view.is_leader { self.over.take() } else { None };
        let Some(Over { absence, missed: unheard, .. }) = over else { return };
        let from = ctx.me.node.clone();
        ctx.propose(Purpose::Majority, Command::MajorityBack { from, absence, unheard });
    }

    /// Whether there is one: without it nothing that is judged could be committed, and what was appended meanwhile must
    /// not be believed later.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Since when everybody had the chance to be heard.
    pub(super) fn restored(&self) -> BootTime {
        self.restored
    }
}

fn hears_majority(view: &View<'_>, me: &NodeId, liveness: &Liveness, now: BootTime) -> bool {
    let heard = |node: &NodeId| node == me || liveness.is_fresh(node, now);
    if view.voters.is_empty() {
        let members = view.state.members.keys();
        return members.clone().filter(|node| heard(node)).count() * 2 > members.count();
    }
    view.voters.iter().filter(|node| heard(node)).count() * 2 > view.voters.len()
}
