//! What a store shows of itself before it takes part, and what its peers remember of it: the model of `raft::standing`,
//! whose own comparison is tested there.

use crate::event::{Message, What};
use crate::host::Life;
use crate::members::{Id, Members, Peer};
use crate::world::World;
use quorate_core::planted::{Mistake, planted};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Between two tries to show itself, until it takes part and after.
const SHOW_AGAIN: u64 = 150;
const SHOW_LATER: u64 = 2000;
/// Between two rounds of telling what was seen.
const TELL_EVERY: u64 = 500;

/// Who has left so many rounds of its leader unanswered may not take part yet.
const SILENT_ROUNDS: u64 = 6;

/// The members, and where in the log that stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roll {
    pub(crate) at: (u64, usize),
    pub(crate) members: Rc<Members>,
}

/// What a store shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    opened: u64,
    run: u64,
    /// The term, and whether its leader is known.
    vote: (u64, bool),
    last: (u64, usize),
}

/// The most that was seen of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    opened: u64,
    run: u64,
    vote: (u64, bool),
    acknowledged: Option<(u64, usize)>,
}

pub(crate) type AllSeen = BTreeMap<Id, Seen>;

impl Seen {
    fn refuses(&self, shown: &Shown) -> bool {
        let less = |(term, index): (u64, usize)| shown.last.1 < index || shown.last.0 < term;
        let is_copy =
            shown.opened < self.opened || (shown.opened == self.opened && self.run != 0 && shown.run != self.run);
        is_copy || shown.vote < self.vote || self.acknowledged.is_some_and(less)
    }

    pub(crate) fn note_vote(&mut self, vote: (u64, bool)) {
        self.vote = self.vote.max(vote);
    }

    fn note_acknowledged(&mut self, id: (u64, usize)) {
        if self.acknowledged.is_none_or(|known| known.1 < id.1) {
            self.acknowledged = Some(id);
        }
    }

    fn merge(&mut self, other: &Self) {
        if other.opened > self.opened {
            (self.opened, self.run) = (other.opened, other.run);
        }
        self.note_vote(other.vote);
        if let Some(id) = other.acknowledged {
            self.note_acknowledged(id);
        }
    }
}

impl World {
    fn shown(&self, h: usize) -> Shown {
        let disk = &self.hosts[h].disk;
        Shown { opened: disk.opened, run: self.hosts[h].processes, vote: (disk.term, disk.settled), last: disk.last() }
    }

    /// Shows its store to all that have not taken it yet.
    pub(crate) fn show(&mut self, h: usize) {
        let shown = self.shown(h);
        let host = &self.hosts[h];
        let Some(daemon) = &host.daemon else { return };
        let (id, open) = (host.disk.id, daemon.replica.open);
        let mut left = host.disk.members().others(id);
        left.extend(daemon.replica.told.members.others(id));
        left.sort_unstable_by_key(|peer| peer.id);
        left.dedup();
        left.retain(|peer| !daemon.replica.taken.contains(&peer.id));
        if !open && host.disk.members().agree(|other| other == id) {
            // It is the only one that votes: there is nobody to ask.
            self.take_part(h);
        }
        if open && left.is_empty() {
            return;
        }
        for peer in left {
            self.send_as(h, peer.host, (id, peer.id), Message::Show(shown));
        }
        let wait = if open { SHOW_LATER } else { SHOW_AGAIN };
        self.queue.push(self.now + wait, self.process_scope(h), What::Show);
    }

    fn take_part(&mut self, h: usize) {
        if let Some(daemon) = &mut self.hosts[h].daemon {
            daemon.replica.open = true;
        }
    }

    pub(crate) fn on_show(&mut self, h: usize, from: Peer, shown: Shown) {
        let is_replaced = self.is_replaced(h, from);
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        let seen = daemon.replica.seen.entry(from.id).or_default();
        let refused = (is_replaced || seen.refuses(&shown)) && !planted(Mistake::TakeAnyStore);
        if !refused {
            (seen.opened, seen.run) = (shown.opened, shown.run);
            seen.note_vote(shown.vote);
        }
        host.disk.seen = daemon.replica.seen.clone();
        let id = host.disk.id;
        self.send_as(h, from.host, (id, from.id), Message::ShownTo { shown, refused });
    }

