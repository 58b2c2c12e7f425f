//! Elections: pre-vote, votes, and the lease that keeps a follower loyal while it hears a leader.

use crate::event::{Message, Scope, What};
use crate::replica::Role;
use crate::world::World;
use quorate_node::engine::Event;

/// A follower that heard a leader within this time gives no vote.
const LEASE: u64 = 200;

impl World {
    fn patience(&mut self) -> u64 {
        self.now + self.dice.of(200..=350)
    }

    /// The election timer of a member.
    pub(crate) fn election(&mut self, h: usize) {
        let (now, scope) = (self.now, self.process_scope(h));
        let deadline = match &self.hosts[h].daemon {
            Some(daemon) if daemon.replica.role == Role::Leader => now + 300,
            Some(daemon) if daemon.replica.deadline > now => daemon.replica.deadline,
            Some(_) => {
                self.ask_votes(h, Role::PreCandidate, false);
                self.hosts[h].daemon.as_ref().map_or(now + 300, |daemon| daemon.replica.deadline)
            }
            None => return,
        };
        self.queue.push(deadline, scope, What::Election);
    }

    fn ask_votes(&mut self, h: usize, role: Role, transfer: bool) {
        let deadline = self.patience();
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let lost_leader = daemon.replica.leader.take().is_some();
        daemon.replica.role = role;
        daemon.replica.votes = [h].into();
        daemon.replica.deadline = deadline;
        let last = host.disk.last();
        let message = if role == Role::Candidate {
            host.disk.term += 1;
            host.disk.voted = Some(h);
            Message::Vote { term: host.disk.term, last, transfer }
        } else {
            Message::PreVote { term: host.disk.term + 1, last }
        };
        for peer in (0..self.hosts.len()).filter(|peer| *peer != h) {
            self.send(h, peer, message.clone());
        }
        if lost_leader {
            self.step(h, Event::Applied);
        }
    }

    /// Follows a term, and its leader where known; a leader of an older one steps down.
    pub(crate) fn follow(&mut self, h: usize, term: u64, leader: Option<usize>) {
        let deadline = self.patience();
        let now = self.now;
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let replica = &mut daemon.replica;
        let was = (replica.role, replica.leader);
        if term > host.disk.term {
            host.disk.term = term;
            host.disk.voted = None;
            replica.leader = None;
            replica.role = Role::Follower;
        }
        if leader.is_some() {
            replica.role = Role::Follower;
            replica.leader = leader;
            replica.heard = now;
            replica.deadline = deadline;
        }
        let now_is = (replica.role, replica.leader);
        if was.0 == Role::Leader && now_is.0 != Role::Leader {
            self.depose(h);
        }
        if was != now_is {
            self.step(h, Event::Applied);
        }
    }

    fn may_vote(&self, h: usize, last: (u64, usize), transfer: bool) -> bool {
        let host = &self.hosts[h];
        host.daemon.as_ref().is_some_and(|daemon| {
            let loyal = daemon.replica.role == Role::Leader
                || (daemon.replica.leader.is_some() && self.now < daemon.replica.heard + LEASE);
            (transfer || !loyal) && last >= host.disk.last()
        })
    }

    pub(crate) fn on_pre_vote(&mut self, h: usize, from: usize, term: u64, last: (u64, usize)) {
        let own = self.hosts[h].disk.term;
        if term < own {
            self.send(h, from, Message::HigherTerm { term: own });
        } else if self.may_vote(h, last, false) {
            self.send(h, from, Message::PreVoteGiven { term });
        }
    }

    pub(crate) fn on_pre_vote_given(&mut self, h: usize, from: usize, term: u64) {
        if self.hosts[h].disk.term + 1 == term && self.has_majority(h, from, Role::PreCandidate) {
            self.ask_votes(h, Role::Candidate, false);
        }
    }

    pub(crate) fn on_vote(&mut self, h: usize, from: usize, term: u64, last: (u64, usize), transfer: bool) {
        let own = self.hosts[h].disk.term;
        if term < own {
            return self.send(h, from, Message::HigherTerm { term: own });
        }
        let fits = self.may_vote(h, last, transfer);
        if term > own
            && (fits || !self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.replica.role == Role::Leader))
        {
            self.follow(h, term, None);
        }
        let deadline = self.patience();
        let host = &mut self.hosts[h];
        let free = host.disk.term == term && host.disk.voted.is_none_or(|voted| voted == from);
        if fits && free {
            host.disk.voted = Some(from);
            if let Some(daemon) = &mut host.daemon {
                daemon.replica.deadline = deadline;
            }
            self.send(h, from, Message::VoteGiven { term });
        }
    }

    /// The engine wants another voter to lead: the leader asks it, once it has the whole log.
    pub(crate) fn offer(&mut self, h: usize, to: usize) {
        let (term, last) = (self.hosts[h].disk.term, self.hosts[h].disk.log.len());
        let leads = self.hosts[h]
            .daemon
            .as_ref()
            .is_some_and(|daemon| daemon.replica.role == Role::Leader && daemon.replica.matched[to] == last);
        if leads {
            self.counts.hand_overs += 1;
            self.send(h, to, Message::Stand { term });
        }
    }

    pub(crate) fn on_stand(&mut self, h: usize, term: u64) {
        if self.hosts[h].disk.term == term {
            self.ask_votes(h, Role::Candidate, true);
        }
    }

    pub(crate) fn on_vote_given(&mut self, h: usize, from: usize, term: u64) {
        if self.hosts[h].disk.term == term && self.has_majority(h, from, Role::Candidate) {
            self.lead(h);
        }
    }

    pub(crate) fn on_higher_term(&mut self, h: usize, term: u64) {
        if term > self.hosts[h].disk.term {
            self.follow(h, term, None);
        }
    }

    fn has_majority(&mut self, h: usize, from: usize, role: Role) -> bool {
        let host = &mut self.hosts[h];
        let majority = host.disk.majority();
        let Some(daemon) = host.daemon.as_mut().filter(|daemon| daemon.replica.role == role) else { return false };
        daemon.replica.votes.insert(from);
        daemon.replica.votes.len() == majority
    }

    fn lead(&mut self, h: usize) {
        let members = self.hosts.len();
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let (next, term) = (host.disk.log.len() + 1, host.disk.term);
        let replica = &mut daemon.replica;
        replica.role = Role::Leader;
        replica.leader = Some(h);
        replica.next = vec![next; members];
        replica.matched = vec![0; members];
        replica.rounds = vec![0; members];
        replica.first = next;
        self.counts.leaders += 1;
        self.trace(|world| format!("{} leads term {term}", world.names[h]));
        self.append(h, None, None);
        self.queue.push(self.now + 70, self.process_scope(h), What::Heartbeat { term });
        self.step(h, Event::Applied);
    }

    pub(crate) fn process_scope(&self, h: usize) -> Scope {
        Scope::Process(h, self.hosts[h].processes)
    }
}
