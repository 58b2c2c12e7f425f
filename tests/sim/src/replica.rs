//! The replicated log of one member: what it keeps on disk and in memory, and the log's side of Raft.
//!
//! Small and abstract, but faithful where the engine could notice: terms, majorities, log matching, followers that lag,
//! leaders that were cut off and do not know it yet, entries without a majority that survive or vanish. Elections are in
//! `election`, requests in `requests`, who is a member in `members`, whole states in `snapshot`.

use crate::event::{Message, What};
use crate::members::{Id, Members, Peer};
use crate::snapshot::Snapshot;
use crate::space::Room;
use crate::standing::{AllSeen, Roll};
use crate::world::World;
use quorate_core::state::{Entry, Outcome};
use quorate_core::time::millis;
use quorate_node::engine::{Event, ProposeError};
use quorate_node::pace::HEARTBEAT;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// So many entries go in one message.
const BATCH: usize = 64;

/// One place of the log; a new leader's first has no entry.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) term: u64,
    pub(crate) entry: Option<Entry>,
    /// Who votes from here on.
    pub(crate) members: Option<Rc<Members>>,
    /// Simulated time when a leader took it into its log.
    pub(crate) born: u64,
}

pub(crate) type Entries = Vec<Rc<Slot>>;

/// What a restart or a power cut leaves.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// The raft id that this store has.
    pub(crate) id: Id,
    /// How often it was opened.
    pub(crate) opened: u64,
    pub(crate) term: u64,
    pub(crate) voted: Option<Id>,
    /// The leader of the term is known.
    pub(crate) settled: bool,
    pub(crate) log: Entries,
    /// Every change of members in the log, and where.
    pub(crate) changes: Vec<(usize, Rc<Members>)>,
    /// A whole state: what is not after it is not applied again.
    pub(crate) snapshot: Option<Rc<Snapshot>>,
    /// Entries up to here are gone: nobody gets them from here.
    pub(crate) purged: usize,
    /// What was seen of the others' stores.
    pub(crate) seen: AllSeen,
    /// So far it was synced, and only so far acknowledged.
    pub(crate) synced: usize,
    pub(crate) committed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

/// What a member knows while its daemon runs.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) role: Role,
    pub(crate) leader: Option<usize>,
    pub(crate) votes: BTreeSet<Id>,
    /// Its store was taken by its peers; until then it says nothing.
    pub(crate) open: bool,
    pub(crate) taken: BTreeSet<Id>,
    pub(crate) seen: AllSeen,
    /// The members, as it was told while its store was not taken.
    pub(crate) told: Roll,
    /// Where a change of voters that this leader began is to end.
    pub(crate) goal: Option<BTreeSet<Id>>,
    /// When its patience is over, and when it last heard of a leader.
    pub(crate) deadline: u64,
    pub(crate) heard: u64,
    pub(crate) followers: BTreeMap<Id, Follower>,
    pub(crate) round: u64,
    /// Its own first entry of this term.
    pub(crate) first: usize,
    pub(crate) waiting: BTreeMap<usize, Ticket>,
    pub(crate) reads: Vec<LeaderRead>,
    pub(crate) commit: usize,
    pub(crate) applied: usize,
}

/// How far another replica is, as its leader knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Follower {
    pub(crate) next: usize,
    pub(crate) matched: usize,
    pub(crate) round: u64,
    /// When it last answered.
    pub(crate) heard: Option<u64>,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) host: usize,
    pub(crate) process: u64,
    pub(crate) request: u64,
}

/// A linearizable read waits until a majority has answered a round that began after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaderRead {
    pub(crate) ticket: Ticket,
    pub(crate) round: u64,
    pub(crate) index: usize,
}

impl Disk {
    /// An empty store, with this raft id.
    pub(crate) fn new(id: Id) -> Self {
        Self {
            id,
            opened: 0,
            term: 0,
            voted: None,
            settled: false,
            log: Vec::new(),
            changes: Vec::new(),
            snapshot: None,
            purged: 0,
            seen: AllSeen::new(),
            synced: 0,
            committed: 0,
        }
    }

    pub(crate) fn push(&mut self, slot: Rc<Slot>) {
        if let Some(members) = &slot.members {
            self.changes.push((self.log.len() + 1, members.clone()));
        }
        self.log.push(slot);
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.log.truncate(len);
        self.synced = self.synced.min(len);
        self.changes.retain(|(index, _)| *index <= len);
    }

    /// Who votes and who has a place, by the last word of the log, committed or not.
    pub(crate) fn members(&self) -> Rc<Members> {
        self.changes.last().map(|(_, members)| members.clone()).unwrap_or_default()
    }

    /// The same by the last word that this member knows to be committed.
    pub(crate) fn agreed(&self) -> Rc<Members> {
        let agreed = self.changes.iter().rev().find(|(index, _)| *index <= self.committed);
        agreed.map(|(_, members)| members.clone()).unwrap_or_default()
    }