    pub(crate) fn on_shown(&mut self, h: usize, from: Peer, shown: Shown, refused: bool) {
        let now = self.shown(h);
        let host = &mut self.hosts[h];
        let open = host.daemon.as_ref().is_some_and(|daemon| daemon.replica.open);
        // What it has voted or taken in since may have come there first: it shows itself again.
        let is_old_news = refused && open && now != shown && !planted(Mistake::HeedOldNews);
        if shown.run != now.run || is_old_news {
            return;
        }
        if refused {
            if !self.lost_stores.contains(&host.disk.id) {
                self.fail(
                    "rolled back",
                    format!("the store of {} is refused, and nothing of it was lost", self.names[h]),
                );
            }
            self.trace(|world| format!("{} refuses the store of {}", world.names[from.host], world.names[h]));
            return self.lose_store(h);
        }
        let (id, members) = (host.disk.id, host.disk.members());
        let Some(daemon) = &mut host.daemon else { return };
        daemon.replica.taken.insert(from.id);
        let has = |member: Id| member == id || daemon.replica.taken.contains(&member);
        if members.agree(has) || daemon.replica.told.members.agree(has) {
            daemon.replica.open = true;
        }
    }

    /// Tells who the members are: a leader those that do not answer it, anybody all others while there is no leader.
    fn call_roll(&mut self, h: usize) {
        let host = &self.hosts[h];
        let Some(replica) = host.daemon.as_ref().map(|daemon| &daemon.replica).filter(|replica| replica.open) else {
            return;
        };
        let lags = |peer: &Peer| {
            let answered = replica.followers.get(&peer.id).map_or(0, |follower| follower.round);
            answered + SILENT_ROUNDS < replica.round
        };
        let is_to_know = |peer: &Peer| if replica.is_ready() { lags(peer) } else { replica.leader.is_none() };
        let roll = host.disk.roll();
        let others: Vec<Peer> = roll.members.others(host.disk.id).into_iter().filter(is_to_know).collect();
        for peer in others {
            self.tell(h, peer, Message::Roll(roll.clone()));
        }
    }

    pub(crate) fn on_roll(&mut self, h: usize, roll: Roll) {
        let host = &mut self.hosts[h];
        let (id, own) = (host.disk.id, host.disk.roll().at);
        let Some(daemon) = &mut host.daemon else { return };
        let told = &mut daemon.replica.told;
        if !daemon.replica.open && roll.members.hosts.contains_key(&id) && roll.at > own && roll.at > told.at {
            *told = roll;
        }
    }

    /// The leader notes how far everybody is, and tells all; everybody keeps what it was told.
    pub(crate) fn tell_seen(&mut self, h: usize) {
        self.queue.push(self.now + TELL_EVERY, self.process_scope(h), What::TellSeen);
        self.call_roll(h);
        let host = &mut self.hosts[h];
        let (id, members) = (host.disk.id, host.disk.members());
        let Some(daemon) = &mut host.daemon else { return };
        let replica = &mut daemon.replica;
        let leads = replica.is_ready();
        if leads {
            let vote = (host.disk.term, true);
            let at = |index: usize| (host.disk.term_at(index), index);
            let mut note = |id: Id, matched: usize| {
                let seen = replica.seen.entry(id).or_default();
                seen.note_vote(vote);
                seen.note_acknowledged(at(matched.min(replica.applied)));
            };
            let far = replica.followers.iter().filter(|(_, follower)| follower.matched > 0);
            far.for_each(|(id, follower)| note(*id, follower.matched));
            note(id, replica.applied);
            replica.seen.retain(|id, _| members.hosts.contains_key(id));
        }
        let is_new = host.disk.seen != replica.seen;
        if is_new {
            host.disk.seen = replica.seen.clone();
        }
        if leads && (is_new || replica.round.is_multiple_of(8)) {
            let seen = Rc::new(replica.seen.clone());
            for peer in members.others(id) {
                self.tell(h, peer, Message::Seen(seen.clone()));
            }
        }
    }

    pub(crate) fn on_seen(&mut self, h: usize, seen: &AllSeen) {
        let Some(daemon) = &mut self.hosts[h].daemon else { return };
        for (id, seen) in seen {
            daemon.replica.seen.entry(*id).or_default().merge(seen);
        }
    }

    /// Whether so many of the others have seen more of this store than the copy holds that no majority takes it, of the
    /// members as any log has them.
    pub(crate) fn would_be_refused(&self, h: usize, copy: &crate::replica::Disk) -> bool {
        let shown = Shown {
            opened: copy.opened + 1,
            run: self.hosts[h].processes + 1,
            vote: (copy.term, copy.settled),
            last: copy.last(),
        };
        let logs = self.hosts.iter().filter(|host| host.life == Life::Member).map(|host| host.disk.members());
        let mut rolls = logs.chain([self.members.clone(), copy.members()]);
        rolls.all(|members| {
            let takes = |id: Id| {
                let host = members.hosts.get(&id).map(|host| &self.hosts[*host]).filter(|host| host.disk.id == id);
                id == copy.id
                    || host.is_none_or(|host| !host.disk.seen.get(&copy.id).is_some_and(|seen| seen.refuses(&shown)))
            };
            !members.hosts.contains_key(&copy.id) || !members.agree(takes)
        })
    }
}
