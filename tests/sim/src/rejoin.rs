//! Members that come and go: stores that are lost or too old and rejoin under a new raft id, members that are removed
//! and join again; and the door at which whoever is no member is turned away.

use crate::event::{Message, Request, Scope, What};
use crate::faults::Undo;
use crate::host::Life;
use crate::members::{Id, Peer};
use crate::people::Wish;
use crate::replica::Disk;
use crate::snapshot::Keeping;
use crate::world::World;
use quorate_core::id::{RaftId, StoreId};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{ClusterState, Command, Entry, Intent, Member};
use quorate_core::time::Timestamp;
use quorate_node::engine::Event;
use quorate_node::seats::needed;
use std::rc::Rc;

/// Of so many new stores in a thousand an empty copy is put back later.
const COPIED: u64 = 150;

/// removal: whether this data directory is one that is never let in again.
fn is_removed(state: &ClusterState, store: &StoreId) -> bool {
    state.removed.values().any(|old| old.store == *store)
}

impl World {
    /// What this run is like, of what is not so in every one.
    pub(crate) fn taste(&mut self) {
        if self.dice.chance(200) && self.hosts.len() < 5 {
            let last = self.hosts.len() - 1;
            self.hosts[last].witness = true;
        }
        if self.dice.chance(400) {
            let every = self.dice.index(120) + 30;
            self.keeping = Keeping { every, keep: self.dice.index(30) };
        }
    }

    /// Who asks is a member, as far as this one knows, and asks the replica that is here.
    pub(crate) fn is_let_in(&mut self, h: usize, from: Peer, to: Id, message: &Message) -> bool {
        let Some(daemon) = &self.hosts[h].daemon else { return false };
        let is_meant = to == 0 || to == self.hosts[h].disk.id;
        // An answer comes by the call that it answers.
        if message.is_answer() {
            return is_meant;
        }
        let id = RaftId(from.id);
        let is_member = daemon.state.members.values().any(|member| member.raft_id == id);
        // Whoever is newer than what this member knows shows a certificate for its id.
        let is_known = from.id == 0 || is_member || id >= daemon.state.next_raft_id || daemon.state.identity.is_none();
        let is_replaced = !is_known && self.is_replaced(h, from);
        if is_meant && (is_known || (is_replaced && matches!(message, Message::Show(_)))) {
            return true;
        }
        if let Message::Poll { process, asked, sent, .. } = message {
            if is_meant && !is_known && !is_replaced {
                self.send(h, from.host, Message::CastOut { process: *process });
            } else {
                self.poll_lost(from.host, *process, h, *asked, *sent);
            }
        }
        false
    }

    /// A member has another store in place of this one.
    pub(crate) fn is_replaced(&self, h: usize, from: Peer) -> bool {
        let Some(daemon) = &self.hosts[h].daemon else { return false };
        let state = &daemon.state;
        let (id, key) = (RaftId(from.id), self.member(from.host).fingerprint);
        let is_other = |member: &Member| member.fingerprint == key && member.raft_id != id;
        id < state.next_raft_id && !state.removed.contains_key(&id) && state.members.values().any(is_other)
    }

