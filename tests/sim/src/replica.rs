//! The replicated log of one member: what it keeps on disk and in memory, and the log's side of Raft.
//!
//! Small and abstract, but faithful where the engine could notice: terms, majorities, log matching, followers that lag,
//! leaders that were cut off and do not know it yet, entries without a majority that survive or vanish. Elections are in
//! `election`, requests in `requests`.

use crate::event::{Message, What};
use crate::world::World;
use quorate_core::state::{Entry, Outcome};
use quorate_node::engine::{Event, ProposeError};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A leader speaks so often.
const HEARTBEAT: u64 = 70;
/// So many entries go in one message.
const BATCH: usize = 64;

/// One place of the log; a new leader's first has no entry.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) term: u64,
    pub(crate) entry: Option<Entry>,
    /// Simulated time when a leader took it into its log.
    pub(crate) born: u64,
}

pub(crate) type Entries = Vec<Rc<Slot>>;

/// What a restart or a power cut leaves.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) term: u64,
    pub(crate) voted: Option<usize>,
    pub(crate) log: Entries,
    /// So far it was synced, and only so far acknowledged.
    pub(crate) synced: usize,
    pub(crate) committed: usize,
    pub(crate) hosts: usize,
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
    pub(crate) votes: BTreeSet<usize>,
    /// When its patience is over, and when it last heard of a leader.
    pub(crate) deadline: u64,
    pub(crate) heard: u64,
    pub(crate) next: Vec<usize>,
    pub(crate) matched: Vec<usize>,
    pub(crate) round: u64,
    pub(crate) rounds: Vec<u64>,
    /// Its own first entry of this term.
    pub(crate) first: usize,
    pub(crate) waiting: BTreeMap<usize, Ticket>,
    pub(crate) reads: Vec<LeaderRead>,
    pub(crate) commit: usize,
    pub(crate) applied: usize,
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
    pub(crate) fn new(hosts: usize) -> Self {
        Self { term: 1, voted: None, log: Vec::new(), synced: 0, committed: 0, hosts }
    }

    pub(crate) fn last(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |slot| slot.term), self.log.len())
    }

    pub(crate) fn term_at(&self, index: usize) -> u64 {
        if index == 0 { 0 } else { self.log.get(index - 1).map_or(0, |slot| slot.term) }
    }

    pub(crate) fn majority(&self) -> usize {
        self.hosts / 2 + 1
    }
}

impl Replica {
    pub(crate) fn new(hosts: usize, deadline: u64) -> Self {
        Self {
            role: Role::Follower,
            leader: None,
            votes: BTreeSet::new(),
            deadline,
            heard: 0,
            next: vec![1; hosts],
            matched: vec![0; hosts],
            round: 0,
            rounds: vec![0; hosts],
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
        let (stamp, born) = (self.wall_clock(h), self.now);
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let entry = entry.map(|entry| Entry { at: stamp, ..entry });
        let term = host.disk.term;
        host.disk.log.push(Rc::new(Slot { term, entry, born }));
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
            self.queue.push(self.now + HEARTBEAT, self.process_scope(h), What::Heartbeat { term });
        }
    }

    /// One round to every follower.
    pub(crate) fn broadcast(&mut self, h: usize) {
        if let Some(daemon) = &mut self.hosts[h].daemon {
            daemon.replica.round += 1;
        }
        for peer in (0..self.hosts.len()).filter(|peer| *peer != h) {
            self.send_append(h, peer);
        }
    }

    fn send_append(&mut self, h: usize, peer: usize) {
        let host = &self.hosts[h];
        let Some(daemon) = &host.daemon else { return };
        let prev = daemon.replica.next[peer] - 1;
        let upto = host.disk.log.len().min(prev + BATCH);
        let entries = host.disk.log[prev.min(upto)..upto].to_vec();
        let message = Message::Append {
            term: host.disk.term,
            prev: (prev, host.disk.term_at(prev)),
            entries,
            commit: daemon.replica.commit,
            round: daemon.replica.round,
        };
        self.send(h, peer, message);
    }

    pub(crate) fn on_append(&mut self, h: usize, from: usize, message: Message) {
        let Message::Append { term, prev, entries, commit, round } = message else { return };
        let own = self.hosts[h].disk.term;
        if term < own {
            return self.send(h, from, Message::Appended { term: own, fits: false, matched: 0, round });
        }
        self.follow(h, term, Some(from));
        let host = &mut self.hosts[h];
        if host.disk.log.len() < prev.0 || host.disk.term_at(prev.0) != prev.1 {
            let hint = host.disk.log.len().min(prev.0.saturating_sub(1));
            return self.send(h, from, Message::Appended { term, fits: false, matched: hint, round });
        }
        let matched = prev.0 + entries.len();
        let mut lost_committed = false;
        for (index, slot) in (prev.0 + 1..).zip(entries) {
            if host.disk.log.len() >= index && host.disk.log[index - 1].term != slot.term {
                lost_committed |= index <= host.disk.committed;
                host.disk.log.truncate(index - 1);
                host.disk.synced = host.disk.synced.min(index - 1);
            }
            if host.disk.log.len() < index {
                host.disk.log.push(slot);
            }
        }
        let is_synced = host.disk.synced >= matched;
        if lost_committed {
            self.fail("log", format!("{} dropped an entry that was committed", self.names[h]));
        }
        let ack = Message::Appended { term, fits: true, matched, round };
        if is_synced {
            self.send(h, from, ack);
        } else {
            let at = self.now + self.sync_time(h);
            self.queue.push(at, self.process_scope(h), What::Synced { upto: matched, term, ack: Some((from, ack)) });
        }
        self.commit_to(h, commit.min(matched));
    }

    pub(crate) fn synced(&mut self, h: usize, upto: usize, term: u64, ack: Option<(usize, Message)>) {
        let disk = &mut self.hosts[h].disk;
        if disk.term != term {
            return;
        }
        disk.synced = disk.synced.max(upto.min(disk.log.len()));
        match ack {
            Some((to, ack)) => self.send(h, to, ack),
            None => self.advance_commit(h),
        }
    }

    pub(crate) fn on_appended(&mut self, h: usize, from: usize, (term, fits, matched, round): (u64, bool, usize, u64)) {
        let host = &mut self.hosts[h];
        let (own, len) = (host.disk.term, host.disk.log.len());
        if term > own {
            return self.follow(h, term, None);
        }
        let Some(daemon) = host.daemon.as_mut().filter(|daemon| daemon.replica.role == Role::Leader) else { return };
        if term < own {
            return;
        }
        let replica = &mut daemon.replica;
        replica.rounds[from] = replica.rounds[from].max(round);
        if fits {
            replica.matched[from] = replica.matched[from].max(matched);
            replica.next[from] = replica.next[from].max(matched + 1);
        } else {
            replica.next[from] = (matched + 1).clamp(replica.matched[from] + 1, len + 1);
        }
        let behind = !fits || (replica.next[from] <= len && matched + BATCH <= len);
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
        let mut matched = daemon.replica.matched.clone();
        matched[h] = host.disk.synced;
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let index = matched[host.disk.majority() - 1];
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
