//! The world: everything that exists, and what happens next.

use crate::bmc::PowerCall;
use crate::checkers::Oracle;
use crate::clones::Clones;
use crate::dice::Dice;
use crate::dogs::Kennel;
use crate::drills::Wiring;
use crate::event::{Message, Planned, Queue, Scope, What};
use crate::faults::Faults;
use crate::healthy::Health;
use crate::host::Host;
use crate::members::{Id, Members, Peer};
use crate::network::Network;
use crate::notices::Hearing;
use crate::people::People;
use crate::pills::Pills;
use crate::report::{Counts, Failure};
use crate::services::Agency;
use crate::snapshot::Keeping;
use quorate_core::id::NodeId;
use quorate_core::time::Timestamp;
use quorate_node::engine::{Effect, Event, View};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Wall-clock time when a run begins.
const WALL_START: u64 = 1_700_000_000_000;

/// Everything.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) queue: Queue,
    pub(crate) dice: Dice,
    pub(crate) names: Vec<NodeId>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network,
    pub(crate) powers: BTreeMap<u64, PowerCall>,
    pub(crate) oracle: Oracle,
    pub(crate) health: Health,
    pub(crate) people: People,
    pub(crate) agency: Agency,
    pub(crate) clones: Clones,
    pub(crate) hearing: Hearing,
    pub(crate) kennel: Kennel,
    pub(crate) wiring: Wiring,
    pub(crate) pills: Pills,
    pub(crate) faults: Faults,
    pub(crate) keeping: Keeping,
    /// Who votes, by the last committed word.
    pub(crate) members: Rc<Members>,
    /// Raft ids whose stores are lost.
    pub(crate) lost_stores: BTreeSet<Id>,
    pub(crate) counts: Counts,
    pub(crate) failure: Option<Failure>,
    /// Log entries that every member has from the beginning.
    pub(crate) founded: usize,
    pub(crate) fingerprint: u64,
    pub(crate) lines: Option<Vec<String>>,
    last_id: u64,
}

impl World {
    pub(crate) fn new(seed: u64, mut dice: Dice, hosts: usize, tracing: bool) -> Self {
        let names: Vec<NodeId> = (1..=hosts).map(|number| NodeId::new(format!("n{number}"))).collect();
        let faults = Faults::draw(seed, &mut dice);
        let mut all: Vec<Host> = (1..).zip(&names).map(|(id, name)| Host::new(name.as_str(), id)).collect();
        let kennel = Kennel::draw(seed, &mut all);
        Self {
            now: 1000,
            queue: Queue::default(),
            hosts: all,
            kennel,
            pills: Pills::draw(seed, hosts),
            network: Network::new(hosts),
            powers: BTreeMap::new(),
            oracle: Oracle::default(),
            health: Health::new(hosts),
            people: People::default(),
            agency: Agency::draw(seed),
            clones: Clones::draw(seed),
            hearing: Hearing::draw(seed),
            wiring: Wiring::draw(seed),
            faults,
            keeping: Keeping::default(),
            members: Rc::default(),
            lost_stores: BTreeSet::new(),
            counts: Counts::default(),
            failure: None,
            founded: 0,
            fingerprint: 0xcbf2_9ce4_8422_2325,
            lines: tracing.then(Vec::new),
            last_id: 0,
            names,
            dice,
        }
    }

