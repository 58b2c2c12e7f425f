//! Which hosts are well by the ground truth, and that none of those is judged lost.
//!
//! A host is well when it moves, its daemon lives or may yet come back within its grace, and whoever may judge it has to
//! hear it, or of it: see `is_held`. It may be fenced by request, or for a stop that failed; never for its silence.
//! Silence is counted by who answers polls, as the rule beats to all voters has it: a daemon whose store is not taken yet
//! answers them too.

use crate::event::{Scope, What};
use crate::members::Id;
use crate::replica::Slot;
use crate::world::World;
use quorate_core::id::{NodeId, SessionId};
use quorate_core::state::{Command, EventKind, Proof, SessionState, Verdict};
use quorate_core::time::millis;
use std::collections::BTreeMap;

/// Time between two looks: what is shorter makes nobody silent.
const EVERY: u64 = 100;
/// A daemon that was gone for all of its grace but this may be heard too late.
const GRACE_MARGIN: u64 = 1500;
/// A host that was well for all of the timeout but this was heard within it.
const SILENCE_MARGIN: u64 = 300;
/// What parts all voters for so long is noticed.
const PARTED: u64 = 1500;
/// Who lives though it was proven dead is noticed within this, when it is well.
const UNNOTICED: u64 = 4000;
/// With more loss than this, per thousand, nobody is reached.
const LOSSY: u64 = 100;

/// Since when each host is well; earlier stretches, for what was judged meanwhile.
pub(crate) struct Health {
    since: Vec<Option<u64>>,
    past: Vec<Vec<(u64, u64)>>,
    /// Stretches in which each host, and in which everybody, could hear no majority of the voters.
    parted: Vec<Vec<(u64, u64)>>,
    all_parted: Vec<(u64, u64)>,
    /// Boots that live though they are proven dead, and since when.
    undead: BTreeMap<SessionId, u64>,
}

impl Health {
    pub(crate) fn new(hosts: usize) -> Self {
        Self {
            since: vec![None; hosts],
            past: vec![Vec::new(); hosts],
            parted: vec![Vec::new(); hosts],
            all_parted: Vec::new(),
            undead: BTreeMap::new(),
        }
    }

    /// Whether a host was well all the time from one moment to another.
    fn was_well(&self, h: usize, from: u64, to: u64) -> bool {
        let now = self.since[h].is_some_and(|since| since <= from);
        now || self.past[h].iter().any(|(since, until)| *since <= from && to <= *until)
    }
}

impl World {
    /// Writes down who is well.
    pub(crate) fn pulse(&mut self) {
        for h in 0..self.hosts.len() {
            let (well, now) = (self.is_well(h), self.now);
            match self.health.since[h] {
                None if well => self.health.since[h] = Some(now),
                Some(since) if !well => {
                    // The last look may have been just before it fell ill.
                    self.health.past[h].push((since, now.saturating_sub(EVERY)));
                    self.health.since[h] = None;
                }
                _ => {}
            }
        }
        self.look_for_undead();
        let parted: Vec<bool> = (0..self.hosts.len()).map(|h| !self.hears_majority(h)).collect();
        stretch(&mut self.health.all_parted, self.now, parted.iter().all(|is_parted| *is_parted));
        for (h, is_parted) in parted.into_iter().enumerate() {
            stretch(&mut self.health.parted[h], self.now, is_parted);
        }
        self.queue.push(self.now + EVERY, Scope::World, What::Pulse);
    }

    /// breathing: who was proven dead, lives and is well does not go on for long.
    fn look_for_undead(&mut self) {
        for h in 0..self.hosts.len() {
            let (session, now) = (self.hosts[h].session.clone(), self.now);
            let state = self.oracle.state.nodes.get(&self.names[h]).and_then(|at| at.session.as_ref());
            let is_dead = |state: &SessionState| matches!(state, SessionState::Ended(proof) if !matches!(proof, Proof::Goodbye { .. }));
            let is_ended = state.is_some_and(|it| it.id == session && is_dead(&it.state));
            let is_undead = is_ended && self.hosts[h].lives(&session) && self.hosts[h].daemon.is_some();
            if !is_undead {
                self.health.undead.remove(&session);
                continue;
            }
            let since = *self.health.undead.entry(session).or_insert(now);
            let from = since.max(now.saturating_sub(UNNOTICED));
            if now - since >= UNNOTICED && self.health.was_well(h, from, now) {
                let what =
                    format!("{} was proven dead {} ms ago, lives, and nobody noticed", self.names[h], now - since);
                self.fail("breathing", what);
            }
        }
    }

    /// What is committed was taken by a majority: a stretch without one ends here, however short it was whole.
    fn end_parting(&mut self) {
        let now = self.now;
        for stretches in self.health.parted.iter_mut().chain([&mut self.health.all_parted]) {
            if stretches.last().is_some_and(|(since, until)| *since < now && *until + EVERY >= now) {
                stretches.push((now, now));
            }
        }
    }

    /// breathing: a proof is found false only where it was.
    pub(crate) fn check_breath(&mut self, slot: &Slot) {
        let Some(Command::Breathes(breath)) = slot.entry.as_ref().map(|entry| &entry.command) else { return };
        let broken = self.oracle.state.events.back().is_some_and(|event| event.kind == EventKind::PromiseBroken);
        let Some(h) = self.names.iter().position(|name| *name == breath.node) else { return };
        if broken && self.oracle.state.events.back().is_some_and(|event| event.index == self.oracle.state.index) {
            self.counts.false_proofs += 1;
            if !self.hosts[h].lied_about.contains(&breath.session) {
                self.fail("breathing", format!("a true proof that {} is dead was taken for false", breath.node));
            }
        }
    }

