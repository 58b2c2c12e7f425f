//! Disks that run full: the model of `raft::replica::space`.
//!
//! Before the log cannot be written any more, leadership goes to a voter with room, and people's changes are refused where
//! nobody has any; on one that is brimming nothing is taken in at all. With room again everything goes on by itself.

use crate::event::Request;
use crate::members::Peer;
use crate::replica::Role;
use crate::world::World;

/// How much room is left under a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    #[default]
    Enough,
    /// People's changes find none.
    Full,
    /// Nothing does.
    Brimming,
}

impl Room {
    /// Whether a leader with this room refuses a request; `is_a_persons`: the engines' commands are taken for longer.
    pub(crate) fn refuses(self, is_a_persons: bool) -> bool {
        self == Self::Brimming || (self == Self::Full && is_a_persons)
    }
}

impl Request {
    pub(crate) fn is_a_persons(&self) -> bool {
        matches!(self, Self::Person(_) | Self::Errand)
    }
}

impl World {
    /// A leader without room looks for a voter that has some, and the longest log.
    pub(crate) fn make_way(&mut self, h: usize) {
        let host = &self.hosts[h];
        let Some(daemon) = host.daemon.as_ref().filter(|daemon| daemon.replica.role == Role::Leader) else { return };
        if host.room == Room::Enough {
            return;
        }
        let members = host.disk.members();
        let matched = |peer: &Peer| daemon.replica.followers.get(&peer.id).map_or(0, |follower| follower.matched);
        let fits = |peer: &Peer| members.votes(peer.id) && self.hosts[peer.host].room == Room::Enough;
        let heir = members.others(host.disk.id).into_iter().filter(fits).max_by_key(matched);
        if let Some(heir) = heir {
            self.counts.made_way += 1;
            self.trace(|world| {
                format!("{} has no room, and offers leadership to {}", world.names[h], world.names[heir.host])
            });
            self.offer(h, heir.host);
        }
    }
}
