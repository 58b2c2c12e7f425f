//! Whole states: each member keeps one now and then and forgets the entries before it; who is behind that gets it whole.

use crate::event::Message;
use crate::members::Peer;
use crate::replica::Entries;
use crate::world::World;
use quorate_core::state::ClusterState;
use quorate_node::engine::Event;
use std::rc::Rc;

/// A state after this entry.
#[derive(Debug)]
pub(crate) struct Snapshot {
    index: usize,
    state: ClusterState,
}

/// How often a run keeps whole states, and how much of the log before them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keeping {
    /// After so many entries; never when zero.
    pub(crate) every: usize,
    pub(crate) keep: usize,
}

impl Snapshot {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn state(&self) -> &ClusterState {
        &self.state
    }
}

impl World {
    /// After enough entries, the state is kept whole, and what is long before it goes.
    pub(crate) fn take_snapshot(&mut self, h: usize) {
        let Keeping { every, keep } = self.keeping;
        let host = &mut self.hosts[h];
        let Some(daemon) = &host.daemon else { return };
        let last = host.disk.snapshot.as_ref().map_or(0, |snapshot| snapshot.index);
        let index = daemon.replica.applied;
        if every > 0 && index >= last + every {
            host.disk.snapshot = Some(Rc::new(Snapshot { index, state: daemon.state.clone() }));
            host.disk.purged = host.disk.purged.max(index.saturating_sub(keep));
        }
    }

    /// What this follower needs is gone here: it gets the state itself.
    pub(crate) fn send_snapshot(&mut self, h: usize, peer: Peer) {
        let host = &self.hosts[h];
        let (Some(daemon), Some(snapshot)) = (&host.daemon, &host.disk.snapshot) else { return };
        // What it covers is at hand here as well, and stands for what the receiver never asks for again.
        let covered = host.disk.log[..snapshot.index].to_vec();
        let (term, round) = (host.disk.term, daemon.replica.round);
        let message = Message::Snapshot { term, snapshot: snapshot.clone(), covered: Rc::new(covered), round };
        self.tell(h, peer, message);
    }

    pub(crate) fn on_snapshot(
        &mut self,
        h: usize,
        from: Peer,
        (term, round): (u64, u64),
        snapshot: &Rc<Snapshot>,
        covered: &Rc<Entries>,
    ) {
        let own = self.hosts[h].disk.term;
        if term < own {
            return self.tell(h, from, Message::Appended { term: own, fits: false, matched: 0, round });
        }
        self.follow(h, term, Some(from.host));
        let (index, names) = (snapshot.index, &self.names);
        let host = &mut self.hosts[h];
        let Some(daemon) = &mut host.daemon else { return };
        if index > daemon.replica.commit {
            let line = format!("{} takes over the whole state after entry {index}", names[h]);
            let is_its = host.disk.log.len() >= index && host.disk.term_at(index) == covered[index - 1].term;
            if !is_its {
                host.disk.truncate(0);
                covered.iter().for_each(|slot| host.disk.push(slot.clone()));
            }
            host.disk.snapshot = Some(snapshot.clone());
            host.disk.purged = index;
            host.disk.synced = host.disk.synced.max(index);
            host.disk.committed = host.disk.committed.max(index);
            (daemon.replica.commit, daemon.replica.applied) = (index, index);
            daemon.state = snapshot.state.clone();
            self.counts.snapshots += 1;
            self.trace(|_| line);
            self.compare_snapshot(h);
            self.step(h, Event::Applied);
            self.finish_reads(h);
        }
        self.tell(h, from, Message::Appended { term, fits: true, matched: index, round });
    }
}