    /// A number that was not used yet.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn wall_clock(&self, h: usize) -> Timestamp {
        Timestamp(WALL_START + self.now + self.hosts[h].skew)
    }

    /// Writes a line of the trace; it costs nothing when nobody reads it.
    pub(crate) fn trace(&mut self, line: impl FnOnce(&Self) -> String) {
        if let Some(mut lines) = self.lines.take() {
            lines.push(format!("{:>8} {}", self.now - 1000, line(self)));
            self.lines = Some(lines);
        }
    }

    /// The first promise that was broken ends the run.
    pub(crate) fn fail(&mut self, rule: &'static str, what: String) {
        if self.failure.is_none() {
            self.trace(|_| format!("BROKEN {rule}: {what}"));
            self.failure = Some(Failure { rule, what, at: self.now - 1000 });
        }
    }

    /// Lets everything happen until this moment, or until something is broken.
    pub(crate) fn run_until(&mut self, end: u64) {
        while self.failure.is_none() {
            let Some(planned) = self.queue.pop() else { break };
            if planned.at > end {
                self.queue.push(planned.at, planned.scope, planned.what);
                break;
            }
            self.now = self.now.max(planned.at);
            self.happen(planned);
        }
        self.now = self.now.max(end);
    }

    fn happen(&mut self, planned: Planned) {
        let host = match planned.scope {
            Scope::World => None,
            Scope::Host(h) => Some(h),
            Scope::Boot(h, boot) if self.hosts[h].boot == boot && self.hosts[h].up => Some(h),
            Scope::Process(h, process)
                if self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.process == process) =>
            {
                Some(h)
            }
            Scope::Boot(..) | Scope::Process(..) => return,
        };
        if let Some(h) = host.filter(|h| self.hosts[*h].frozen) {
            return self.hosts[h].put_off.push(planned);
        }
        self.counts.events += 1;
        self.fingerprint = mix(self.fingerprint, self.now * 16 + host.map_or(15, |h| h as u64));
        match (host, planned.what) {
            (None, what) => self.happen_outside(what),
            (Some(h), What::Deliver { from, ids, message }) => self.deliver(h, from, ids, message),
            (Some(h), what) => self.happen_on(h, what),
        }
    }

    fn happen_outside(&mut self, what: What) {
        match what {
            What::PowerTaken(id) => self.power_taken(id),
            What::PowerDrop { host, boot } => self.power_drop(host, boot),
            What::LateDrop(h) => self.late_drop(h),
            What::PowerOn(h) => self.power_on(h),
            What::KernelUp(h, boot) => self.kernel_up(h, boot),
            What::PillLands { disk, target, mail } => self.pill_lands(disk, target, mail),
            What::PillTaken(target) => self.pill_taken(target),
            What::LostDisks => self.lose_disks(),
            What::WantSlots => self.want_slots(),
            What::LongCut => self.cut_for_long(),
            What::DogLooks(h, boot) => self.dog_looks(h, boot),
            What::Pulse => self.pulse(),
            What::Fault => self.next_fault(),
            What::Undo(undo) => self.undo(undo),
            What::Person => self.next_wish(),
            What::AgentFault => self.agent_fault(),
            What::AgentsWell(h) => self.agents_well(h),
            What::Clone => self.clone_or_not(),
            What::Wire => self.rewire(),
            What::Remove(h, tries) => self.remove_member(h, tries),
            What::JoinAgain(h) => self.join_again(h),
            What::Restart(vm) => self.start_again(vm),
            What::PersonRetry(wish) => self.ask_again(wish),
            other => unreachable!("{other:?} happens on a host"),
        }
    }

    fn happen_on(&mut self, h: usize, what: What) {
        match what {
            What::Tick => self.tick(h),
            What::Election => self.election(h),
            What::Heartbeat { term } => self.heartbeat(h, term),
            What::Synced { upto, term, ack } => self.synced(h, upto, term, ack),
            What::Bring { tag, command, made } => self.bring(h, tag, *command, made),
            What::RequestTimeout(number) => self.request_timeout(h, number),
            What::HostDown => self.host_down(h),
            What::Show => self.show(h),
            What::TellSeen => self.tell_seen(h),
            What::Autopilot => self.autopilot(h),
            What::Return => self.return_to_cluster(h),
            What::Abandon => self.abandon(h),
            What::Replay => self.replay(h, self.hosts[h].disk.committed),
            What::PollTimeout { target, asked, refused } => {
                let node = self.names[target].clone();
                self.step(h, Event::NotHeard { node, asked, refused });
            }
            What::CallEffect(id) => self.call_effect(h, id),
            What::CallReturn(id) => self.call_return(h, id),
            What::Flow { resource, id } => self.flow(h, &resource, id),
            What::CallTimeout(id) => self.call_timeout(h, id),
            What::Inventory { process, known, give_up } => self.inventory(h, process, known, give_up),
            What::Survey => self.survey(h),
            What::Surveyed { present, pause } => self.surveyed(h, present, pause),
            What::PowerSend(id) => self.power_send(h, id),
            What::PowerAnswer(id, answer) => self.power_answer(h, id, answer),
            What::DaemonStart(boot) => self.daemon_start(h, boot),
            What::Ambush { kill } => self.spring(h, kill),
            What::Reboot => self.reboot(h),
            What::Feeder => self.feeder_says(h),
            What::Pill(call) => self.pill_reaches(h, &call),
            What::PillAnswer(tag, answer) => self.pill_answered(h, tag, answer),
            What::FeedDog => self.feed_dog(h),
            What::StopDaemon => self.step(h, Event::Stopping),
            What::NoRound(tag) => self.step(h, Event::Read(tag, false)),
            What::Agent(id, step) => self.agent_steps(h, id, step),
            What::Told(tag, told) => self.told(h, tag, *told),
            What::Changed(resource) => self.step(h, Event::Changed(resource)),
            other => unreachable!("{other:?} does not happen on a host"),
        }
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, message: Message) {
        let _ = self.try_send(from, to, message);
    }

    /// Whether the message is on its way.
    pub(crate) fn try_send(&mut self, from: usize, to: usize, message: Message) -> bool {
        self.send_as(from, to, (self.hosts[from].disk.id, 0), message)
    }

    /// Sends as one replica to another, or to whichever is there.
    pub(crate) fn send_as(&mut self, from: usize, to: usize, ids: (Id, Id), message: Message) -> bool {
        let way = self.network.way(from, to, &mut self.dice);
        if let Some(way) = way {
            self.queue.push(self.now + way, Scope::Host(to), What::Deliver { from, ids, message });
        }
        way.is_some()
    }

    fn deliver(&mut self, h: usize, from: usize, ids: (Id, Id), message: Message) {
        if self.hosts[h].daemon.is_none() {
            if let Message::Poll { process, asked, sent, .. } = message {
                self.unanswered_poll(h, from, (process, asked, sent));
            }
            return;
        }
        let sender = Peer { host: from, id: ids.0 };
        if !self.is_let_in(h, sender, ids.1, &message) {
            return;
        }
        match message {
            Message::Show(shown) => self.on_show(h, sender, shown),
            Message::ShownTo { shown, refused } => self.on_shown(h, sender, shown, refused),
            Message::Seen(seen) => self.on_seen(h, &seen),
            Message::Roll(roll) => self.on_roll(h, roll),
            Message::CastOut { process } => self.on_cast_out(h, from, process),
            raft => self.deliver_to_replica(h, sender, raft),
        }
    }

    fn deliver_to_replica(&mut self, h: usize, sender: Peer, message: Message) {
        let from = sender.host;
        let is_open = self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.replica.open);
        match message {
            Message::PreVote { .. }
            | Message::PreVoteGiven { .. }
            | Message::Vote { .. }
            | Message::Stand { .. }
            | Message::VoteGiven { .. }
            | Message::HigherTerm { .. }
            | Message::Append { .. }
            | Message::Appended { .. }
            | Message::Snapshot { .. }
                if !is_open => {}
            Message::Snapshot { term, snapshot, covered, round } => {
                self.on_snapshot(h, sender, (term, round), &snapshot, &covered);
            }
            Message::PreVote { term, last } => self.on_pre_vote(h, sender, term, last),
            Message::PreVoteGiven { term } => self.on_pre_vote_given(h, sender, term),
            Message::Vote { term, last, transfer } => self.on_vote(h, sender, term, last, transfer),
            Message::Stand { term } => self.on_stand(h, term),
            Message::VoteGiven { term } => self.on_vote_given(h, sender, term),
            Message::HigherTerm { term } => self.on_higher_term(h, term),
            append @ Message::Append { .. } => self.on_append(h, sender, append),
            Message::Appended { term, fits, matched, round } => {
                self.on_appended(h, sender, (term, fits, matched, round))
            }
            Message::Forward { ticket, is_a_persons, entry } => {
                self.on_forward(h, from, (ticket, is_a_persons), *entry)
            }
            Message::Forwarded { ticket, answer } => self.on_forwarded(h, ticket, answer),
            Message::ReadIndex { ticket } => self.on_read_index(h, from, ticket),
            Message::ReadIndexed { ticket, index } => self.on_read_indexed(h, ticket, index),
            Message::Poll { process, asked, sent, question } => {
                let now = self.hosts[h].clock(self.now);
                let Some(daemon) = &self.hosts[h].daemon else { return };
                let presence = Box::new(daemon.engine.presence(now, &question));
                if !self.try_send(h, from, Message::PollAnswer { process, asked, presence }) {
                    self.poll_lost(from, process, h, asked, sent);
                }
            }
            Message::PollAnswer { process, asked, presence } => {
                if self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.process == process) {
                    self.step(h, Event::Heard { asked, presence: *presence });
                }
            }
            Message::Beat { process, asked, session } => self.on_beat(h, from, (process, asked), session),
            Message::BeatAnswer { process, asked } => self.on_beat_answer(h, process, asked),
            other => unreachable!("{other:?} is no message to a replica"),
        }
    }

    /// A kernel without a daemon refuses the connection; nothing at all says nothing.
    fn unanswered_poll(
        &mut self,
        h: usize,
        from: usize,
        (process, asked, sent): (u64, quorate_core::time::BootTime, u64),
    ) {
        let way = self.network.way(h, from, &mut self.dice).filter(|_| self.hosts[h].up);
        match way {
            Some(way) => {
                let what = What::PollTimeout { target: h, asked, refused: true };
                self.queue.push(self.now + way, Scope::Process(from, process), what);
            }
            None => self.poll_lost(from, process, h, asked, sent),
        }
    }

    /// The engine takes an event, and what it wants is begun.
    pub(crate) fn step(&mut self, h: usize, event: Event) {
        let wall = self.wall_clock(h);
        let Self { hosts, names, now, .. } = self;
        let host = &mut hosts[h];
        let now = host.clock(*now);
        let members = host.disk.members();
        let Some(daemon) = &mut host.daemon else { return };
        let said = (daemon.state.next_raft_id, daemon.state.removed.len());
        if !Rc::ptr_eq(&daemon.voters_of, &members) || daemon.voters_by != said {
            let voters = members.voters();
            let voters = voters.iter().map(|id| (*id, names[members.hosts[id]].as_str()));
            daemon.voters = quorate_node::seats::names(&daemon.state, voters);
            (daemon.voters_of, daemon.voters_by) = (members, said);
        }
        let view = View {
            state: &daemon.state,
            leader: daemon.replica.leader.map(|leader| &names[leader]),
            is_leader: daemon.replica.is_ready(),
            term: host.disk.term,
            voters: &daemon.voters,
            wall,
        };
        for effect in daemon.engine.step(now, view, event) {
            self.begin(h, effect);
        }
    }

    fn begin(&mut self, h: usize, effect: Effect) {
        match effect {
            Effect::Propose(tag, command) => self.propose(h, tag, command),
            Effect::Read(tag) => self.read(h, tag),
            Effect::Poll(node, question) => {
                if let Some(target) = self.names.iter().position(|name| *name == node) {
                    self.poll(h, target, question);
                }
            }
            Effect::Power { tag, device, definition, verb, timeout, .. } => {
                self.power(h, tag, (&device, &definition), verb, timeout);
            }
            // No seed says that health counts, and without that no sensors are read: nothing waits for the answer.
            Effect::Sensors { .. } => {}
            Effect::Pill { tag, target, pill, verb, timeout } => self.pill(h, tag, &target, *pill, verb, timeout),
            Effect::TakeInventory(known) => {
                self.take_inventory(h, known.into_iter().map(|(id, known)| (id, known.definition)).collect());
            }
            Effect::Execute(job) => self.execute(h, *job, false),
            Effect::CallOff(tag) => self.call_off(h, tag),
            Effect::Resume(tag) => self.resume(h, tag),
            Effect::Discard(tag, why) => self.discard(h, tag, why),
            Effect::Look(job) => self.execute(h, *job, true),
            Effect::HandOver { to, why } => {
                self.trace(|world| format!("{} offers leadership to {to}: {why}", world.names[h]));
                if let Some(to) = self.names.iter().position(|name| *name == to) {
                    self.offer(h, to);
                }
            }
            Effect::SelfFence(why) => {
                self.trace(|world| format!("{} fences itself: {why}", world.names[h]));
                let wait = self.dice.of(20..=300);
                let boot = self.hosts[h].boot;
                self.queue.push(self.now + wait, Scope::Boot(h, boot), What::Reboot);
            }
            Effect::Abandon(why) => {
                self.trace(|world| format!("{} has no business with the VMs any more: {why}", world.names[h]));
                let (boot, wait) = (self.hosts[h].boot, self.dice.of(20..=500));
                self.queue.push(self.now + wait, Scope::Boot(h, boot), What::Abandon);
            }
            Effect::Beat => self.beat(h),
            Effect::Round(tag) => self.round(h, tag),
            Effect::Answer(ticket, may_feed) => self.answer_beat(h, ticket, may_feed),
            Effect::Feeder(order) => self.tell_feeder(h, order),
            Effect::Stopped => {
                let (boot, wait) = (self.hosts[h].boot, self.dice.of(500..=12_000));
                self.trace(|world| format!("the daemon of {} has stopped", world.names[h]));
                self.kill_daemon(h);
                self.queue.push(self.now + wait, Scope::Boot(h, boot), What::DaemonStart(boot));
            }
        }
    }
}

/// One step of FNV-1a, on eight bytes at once.
pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
}