    pub(crate) fn on_cast_out(&mut self, h: usize, from: usize, process: u64) {
        if self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.process == process) {
            let why = format!("{} says that this member was removed", self.names[from]);
            self.step(h, Event::CastOut(why));
        }
    }

    /// removal: what it still has is killed.
    pub(crate) fn abandon(&mut self, h: usize) {
        let virt = &mut self.hosts[h].virt;
        virt.domains.clear();
        virt.promoted.clear();
        virt.flows.clear();
        self.hosts[h].agents.services.clear();
    }

    /// Whether everything that is committed is still known when this store is gone as well.
    pub(crate) fn may_lose_store(&self, h: usize) -> bool {
        let own = self.hosts[h].disk.id;
        let is_member = |id: Id| self.oracle.state.members.values().any(|member| member.raft_id == RaftId(id));
        // removal: it is not called back, and whoever is removed is not let in any more.
        let goes = |id: Id| self.members_on_their_way_out().any(|member| member.raft_id == RaftId(id));
        let is_good = |id: Id| id != own && is_member(id) && !goes(id) && !self.lost_stores.contains(&id);
        let views = self.hosts.iter().filter(|host| host.life == Life::Member).map(|host| host.disk.members());
        // A vote may be on its way to it, while nobody knows yet that it is gone.
        let to_come = (0..self.hosts.len()).filter_map(|h| self.votes_to_come(h)).map(Rc::new);
        let mut views =
            views.chain([self.members.clone()]).chain(to_come).filter(|members| members.hosts.contains_key(&own));
        self.hosts[h].life == Life::Member && views.all(|members| members.agree(is_good))
    }

    /// Members whose removal somebody waits for, or some log has: it may be committed at any time.
    fn members_on_their_way_out(&self) -> impl Iterator<Item = &Member> {
        let done = self.oracle.log.len();
        let open = self.hosts.iter().flat_map(move |host| host.disk.log.iter().skip(done));
        let written = open.filter_map(|slot| match &slot.entry.as_ref()?.command {
            Command::Remove { node, .. } => Some(node),
            _ => None,
        });
        let nodes = written.chain(self.removals_asked());
        nodes.filter_map(|node| self.oracle.state.members.get(node))
    }

    /// The store is gone, or not to be used: the daemon sets it aside and asks to rejoin.
    pub(crate) fn lose_store(&mut self, h: usize) {
        let id = self.hosts[h].disk.id;
        self.trace(|world| format!("the store of {} is lost (member {id})", world.names[h]));
        self.counts.lost_stores += 1;
        self.lost_stores.insert(id);
        self.kill_daemon(h);
        let host = &mut self.hosts[h];
        host.disk = Disk::new(id);
        if !planted(Mistake::KeepRaftId) {
            host.life = Life::Rejoining(id);
            host.stores += 1;
        }
        let (boot, wait) = (self.hosts[h].boot, self.dice.of(100..=1500));
        self.queue.push(self.now + wait, Scope::Boot(h, boot), What::DaemonStart(boot));
    }

    /// Somebody took a copy of the disk a while ago, and puts it back now.
    pub(crate) fn roll_back(&mut self, h: usize) {
        let Some(copy) = self.hosts[h].copy.take() else { return };
        let host = &self.hosts[h];
        // Of what nobody has seen more, nobody can say that it is older.
        let fits = copy.id == host.disk.id && host.life == Life::Member && self.would_be_refused(h, &copy);
        if !fits || !self.may_lose_store(h) {
            return;
        }
        let id = copy.id;
        self.trace(|world| format!("an older copy of its disk is put back on {} (member {id})", world.names[h]));
        self.lost_stores.insert(id);
        self.kill_daemon(h);
        self.hosts[h].disk = *copy;
        let (boot, wait) = (self.hosts[h].boot, self.dice.of(20..=1500));
        self.queue.push(self.now + wait, Scope::Boot(h, boot), What::DaemonStart(boot));
    }

    /// A host without a store asks any member, again and again, until the log has its new raft id.
    pub(crate) fn return_to_cluster(&mut self, h: usize) {
        let boot = self.hosts[h].boot;
        let life = self.hosts[h].life;
        if life == Life::Member || self.hosts[h].daemon.is_some() {
            return;
        }
        let wait = self.dice.of(200..=1000);
        self.queue.push(self.now + wait, Scope::Boot(h, boot), What::Return);
        let able = |other: &usize| {
            *other != h
                && self.hosts[*other].daemon.is_some()
                && !self.hosts[*other].frozen
                && self.network.is_whole(h, *other)
        };
        let able: Vec<usize> = (0..self.hosts.len()).filter(able).collect();
        if able.is_empty() {
            return;
        }
        let by = *self.dice.pick(&able);
        let (node, store) = (self.names[h].clone(), self.store_id(h));
        let token = format!("token-{h}-{}", self.hosts[h].keys);
        let Some(state) = self.hosts[by].daemon.as_ref().map(|daemon| &daemon.state) else { return };
        if let Some(member) = state.members.get(&node).filter(|member| member.store == store) {
            let RaftId(id) = member.raft_id;
            return self.returned(h, id, life);
        }
        // removal: who was removed meanwhile is told so, and waits for a person.
        let is_refused = matches!(life, Life::Rejoining(_)) && !state.members.contains_key(&node);
        if (is_refused && state.identity.is_some()) || is_removed(state, &store) {
            return;
        }
        let command = match life {
            Life::Rejoining(old) => Command::Rejoin {
                node,
                hardware: self.hosts[h].hardware.clone(),
                old: RaftId(old),
                store,
                why: "it was lost".to_owned(),
            },
            _ if !state.tokens.contains_key(&token) => {
                Command::CreateToken { hash: token, expires: Timestamp(u64::MAX), actor: "somebody".to_owned() }
            }
            _ => Command::Join { token, member: Box::new(self.member(h)) },
        };
        self.propose_entry(by, Request::Errand, Entry { at: Timestamp(0), request: None, command });
    }

    fn returned(&mut self, h: usize, id: Id, life: Life) {
        self.trace(|world| format!("{} is member {id} from here on", world.names[h]));
        match life {
            Life::Joining => self.counts.joined += 1,
            _ => self.counts.rejoined += 1,
        }
        let host = &mut self.hosts[h];
        host.disk = Disk::new(id);
        host.life = Life::Member;
        host.copy = None;
        let boot = host.boot;
        if !self.faults.over && self.dice.chance(COPIED) {
            // Somebody took a copy before it held anything.
            self.hosts[h].copy = Some(Box::new(self.hosts[h].disk.clone()));
            self.later(1500..=12_000, Undo::Store(h));
        }
        self.daemon_start(h, boot);
    }

    /// A person drains a host and removes it from the cluster.
    pub(crate) fn begin_removal(&mut self, h: usize) {
        let is_away = |h: &usize| !self.oracle.state.members.contains_key(&self.names[*h]);
        let enough = self.oracle.state.members.len() > 2 && (0..self.hosts.len()).filter(is_away).count() == 0;
        if enough {
            self.wish(Wish::Intent(self.names[h].clone(), Intent::Drain));
            let wait = self.dice.of(500..=6000);
            self.queue.push(self.now + wait, Scope::World, What::Remove(h, 5));
        }
    }

    pub(crate) fn remove_member(&mut self, h: usize, tries: u32) {
        if self.is_calm() {
            return;
        }
        if !self.oracle.state.members.contains_key(&self.names[h]) {
            self.counts.removed += 1;
            if self.dice.chance(700) {
                let wait = self.dice.of(1000..=15_000);
                self.queue.push(self.now + wait, Scope::World, What::JoinAgain(h));
            }
            return;
        }
        if tries > 0 {
            self.ask_to_remove(h);
            let wait = self.dice.of(1500..=4000);
            return self.queue.push(self.now + wait, Scope::World, What::Remove(h, tries - 1));
        }
        self.wish(Wish::Intent(self.names[h].clone(), Intent::Active));
    }

    /// As `qrm cluster remove` does: not whoever leads, and nobody whose vote is needed.
    fn ask_to_remove(&mut self, h: usize) {
        let is_leader = |h: &usize| self.hosts[*h].daemon.as_ref().is_some_and(|daemon| daemon.replica.is_ready());
        let Some(leader) = (0..self.hosts.len()).find(is_leader) else { return };
        let members = self.hosts[leader].disk.members();
        if leader == h {
            let heir = members.others(self.hosts[h].disk.id).into_iter().find(|peer| members.votes(peer.id));
            return if let Some(heir) = heir {
                self.offer(h, heir.host)
            };
        }
        let named = |id: &Id| Some((*id, self.names[*members.hosts.get(id)?].to_string()));
        let voters = members.voters().iter().filter_map(named).collect();
        let node = &self.names[h];
        let Some(daemon) = &self.hosts[leader].daemon else { return };
        let good = |id: Id| !self.lost_stores.contains(&id) && members.hosts.get(&id) != Some(&h);
        if needed(&daemon.state, &voters, node).is_none() && members.agree(good) {
            self.wish(Wish::Remove(node.clone()));
        }
    }

    /// A person empties the disk of a removed host, and lets it join under the same name.
    pub(crate) fn join_again(&mut self, h: usize) {
        let is_out = !self.oracle.state.members.contains_key(&self.names[h]);
        let votes = self.members.hosts.iter().any(|(id, host)| *host == h && self.members.votes(*id));
        // It may have been removed again before it noticed that it had joined.
        let is_joining = self.hosts[h].life == Life::Joining && !is_removed(&self.oracle.state, &self.store_id(h));
        if !is_out || is_joining {
            return;
        }
        if votes
            || !self.hosts[h].up
            || !self.hosts[h].virt.domains.is_empty()
            || !self.hosts[h].agents.services.is_empty()
        {
            return self.queue.push(self.now + 3000, Scope::World, What::JoinAgain(h));
        }
        self.trace(|world| format!("{} is emptied, and joins again", world.names[h]));
        self.kill_daemon(h);
        let host = &mut self.hosts[h];
        self.lost_stores.insert(host.disk.id);
        host.disk = Disk::new(0);
        host.life = Life::Joining;
        (host.stores, host.keys) = (host.stores + 1, host.keys + 1);
        let boot = host.boot;
        self.queue.push(self.now + 300, Scope::Boot(h, boot), What::Return);
    }
}
