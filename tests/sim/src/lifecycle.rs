//! Power, boots and daemon starts of hosts.

use crate::event::{Message, Request, Scope, What};
use crate::host::{Daemon, Life};
use crate::replica::Replica;
use crate::virt::Virt;
use crate::world::World;
use quorate_core::state::{ClusterState, Command, Entry, Proof, SessionState};
use quorate_core::time::Timestamp;
use quorate_node::engine::{Engine, Event, Me, Question};
use std::rc::Rc;

impl World {
    /// The power goes: everything that runs there ends at once, and what was not synced may be lost.
    pub(crate) fn lose_power(&mut self, h: usize) {
        self.kill_daemon(h);
        let host = &mut self.hosts[h];
        host.power = false;
        self.end_boot(h);
    }

    /// Kernel and guests are gone, whatever the reason.
    fn end_boot(&mut self, h: usize) {
        let (synced, len) = (self.hosts[h].disk.synced.max(self.hosts[h].disk.committed), self.hosts[h].disk.log.len());
        let kept = usize::try_from(self.dice.of(synced.min(len) as u64..=len as u64)).expect("a log is short");
        let host = &mut self.hosts[h];
        host.disk.truncate(kept);
        host.up = false;
        host.frozen = false;
        (host.going_down, host.said_goodbye) = (false, false);
        host.put_off.clear();
        let faults = Virt { bad_starts: host.virt.bad_starts, bad_stops: host.virt.bad_stops, ..Virt::default() };
        host.virt = faults;
        host.agents.end_boot();
        host.dog.iter_mut().for_each(crate::dogs::Dog::end_boot);
    }

    /// Somebody goes and switches it on, sooner or later.
    pub(crate) fn plan_power_on(&mut self, h: usize) {
        if self.dice.chance(800) {
            let wait = if self.dice.chance(500) { self.dice.of(500..=4000) } else { self.dice.of(4000..=25_000) };
            self.queue.push(self.now + wait, Scope::World, What::PowerOn(h));
        }
    }

    pub(crate) fn power_on(&mut self, h: usize) {
        if self.hosts[h].power {
            return;
        }
        self.hosts[h].power = true;
        self.hosts[h].bmc.unpowered = false;
        self.hosts[h].feeds.iter_mut().for_each(|feed| feed.is_off = false);
        self.trace(|world| format!("{} is switched on", world.names[h]));
        self.begin_boot(h);
    }

    /// The firmware runs: a new boot, a kernel in a moment.
    fn begin_boot(&mut self, h: usize) {
        let (clock, wait) = (self.dice.of(100..=5000), self.dice.of(600..=4000));
        let name = self.names[h].to_string();
        self.hosts[h].new_boot(&name, self.now, clock);
        let boot = self.hosts[h].boot;
        self.queue.push(self.now + wait, Scope::World, What::KernelUp(h, boot));
    }

    pub(crate) fn kernel_up(&mut self, h: usize, boot: u64) {
        if self.hosts[h].power && self.hosts[h].boot == boot {
            self.hosts[h].up = true;
            let wait = self.dice.of(50..=900);
            self.queue.push(self.now + wait, Scope::Boot(h, boot), What::DaemonStart(boot));
        }
    }

    /// The host went down by its own will, and comes up again; its power stays on.
    pub(crate) fn reboot(&mut self, h: usize) {
        self.trace(|world| format!("{} reboots", world.names[h]));
        self.counts.self_fences += 1;
        self.reset(h);
    }

    /// Whatever ran there is gone, and the firmware runs.
    pub(crate) fn reset(&mut self, h: usize) {
        self.kill_daemon(h);
        self.end_boot(h);
        self.begin_boot(h);
    }

    /// The host is to go down: its daemon has what runs there moved away or stopped first, for as long as it is let.
    pub(crate) fn begin_shutdown(&mut self, h: usize) {
        let (session, node) = (self.hosts[h].session.clone(), self.names[h].clone());
        if self.hosts[h].daemon.is_none() || self.hosts[h].frozen || self.hosts[h].going_down {
            return;
        }
        self.counts.shutdowns += 1;
        self.hosts[h].going_down = true;
        let command = Command::Leave { actor: "the host's shutdown".to_owned(), node, session };
        self.propose_entry(h, Request::Errand, Entry { at: Timestamp(0), request: None, command });
        let (boot, patience) = (self.hosts[h].boot, self.dice.of(2000..=15_000));
        self.queue.push(self.now + patience, Scope::Boot(h, boot), What::HostDown);
    }

    /// Its own goodbye stands, as its own daemon knows: the host need not wait any longer.
    pub(crate) fn look_for_goodbye(&mut self, h: usize) {
        let host = &self.hosts[h];
        let Some(daemon) = host.daemon.as_ref().filter(|_| host.going_down && !host.said_goodbye) else { return };
        let session = daemon.state.nodes.get(&self.names[h]).and_then(|node| node.session.as_ref());
        let is_over = session.is_some_and(|session| {
            session.id == host.session && matches!(session.state, SessionState::Ended(Proof::Goodbye { .. }))
        });
        if is_over {
            self.counts.goodbyes += 1;
            self.hosts[h].said_goodbye = true;
            let (boot, wait) = (self.hosts[h].boot, self.dice.of(50..=2000));
            self.queue.push(self.now + wait, Scope::Boot(h, boot), What::HostDown);
        }
    }

