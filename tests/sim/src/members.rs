//! Who votes and who has a place, as one replica's log says; and the shipping autopilot's rule, carried out.

use crate::event::Message;
use crate::host::Daemon;
use crate::replica::Role;
use crate::world::World;
use quorate_node::seats::{Replica, Replicas, Seat, is_safe, seats, voters};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// A raft id: it belongs to one store, and is never given again.
pub(crate) type Id = u64;

/// One replica on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) host: usize,
    pub(crate) id: Id,
}

/// One membership: a set of voters, or two that have to agree while it changes; and everybody who gets the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) sets: Vec<BTreeSet<Id>>,
    pub(crate) hosts: BTreeMap<Id, usize>,
}

impl Members {
    /// Whether those are a majority of each set.
    pub(crate) fn agree(&self, has: impl Fn(Id) -> bool) -> bool {
        !self.sets.is_empty() && self.sets.iter().all(|set| set.iter().filter(|id| has(**id)).count() * 2 > set.len())
    }

    /// Up to where a majority of each set has the log.
    pub(crate) fn shared(&self, has: impl Fn(Id) -> usize) -> usize {
        let of_one = |set: &BTreeSet<Id>| {
            let mut all: Vec<usize> = set.iter().map(|id| has(*id)).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            all[set.len() / 2]
        };
        self.sets.iter().map(of_one).min().unwrap_or(0)
    }

    pub(crate) fn voters(&self) -> BTreeSet<Id> {
        self.sets.iter().flatten().copied().collect()
    }

    pub(crate) fn votes(&self, id: Id) -> bool {
        self.sets.iter().any(|set| set.contains(&id))
    }

    pub(crate) fn is_joint(&self) -> bool {
        self.sets.len() > 1
    }

    fn bridge_to(&self, goal: &BTreeSet<Id>) -> Self {
        let sets = match self.sets.last() {
            _ if self.sets.contains(goal) => vec![goal.clone()],
            Some(last) => vec![last.clone(), goal.clone()],
            None => vec![goal.clone()],
        };
        Self { sets, hosts: self.hosts.clone() }
    }

    /// Everybody but this one.
    pub(crate) fn others(&self, id: Id) -> Vec<Peer> {
        let others = self.hosts.iter().filter(|(other, _)| **other != id);
        others.map(|(id, host)| Peer { host: *host, id: *id }).collect()
    }
}

impl World {
    /// The leader brings the membership in step with the members, one change after the other.
    pub(crate) fn autopilot(&mut self, h: usize) {
        self.queue.push(self.now + 500, self.process_scope(h), crate::event::What::Autopilot);
        self.make_way(h);
        let host = &self.hosts[h];
        let Some(daemon) = host.daemon.as_ref().filter(|daemon| daemon.replica.is_ready()) else { return };
        let is_open = host.disk.changes.last().is_some_and(|(index, _)| *index > daemon.replica.commit);
        let members = host.disk.members();
        if is_open || daemon.state.identity.is_none() {
            return;
        }
        let seats = self.seats(h, daemon);
        if !seats.iter().any(|seat| seat.id == host.disk.id) {
            let heir = members.others(host.disk.id).into_iter().find(|peer| members.votes(peer.id));
            return if let Some(heir) = heir {
                self.offer(h, heir.host)
            };
        }
        if let Some(seat) = seats.iter().find(|seat| !members.hosts.contains_key(&seat.id)) {
            let at = self.names.iter().position(|name| name.as_str() == seat.name).expect("members have hosts");
            let mut next = (*members).clone();
            next.hosts.insert(seat.id, at);
            return self.change_members(h, next);
        }
        let wanted = voters(&seats);
        if (wanted != members.voters() || members.is_joint()) && is_safe(&seats, &wanted) {
            return self.change_members(h, members.bridge_to(&wanted));
        }
        let is_gone = |id: &Id| {
            !wanted.contains(id) && !seats.iter().any(|seat| seat.id == *id && !seat.lost) && !members.votes(*id)
        };
        let gone: Vec<Id> = members.hosts.keys().copied().filter(is_gone).collect();
        if !gone.is_empty() {
            let mut next = (*members).clone();
            next.hosts.retain(|id, _| !gone.contains(id));
            self.change_members(h, next);
        }
    }

    fn seats(&self, h: usize, daemon: &Daemon) -> Vec<Seat> {
        let host = &self.hosts[h];
        let members = host.disk.members();
        let known = |(id, at): (&Id, &usize)| {
            // Who has answered this leader nothing yet has none of the log, as far as it knows.
            let follower = daemon.replica.followers.get(id).filter(|follower| follower.matched > 0);
            let matched = follower.map(|follower| follower.matched as u64);
            let silent = follower.and_then(|follower| follower.heard).map(|at| Duration::from_millis(self.now - at));
            (*id, Replica { name: self.names[*at].to_string(), voter: members.votes(*id), matched, silent })
        };
        let known = members.hosts.iter().map(known).collect();
        seats(&daemon.state, &Replicas { me: host.disk.id, last: host.disk.log.len() as u64, known })
    }

    /// The votes as this one, which leads, is about to give them, by what it knows now.
    pub(crate) fn votes_to_come(&self, h: usize) -> Option<Members> {
        let daemon = self.hosts[h].daemon.as_ref().filter(|daemon| daemon.replica.is_ready())?;
        let seats = self.seats(h, daemon);
        let wanted = voters(&seats);
        is_safe(&seats, &wanted).then(|| self.hosts[h].disk.members().bridge_to(&wanted))
    }

    fn change_members(&mut self, h: usize, next: Members) {
        self.trace(|world| format!("{} changes the members to {:?} of {:?}", world.names[h], next.sets, next.hosts));
        self.counts.member_changes += 1;
        let goal = next.sets.last().cloned().filter(|_| next.is_joint());
        self.append_members(h, Rc::new(next));
        if let Some(daemon) = &mut self.hosts[h].daemon {
            daemon.replica.goal = goal;
        }
    }

    /// Two sets have agreed: the leader that began it goes on to the new one alone. Whoever has no vote any more rests.
    pub(crate) fn members_agreed(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let members = host.disk.members();
        let id = host.disk.id;
        let Some(daemon) = host.daemon.as_mut().filter(|daemon| daemon.replica.role == Role::Leader) else { return };
        let is_agreed = host.disk.changes.last().is_some_and(|(index, _)| *index <= daemon.replica.commit);
        if !is_agreed {
            return;
        }
        match daemon.replica.goal.take() {
            Some(goal) if members.is_joint() => self.change_members(h, members.bridge_to(&goal)),
            _ if !members.votes(id) => {
                let term = host.disk.term;
                self.resign(h, term);
            }
            _ => {}
        }
    }

    /// A message of Raft: nothing leaves a replica whose store was not taken.
    pub(crate) fn tell(&mut self, h: usize, to: Peer, message: Message) {
        let host = &self.hosts[h];
        if host.daemon.as_ref().is_some_and(|daemon| daemon.replica.open) {
            let ids = (host.disk.id, to.id);
            self.send_as(h, to.host, ids, message);
        }
    }
}
