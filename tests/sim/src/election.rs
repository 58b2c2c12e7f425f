//! Elections: pre-vote, votes, and the lease that keeps a follower loyal while it hears a leader.

use crate::event::{Message, Scope, What};
use crate::members::{Id, Peer};
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
            Some(_) if self.may_stand(h) => {
                self.ask_votes(h, Role::PreCandidate, false);
                self.hosts[h].daemon.as_ref().map_or(now + 300, |daemon| daemon.replica.deadline)
            }
            Some(_) => now + 300,
            None => return,
        };
        self.queue.push(deadline, scope, What::Election);
    }

    /// Learners stand for nothing, and neither does a store that nobody has taken yet. Who loses its vote by a change that
    /// is not committed yet may be the only one that has that change, and stands to see it through: it leads by the votes
    /// of the others, and its own does not count (Ongaro, *Consensus*, 4.2.2).
    fn may_stand(&self, h: usize) -> bool {
        let (disk, daemon) = (&self.hosts[h].disk, &self.hosts[h].daemon);
        let votes = disk.members().votes(disk.id) || disk.agreed().votes(disk.id);
        votes && daemon.as_ref().is_some_and(|daemon| daemon.replica.open)
    }

    fn ask_votes(&mut self, h: usize, role: Role, transfer: bool) {
        let deadline = self.patience();
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let lost_leader = daemon.replica.leader.take().is_some();
        daemon.replica.role = role;
        let id = host.disk.id;
        daemon.replica.votes = [id].into();
        daemon.replica.deadline = deadline;
        let last = host.disk.last();
        let message = if role == Role::Candidate {
            host.disk.term += 1;
            host.disk.voted = Some(id);
            host.disk.settled = false;
            Message::Vote { term: host.disk.term, last, transfer }
        } else {
            Message::PreVote { term: host.disk.term + 1, last }
        };
        let members = host.disk.members();
        for peer in members.others(id).into_iter().filter(|peer| members.votes(peer.id)) {
            self.tell(h, peer, message.clone());
        }
        if lost_leader {
            self.step(h, Event::Applied);
        }
        if members.agree(|voter| voter == id) {
            match role {
                Role::PreCandidate => self.ask_votes(h, Role::Candidate, false),
                _ => self.lead(h),
            }
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
            host.disk.settled = false;
            replica.leader = None;
            replica.role = Role::Follower;
        }
        if leader.is_some() {
            host.disk.settled = true;
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

    /// It has no vote any more: whoever has one leads from here on.
    pub(crate) fn resign(&mut self, h: usize, term: u64) {
        self.trace(|world| format!("{} votes no more, and does not lead term {term} any longer", world.names[h]));
        if let Some(daemon) = &mut self.hosts[h].daemon {
            (daemon.replica.role, daemon.replica.leader) = (Role::Follower, None);
        }
        self.depose(h);
        self.step(h, Event::Applied);
    }

    fn may_vote(&self, h: usize, last: (u64, usize), transfer: bool) -> bool {
        let host = &self.hosts[h];
        host.daemon.as_ref().is_some_and(|daemon| {
            let loyal = daemon.replica.role == Role::Leader
                || (daemon.replica.leader.is_some() && self.now < daemon.replica.heard + LEASE);
            (transfer || !loyal) && last >= host.disk.last()
        })
    }

    pub(crate) fn on_pre_vote(&mut self, h: usize, from: Peer, term: u64, last: (u64, usize)) {
        let own = self.hosts[h].disk.term;
        if term < own {
            self.tell(h, from, Message::HigherTerm { term: own });
        } else if self.may_vote(h, last, false) {
            self.tell(h, from, Message::PreVoteGiven { term });
        }
    }

    pub(crate) fn on_pre_vote_given(&mut self, h: usize, from: Peer, term: u64) {
        if self.hosts[h].disk.term + 1 == term && self.has_majority(h, from.id, Role::PreCandidate) {
            self.ask_votes(h, Role::Candidate, false);
        }
    }

    pub(crate) fn on_vote(&mut self, h: usize, from: Peer, term: u64, last: (u64, usize), transfer: bool) {
        let own = self.hosts[h].disk.term;
        if let Some(daemon) = &mut self.hosts[h].daemon {
            let seen = daemon.replica.seen.entry(from.id).or_default();
            seen.note_vote((term, false));
        }
        if term < own {
            return self.tell(h, from, Message::HigherTerm { term: own });
        }
        let fits = self.may_vote(h, last, transfer);
        if term > own
            && (fits || !self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.replica.role == Role::Leader))
        {
            self.follow(h, term, None);
        }
        let deadline = self.patience();
        let host = &mut self.hosts[h];
        let free = host.disk.term == term && host.disk.voted.is_none_or(|voted| voted == from.id);
        if fits && free {
            host.disk.voted = Some(from.id);
            if let Some(daemon) = &mut host.daemon {
                daemon.replica.deadline = deadline;
            }
            self.tell(h, from, Message::VoteGiven { term });
        }
    }

    /// The engine wants another voter to lead: the leader asks it, once it has the whole log.
    pub(crate) fn offer(&mut self, h: usize, to: usize) {
        let (term, last) = (self.hosts[h].disk.term, self.hosts[h].disk.log.len());
        let members = self.hosts[h].disk.members();
        let id = members.hosts.iter().find(|(id, host)| **host == to && members.votes(**id)).map(|(id, _)| *id);
        let Some(id) = id else { return };
        let leads = self.hosts[h].daemon.as_ref().is_some_and(|daemon| {
            let has_all = daemon.replica.followers.get(&id).is_some_and(|follower| follower.matched == last);
            daemon.replica.role == Role::Leader && has_all
        });
        if leads {
            self.counts.hand_overs += 1;
            self.tell(h, Peer { host: to, id }, Message::Stand { term });
        }
    }

    pub(crate) fn on_stand(&mut self, h: usize, term: u64) {
        if self.hosts[h].disk.term == term && self.may_stand(h) {
            self.ask_votes(h, Role::Candidate, true);
        }
    }

    pub(crate) fn on_vote_given(&mut self, h: usize, from: Peer, term: u64) {
        if self.hosts[h].disk.term == term && self.has_majority(h, from.id, Role::Candidate) {
            self.lead(h);
        }
    }

    pub(crate) fn on_higher_term(&mut self, h: usize, term: u64) {
        if term > self.hosts[h].disk.term {
            self.follow(h, term, None);
        }
    }

    /// Whether this vote was the last that was needed.
    fn has_majority(&mut self, h: usize, from: Id, role: Role) -> bool {
        let host = &mut self.hosts[h];
        let members = host.disk.members();
        let Some(daemon) = host.daemon.as_mut().filter(|daemon| daemon.replica.role == role) else { return false };
        let votes = &mut daemon.replica.votes;
        let before = members.agree(|id| votes.contains(&id));
        votes.insert(from);
        !before && members.agree(|id| votes.contains(&id))
    }

    fn lead(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let (next, term) = (host.disk.log.len() + 1, host.disk.term);
        host.disk.settled = true;
        let replica = &mut daemon.replica;
        replica.role = Role::Leader;
        replica.leader = Some(h);
        replica.followers.clear();
        replica.goal = None;
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