    /// The same as the log has it last, and where that is.
    pub(crate) fn roll(&self) -> Roll {
        let (index, members) = self.changes.last().cloned().unwrap_or_default();
        Roll { at: (self.term_at(index), index), members }
    }

    pub(crate) fn last(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |slot| slot.term), self.log.len())
    }

    pub(crate) fn term_at(&self, index: usize) -> u64 {
        if index == 0 { 0 } else { self.log.get(index - 1).map_or(0, |slot| slot.term) }
    }
}

impl Replica {
    pub(crate) fn new(deadline: u64) -> Self {
        Self {
            role: Role::Follower,
            leader: None,
            votes: BTreeSet::new(),
            open: false,
            taken: BTreeSet::new(),
            seen: AllSeen::new(),
            told: Roll::default(),
            goal: None,
            deadline,
            heard: 0,
            followers: BTreeMap::new(),
            round: 0,
            first: 0,
            waiting: BTreeMap::new(),
            reads: Vec::new(),
            commit: 0,
            applied: 0,
        }
    }

    /// It leads, and its own first entry is applied.
    pub(crate) fn is_ready(&self) -> bool {
        self.role == Role::Leader && self.applied >= self.first
    }
}

impl World {
    /// A leader takes an entry into its log.
    pub(crate) fn append(&mut self, h: usize, entry: Option<Entry>, ticket: Option<Ticket>) {
        let (stamp, born, term) = (self.wall_clock(h), self.now, self.hosts[h].disk.term);
        let entry = entry.map(|entry| Entry { at: stamp, ..entry });
        self.append_slot(h, Slot { term, entry, members: None, born }, ticket);
    }

    pub(crate) fn append_members(&mut self, h: usize, members: Rc<Members>) {
        let (born, term) = (self.now, self.hosts[h].disk.term);
        self.append_slot(h, Slot { term, entry: None, members: Some(members), born }, None);
    }

    fn append_slot(&mut self, h: usize, slot: Slot, ticket: Option<Ticket>) {
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let term = slot.term;
        host.disk.push(Rc::new(slot));
        let index = host.disk.log.len();
        if let Some(ticket) = ticket {
            daemon.replica.waiting.insert(index, ticket);
        }
        let (at, scope) = (self.now + self.sync_time(h), self.process_scope(h));
        self.queue.push(at, scope, What::Synced { upto: index, term, ack: None });
        self.broadcast(h);
    }

    fn sync_time(&mut self, h: usize) -> u64 {
        let slow = self.hosts[h].slow_disk;
        self.dice.of(1..=4) + if slow > 0 { self.dice.of(0..=slow) } else { 0 }
    }