    /// It goes down, with whatever is left there; and is switched on again, or boots.
    pub(crate) fn host_down(&mut self, h: usize) {
        self.trace(|world| format!("{} goes down", world.names[h]));
        self.kill_daemon(h);
        self.end_boot(h);
        if self.dice.chance(500) {
            return self.begin_boot(h);
        }
        self.hosts[h].power = false;
        self.plan_power_on(h);
    }

    /// `kill -9`, or anything else that ends the process: the VMs and the actions stay.
    pub(crate) fn kill_daemon(&mut self, h: usize) {
        if self.hosts[h].daemon.take().is_some() {
            self.hosts[h].daemon_ended = self.now;
            self.hosts[h].dog.iter_mut().for_each(crate::dogs::Dog::unsure);
            self.people_lost(h);
        }
    }

    pub(crate) fn daemon_start(&mut self, h: usize, boot: u64) {
        if !self.hosts[h].up || self.hosts[h].boot != boot || self.hosts[h].daemon.is_some() {
            return;
        }
        if self.hosts[h].life != Life::Member {
            return self.queue.push(self.now + 100, Scope::Boot(h, boot), What::Return);
        }
        let now = self.now;
        let first = self.dice.of(200..=350);
        let name = self.names[h].clone();
        let host = &mut self.hosts[h];
        host.processes += 1;
        let process = host.processes;
        let me = Me {
            node: name,
            hardware: host.hardware.clone(),
            session: host.session.clone(),
            release: quorate_core::state::Release::this(),
        };
        let engine = Engine::new(me, host.clock(now));
        host.disk.opened += 1;
        let snapshot = host.disk.snapshot.clone();
        let mut replica = Replica::new(now + first);
        replica.seen = host.disk.seen.clone();
        let whole = snapshot.as_ref().map_or(0, |snapshot| snapshot.index());
        (replica.commit, replica.applied) = (whole, whole);
        host.daemon = Some(Daemon {
            process,
            engine,
            state: snapshot.map_or_else(ClusterState::default, |snapshot| snapshot.state().clone()),
            replica,
            requests: std::collections::BTreeMap::new(),
            beats: std::collections::BTreeMap::new(),
            voters: std::collections::BTreeSet::new(),
            voters_of: Rc::default(),
            voters_by: Default::default(),
        });
        host.disk.synced = host.disk.log.len();
        let committed = host.disk.committed;
        self.counts.daemon_starts += 1;
        self.trace(|world| format!("the daemon of {} starts (process {process})", world.names[h]));
        let scope = Scope::Process(h, process);
        let tick = self.dice.of(1..=100);
        self.queue.push(now + tick, scope, What::Tick);
        self.queue.push(now + first, scope, What::Election);
        self.queue.push(now + 1, scope, What::Show);
        self.queue.push(now + 1, scope, What::Survey);
        let look = self.dice.of(1..=500);
        self.queue.push(now + look, scope, What::TellSeen);
        self.queue.push(now + look, scope, What::Autopilot);
        self.find_feeder(h);
        let replay = self.dice.of(1..=60);
        self.queue.push(now + replay, scope, What::Replay);
        // At least the founding is known, so that it knows its members.
        let some = usize::try_from(self.dice.of(self.founded.min(committed) as u64..=committed as u64))
            .expect("a log is short");
        self.replay(h, some);
    }

    pub(crate) fn freeze(&mut self, h: usize) -> bool {
        let host = &mut self.hosts[h];
        let can = host.up && !host.frozen;
        if can {
            self.dog_stalls(h);
            self.hosts[h].frozen = true;
            self.trace(|world| format!("{} freezes", world.names[h]));
        }
        can
    }

    /// What waited happens now: messages first, or timers first, as chance has it.
    pub(crate) fn thaw(&mut self, h: usize) {
        if !self.hosts[h].frozen {
            return;
        }
        self.trace(|world| format!("{} moves again", world.names[h]));
        self.hosts[h].frozen = false;
        self.dog_moves(h);
        let mut waiting = std::mem::take(&mut self.hosts[h].put_off);
        let is_message = |what: &What| matches!(what, What::Deliver { .. });
        if self.dice.chance(500) {
            waiting.sort_by_key(|planned| is_message(&planned.what));
        } else {
            waiting.sort_by_key(|planned| !is_message(&planned.what));
        }
        let mut at = self.now;
        for planned in waiting {
            at += self.dice.of(0..=1);
            self.queue.push(at, planned.scope, planned.what);
        }
    }

    /// The engine's timer; it comes late on a host that stood still.
    pub(crate) fn tick(&mut self, h: usize) {
        self.queue.push(self.now + 100, self.process_scope(h), What::Tick);
        self.step(h, Event::Tick);
    }

    pub(crate) fn poll(&mut self, h: usize, target: usize, question: Question) {
        let asked = self.hosts[h].clock(self.now);
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return };
        let sent = self.now;
        if !self.try_send(h, target, Message::Poll { process, asked, sent, question }) {
            self.poll_lost(h, process, target, asked, sent);
        }
    }

    pub(crate) fn poll_lost(
        &mut self,
        h: usize,
        process: u64,
        target: usize,
        asked: quorate_core::time::BootTime,
        sent: u64,
    ) {
        let at = (sent + 500).max(self.now);
        self.queue.push(at, Scope::Process(h, process), What::PollTimeout { target, asked, refused: false });
    }
}