    /// Whether nobody may judge this one silent: a majority of the voters could take over with it, for they and it reach
    /// each other and take part, and leadership moves to one of them; or else so few voters do not hear it that, whoever
    /// leads without it, no majority of those it reaches agrees. A voter whose host is in a boot that is not let in yet
    /// cannot lead: by such alone nobody is saved from a leader that reaches them too, and has more than they are.
    fn is_held(&self, h: usize) -> bool {
        let reached = |id: Id| {
            let other = self.members.hosts.get(&id).copied();
            other.filter(|other| *other == h || (self.votes_as(*other, id) && self.network.is_whole(h, *other)))
        };
        let is_let_in = |other: usize| {
            let node = self.oracle.state.nodes.get(&self.names[other]);
            node.is_some_and(|node| node.is_open(&self.hosts[other].session))
        };
        let deaf = self.members.voters().into_iter().filter(|id| reached(*id).is_none()).count();
        let least = self.members.sets.iter().map(|set| set.len() / 2 + 1).max().unwrap_or(0);
        let is_reached = self.members.agree(|id| reached(id).is_some());
        is_reached && (deaf * 2 <= least || self.members.agree(|id| reached(id).is_some_and(is_let_in)))
    }

    /// Whether answers to its polls can come from more than half of the voters, itself included.
    fn hears_majority(&self, h: usize) -> bool {
        let voters = self.members.voters();
        let hears = |id: &Id| {
            let other = self.members.hosts.get(id).copied().filter(|other| self.hosts[*other].disk.id == *id);
            other.is_some_and(|other| other == h || (self.speaks(other) && self.network.is_whole(h, other)))
        };
        self.speaks(h) && voters.iter().filter(|id| hears(id)).count() * 2 > voters.len()
    }

    fn is_well(&self, h: usize) -> bool {
        let host = &self.hosts[h];
        let grace = millis(self.oracle.state.properties().daemon_grace).saturating_sub(GRACE_MARGIN);
        let daemon_lives = host.daemon.is_some() || self.now < host.daemon_ended + grace;
        self.moves(h) && daemon_lives && self.network.loss <= LOSSY && self.is_held(h)
    }

    fn moves(&self, h: usize) -> bool {
        self.hosts[h].up && !self.hosts[h].frozen
    }

    /// Whether this replica can do its part: the store is the one that has the vote, and was taken.
    fn votes_as(&self, h: usize, id: Id) -> bool {
        let host = &self.hosts[h];
        self.speaks(h) && host.disk.id == id && host.daemon.as_ref().is_some_and(|daemon| daemon.replica.open)
    }

    fn speaks(&self, h: usize) -> bool {
        self.moves(h) && self.hosts[h].daemon.is_some()
    }

    /// beats to all voters: nobody is judged lost who was well for as long as silence takes.
    pub(crate) fn check_judgement(&mut self, slot: &Slot) {
        self.end_parting();
        let Some(Command::Judge { node, session, verdict: Verdict::Lost { evidence, grant, .. } }) =
            slot.entry.as_ref().map(|entry| &entry.command)
        else {
            return;
        };
        let Some(h) = self.names.iter().position(|name: &NodeId| name == node) else { return };
        let was_accepted = self.oracle.state.nodes.get(node).is_some_and(|at| !at.is_open(session));
        let timeout = millis(self.oracle.state.properties().lost_after).saturating_sub(SILENCE_MARGIN);
        let from = slot.born.saturating_sub(timeout);
        let is_this_boot = self.hosts[h].session == *session;
        // Where the power reads off, a doubt is enough; and of a host that is on only a lying device says so.
        let is_by_a_lie = self.faults.has_liars() && evidence.starts_with("its power reads off");
        if was_accepted && is_this_boot && !is_by_a_lie && self.health.was_well(h, from, slot.born) {
            self.fail("healthy", format!("{node} is judged lost, and it was well for {timeout} ms: {evidence}"));
        }
        // Who was not heard while its judge heard no majority has the time that silence takes, from the return of one on.
        // Only a first grant says who judged; where there is none, nobody at all heard one.
        let judge = grant.as_ref().and_then(|grant| self.names.iter().position(|name| *name == grant.speaker.node));
        let stretches = judge.map_or(&self.health.all_parted, |judge| &self.health.parted[judge]);
        let hasty = |(since, until): &&(u64, u64)| {
            let until = (*until).min(slot.born);
            until >= *since + PARTED && until > from
        };
        let parted = stretches.iter().find(hasty).copied();
        if let Some((_, until)) = parted.filter(|_| was_accepted && is_this_boot && evidence.starts_with("silent")) {
            let after = slot.born.saturating_sub(until);
            let what = format!("{node} is judged lost {after} ms after its judge heard a majority again: {evidence}");
            self.fail("power restore", what);
        }
    }
}

/// Goes on with the last stretch, or begins one.
fn stretch(stretches: &mut Vec<(u64, u64)>, now: u64, is_parted: bool) {
    match stretches.last_mut().filter(|(_, until)| *until + EVERY >= now) {
        Some((_, until)) if is_parted => *until = now,
        _ if is_parted => stretches.push((now, now)),
        _ => {}
    }
}