    pub(crate) fn heartbeat(&mut self, h: usize, term: u64) {
        let leads = self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.replica.role == Role::Leader);
        if leads && self.hosts[h].disk.term == term {
            self.broadcast(h);
            self.queue.push(self.now + millis(HEARTBEAT), self.process_scope(h), What::Heartbeat { term });
        }
    }

    /// One round to every follower.
    pub(crate) fn broadcast(&mut self, h: usize) {
        if let Some(daemon) = &mut self.hosts[h].daemon {
            daemon.replica.round += 1;
        }
        let disk = &self.hosts[h].disk;
        for peer in disk.members().others(disk.id) {
            self.send_append(h, peer);
        }
    }

    fn send_append(&mut self, h: usize, peer: Peer) {
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let fresh = Follower { next: host.disk.log.len() + 1, matched: 0, round: 0, heard: None };
        let prev = daemon.replica.followers.entry(peer.id).or_insert(fresh).next - 1;
        if prev < host.disk.purged {
            return self.send_snapshot(h, peer);
        }
        let upto = host.disk.log.len().min(prev + BATCH);
        let entries = host.disk.log[prev.min(upto)..upto].to_vec();
        let message = Message::Append {
            term: host.disk.term,
            prev: (prev, host.disk.term_at(prev)),
            entries,
            commit: daemon.replica.commit,
            round: daemon.replica.round,
        };
        self.tell(h, peer, message);
    }

    pub(crate) fn on_append(&mut self, h: usize, from: Peer, message: Message) {
        let Message::Append { term, prev, mut entries, commit, round } = message else { return };
        let own = self.hosts[h].disk.term;
        if term < own {
            return self.tell(h, from, Message::Appended { term: own, fits: false, matched: 0, round });
        }
        self.follow(h, term, Some(from.host));
        let host = &mut self.hosts[h];
        if host.disk.log.len() < prev.0 || host.disk.term_at(prev.0) != prev.1 {
            let hint = host.disk.log.len().min(prev.0.saturating_sub(1));
            return self.tell(h, from, Message::Appended { term, fits: false, matched: hint, round });
        }
        if host.room == Room::Brimming {
            // It follows, and takes nothing in.
            entries.clear();
        }
        let matched = prev.0 + entries.len();
        let mut lost_committed = false;
        for (index, slot) in (prev.0 + 1..).zip(entries) {
            if host.disk.log.len() >= index && host.disk.log[index - 1].term != slot.term {
                lost_committed |= index <= host.disk.committed;
                host.disk.truncate(index - 1);
            }
            if host.disk.log.len() < index {
                host.disk.push(slot);
            }
        }
        let is_synced = host.disk.synced >= matched;
        if lost_committed {
            self.fail("log", format!("{} dropped an entry that was committed", self.names[h]));
        }
        let ack = Message::Appended { term, fits: true, matched, round };
        if is_synced {
            self.tell(h, from, ack);
        } else {
            let at = self.now + self.sync_time(h);
            self.queue.push(at, self.process_scope(h), What::Synced { upto: matched, term, ack: Some((from, ack)) });
        }
        self.commit_to(h, commit.min(matched));
    }

    pub(crate) fn synced(&mut self, h: usize, upto: usize, term: u64, ack: Option<(Peer, Message)>) {
        let disk = &mut self.hosts[h].disk;
        if disk.term != term {
            return;
        }
        disk.synced = disk.synced.max(upto.min(disk.log.len()));
        match ack {
            Some((to, ack)) => self.tell(h, to, ack),
            None => self.advance_commit(h),
        }
    }

    pub(crate) fn on_appended(&mut self, h: usize, from: Peer, (term, fits, matched, round): (u64, bool, usize, u64)) {
        let (now, host) = (self.now, &mut self.hosts[h]);
        let (own, len) = (host.disk.term, host.disk.log.len());
        if term > own {
            return self.follow(h, term, None);
        }
        let Some(daemon) = host.daemon.as_mut().filter(|daemon| daemon.replica.role == Role::Leader) else { return };
        if term < own {
            return;
        }
        let Some(follower) = daemon.replica.followers.get_mut(&from.id) else { return };
        follower.round = follower.round.max(round);
        follower.heard = Some(now);
        if fits {
            follower.matched = follower.matched.max(matched);
            follower.next = follower.next.max(matched + 1);
        } else {
            follower.next = (matched + 1).clamp(follower.matched + 1, len + 1);
        }
        let behind = !fits || (follower.next <= len && matched + BATCH <= len);
        self.answer_reads(h);
        self.advance_commit(h);
        if behind {
            self.send_append(h, from);
        }
    }

    /// What a majority has on disk is committed.
    fn advance_commit(&mut self, h: usize) {
        let host = &self.hosts[h];
        let Some(daemon) = host.daemon.as_ref().filter(|daemon| daemon.replica.role == Role::Leader) else { return };
        let matched = |id: Id| match daemon.replica.followers.get(&id) {
            _ if id == host.disk.id => host.disk.synced,
            follower => follower.map_or(0, |follower| follower.matched),
        };
        let index = host.disk.members().shared(matched);
        if index > daemon.replica.commit && host.disk.term_at(index) == host.disk.term {
            self.commit_to(h, index);
        }
    }

    /// Applies what is committed, tells the engine, and answers who waits.
    pub(crate) fn commit_to(&mut self, h: usize, commit: usize) {
        let mut answers = Vec::new();
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        if commit <= daemon.replica.commit {
            return;
        }
        daemon.replica.commit = commit;
        host.disk.committed = host.disk.committed.max(commit);
        let from = daemon.replica.applied;
        for index in from + 1..=commit {
            let Some(outcome) = self.apply_one(h, index) else { return };
            let Some(daemon) = &mut self.hosts[h].daemon else { return };
            if let Some(ticket) = daemon.replica.waiting.remove(&index) {
                answers.push((ticket, outcome));
            }
        }
        // Either may come first in a real daemon.
        let tell_first = self.dice.chance(500);
        if !tell_first {
            self.step(h, Event::Applied);
        }
        for (ticket, outcome) in answers {
            let outcome = outcome.ok_or(ProposeError::Unknown);
            self.answer(h, ticket, outcome);
        }
        if tell_first {
            self.step(h, Event::Applied);
        }
        self.finish_reads(h);
        self.take_snapshot(h);
        self.members_agreed(h);
        self.look_for_goodbye(h);
    }

    /// Applies one entry; `None` when the daemon is gone, `Some(None)` for an entry without a command.
    fn apply_one(&mut self, h: usize, index: usize) -> Option<Option<Outcome>> {
        let slot = self.hosts[h].disk.log[index - 1].clone();
        self.learn(h, index, &slot);
        let daemon = self.hosts[h].daemon.as_mut()?;
        let outcome = slot.entry.as_ref().map(|entry| daemon.state.apply(index as u64, entry));
        daemon.replica.applied = index;
        self.compare(h, index, outcome.as_ref());
        Some(outcome)
    }

    /// After a restart: what was committed before is applied again, first some, then the rest.
    pub(crate) fn replay(&mut self, h: usize, upto: usize) {
        self.commit_to(h, upto);
    }
}
