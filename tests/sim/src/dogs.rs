//! Hosts' own watchdogs and their feeders: a host that is not fed is reset, whatever stands still on it.
//!
//! The feeder's rules are the product's own. A dud takes the food and never bites: nobody may prove anything by it.

use crate::dice::Dice;
use crate::event::{Message, Scope, What};
use crate::faults::Undo;
use crate::host::Host;
use crate::setup::attributes;
use crate::world::World;
use quorate_core::config::{Agent, AgentClass, Attributes, Config, LevelTarget, Primitive};
use quorate_core::id::{ResourceId, SessionId};
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, Order, Ration};
use quorate_node::engine::{Event, Tag};

/// What is drawn here changes nothing of what other seeds draw.
const STREAM: u64 = 0x0d06_0000_0000_0000;
/// Between two looks of a feeder.
const LOOK: u64 = 200;
/// Between two looks of the world at a device.
const BITES: u64 = 50;
/// A host is cut off for so long: longer than any watchdog is waited for.
const LONG_CUT: std::ops::RangeInclusive<u64> = 25_000..=40_000;

/// A host's watchdog.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dog {
    /// It takes the food and never bites.
    is_dud: bool,
    open: Option<Open>,
    /// It was what reset the host last.
    was_reset: bool,
}

#[derive(Clone, Debug)]
struct Open {
    ration: Ration,
    /// When it was last fed, in simulated time.
    fed: u64,
    /// What its feeder reads.
    disks: Vec<String>,
    /// What it marks its slots with.
    opening: String,
    /// It stood still between its look at the clock and the write.
    is_late: bool,
}

/// Who has which.
pub(crate) struct Kennel {
    dice: Dice,
}

impl Kennel {
    pub(crate) fn draw(seed: u64, hosts: &mut [Host]) -> Self {
        let mut dice = Dice::new(seed ^ STREAM);
        if seed % 4 == 1 {
            for host in hosts {
                if dice.chance(650) {
                    host.dog = Some(Dog { is_dud: dice.chance(200), ..Dog::default() });
                    // Where the next boot proves nothing, the wait has to be waited out.
                    host.hardware_is_dmi = dice.chance(400);
                }
            }
        }
        Self { dice }
    }

    /// Names them, and takes the other device of some hosts away.
    pub(crate) fn configure(&mut self, config: &mut Config, hosts: &[Host], names: &[quorate_core::id::NodeId]) {
        let with = |is_dud: bool| {
            let has = |(_, host): &(_, &Host)| host.dog.as_ref().is_some_and(|dog| dog.is_dud == is_dud);
            names.iter().zip(hosts).filter(has).map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        let mut is_proven = true;
        for (id, is_dud, vouched) in [("dog", false, "true"), ("dud", true, "false")] {
            let named = with(is_dud);
            if named.is_empty() {
                continue;
            }
            // That others have seen bite needs nobody's word.
            let vouched = if self.dice.chance(800) { vouched } else { "false" };
            is_proven &= is_dud || vouched == "true";
            let params = [
                ("pcmk_host_list", named.join(" ")),
                ("timeout", "2s".to_owned()),
                ("window", "2s".to_owned()),
                ("proves_off", vouched.to_owned()),
            ];
            let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
            config.primitives.insert(ResourceId::new(id), watchdog(attributes(&params)));
        }
        if with(false).len() + with(true).len() > 0 {
            config.properties.insert("daemon-grace".to_owned(), "3s".to_owned());
        }
        for name in with(false) {
            if is_proven && self.dice.chance(500) {
                let node = quorate_core::id::NodeId::new(name);
                config.fencing_topology.retain(|row| row.target != LevelTarget::Node(node.clone()));
                let is_other = |it: &Primitive| it.is_fence_device() && !it.is_watchdog() && it.fences(&node);
                config.primitives.retain(|_, primitive| !is_other(primitive));
            }
        }
    }
}

/// The same, but that the hosts read slots; `None` where they do, or have no watchdog.
pub(crate) fn with_slots(config: &Config, disks: &str) -> Option<Config> {
    let mut new = config.clone();
    for dog in new.primitives.values_mut().filter(|it| it.is_watchdog()) {
        "sbd".clone_into(&mut dog.agent.kind);
        dog.params.insert("devices".to_owned(), disks.to_owned());
    }
    (new != *config).then_some(new)
}

fn watchdog(params: Attributes) -> Primitive {
    let kind = "watchdog".to_owned();
    Primitive {
        agent: Agent { class: AgentClass::Stonith, provider: None, kind },
        params,
        meta: Attributes::new(),
        utilization: Attributes::new(),
        operations: Vec::new(),
        ruled: Vec::new(),
    }
}

impl Dog {
    /// Without power it neither eats nor bites.
    pub(crate) fn end_boot(&mut self) {
        self.open = None;
    }

    /// No daemon speaks to its feeder, or a new one does.
    pub(crate) fn unsure(&mut self) {
        if let Some(open) = &mut self.open {
            open.ration.unsure();
        }
    }

    /// What its feeder marks its slots with, while it is open.
    pub(crate) fn opening(&self) -> Option<String> {
        self.open.as_ref().map(|open| open.opening.clone())
    }

    /// What feeds it, while it is open.
    pub(crate) fn ration(&mut self) -> Option<&mut Ration> {
        self.open.as_mut().map(|open| &mut open.ration)
    }

    fn tell(&self) -> Feeder {
        let identity = if self.is_dud { "dud" } else { "dog" }.to_owned();
        Feeder {
            identity,
            was_reset: self.was_reset,
            open: self.open.as_ref().map(|open| open.ration.terms()),
            disks: Vec::new(),
            opening: self.opening().unwrap_or_default(),
        }
    }
}

impl World {
    /// Where there are watchdogs a host that has one is cut off until the others have waited for it.
    pub(crate) fn plan_long_cut(&mut self) {
        if self.hosts.iter().any(|host| host.dog.is_some()) {
            let wait = self.kennel.dice.of(4000..=25_000);
            self.queue.push(self.now + wait, Scope::World, What::LongCut);
        }
    }

    /// Its other device is dead meanwhile. Leaders are cut off more often: they are whom all ask whether they may feed.
    pub(crate) fn cut_for_long(&mut self) {
        if self.faults.over {
            return;
        }
        let with_dogs: Vec<usize> = (0..self.hosts.len()).filter(|h| self.hosts[*h].dog.is_some()).collect();
        let leads = |h: &usize| self.hosts[*h].daemon.as_ref().is_some_and(|daemon| daemon.replica.is_ready());
        let leader = with_dogs.iter().copied().find(leads);
        let drawn = *self.kennel.dice.pick(&with_dogs);
        let h = leader.filter(|_| self.kennel.dice.chance(700)).unwrap_or(drawn);
        let ends = self.kennel.dice.of(LONG_CUT);
        self.trace(|world| format!("FAULT LongCut at {} for {ends} ms", world.names[h]));
        self.counts.long_cuts += 1;
        self.cut_host(h, true);
        self.hosts[h].bmc.mode = crate::bmc::Mode::Dead;
        for undo in [Undo::Host(h), Undo::Device(h)] {
            self.queue.push(self.now + ends, Scope::World, What::Undo(undo));
        }
        // Somebody who notices stops the daemon: nothing can be disarmed any more.
        if self.kennel.dice.chance(300) {
            let wait = self.kennel.dice.of(0..=1500);
            self.queue.push(self.now + wait, self.process_scope(h), What::StopDaemon);
        }
    }

    /// A daemon that starts finds the feeder of its host.
    pub(crate) fn find_feeder(&mut self, h: usize) {
        if let Some(dog) = &mut self.hosts[h].dog {
            dog.unsure();
            let wait = self.kennel.dice.of(1..=800);
            self.queue.push(self.now + wait, self.process_scope(h), What::Feeder);
        }
    }

    pub(crate) fn feeder_says(&mut self, h: usize) {
        let disks = self.hosts[h].dog.as_ref().and_then(|dog| dog.open.as_ref()).map(|open| open.disks.clone());
        let disks = self.pills.seen(h, &disks.unwrap_or_default());
        let says = self.hosts[h].dog.as_ref().map(|dog| Feeder { disks, ..dog.tell() });
        self.step(h, Event::Feeder(says));
    }

    pub(crate) fn tell_feeder(&mut self, h: usize, order: Order) {
        let (now, clock, boot) = (self.now, self.hosts[h].clock(self.now), self.hosts[h].boot);
        let Some(dog) = &mut self.hosts[h].dog else { return };
        match (order.clone(), &mut dog.open) {
            (Order::Feed(until), Some(open)) => return open.ration.answered(clock, until),
            (Order::Open { terms, until, slots }, None) => {
                let disks = slots.disks;
                dog.open = Some(Open {
                    ration: Ration::new(terms, clock, until, disks.len()),
                    fed: now,
                    disks,
                    opening: format!("{boot}.{now}"),
                    is_late: false,
                });
                self.pills.open(h);
                self.counts.dogs_opened += 1;
                self.queue.push(now + LOOK, Scope::Boot(h, boot), What::FeedDog);
                self.queue.push(now + BITES, Scope::World, What::DogLooks(h, boot));
            }
            (Order::Close, Some(_)) => dog.open = None,
            _ => {}
        }
        self.trace(|world| format!("the feeder of {} is told to {order:?}", world.names[h]));
        self.queue.push(now + 1, self.process_scope(h), What::Feeder);
    }

    /// The feeder looks whether it may feed.
    pub(crate) fn feed_dog(&mut self, h: usize) {
        let (now, clock, boot) = (self.now, self.hosts[h].clock(self.now), self.hosts[h].boot);
        let reads =
            self.hosts[h].dog.as_ref().and_then(|dog| dog.open.as_ref()).is_some_and(|open| !open.disks.is_empty());
        if reads && self.read_slots(h) {
            return;
        }
        let Some(open) = self.hosts[h].dog.as_mut().and_then(|dog| dog.open.as_mut()) else { return };
        if open.ration.may_feed(clock) {
            open.fed = now;
        }
        self.queue.push(now + LOOK, Scope::Boot(h, boot), What::FeedDog);
    }

    /// A host that stands still may do so just before the write: that comes when it moves again.
    pub(crate) fn dog_stalls(&mut self, h: usize) {
        let clock = self.hosts[h].clock(self.now);
        if let Some(open) = self.hosts[h].dog.as_mut().and_then(|dog| dog.open.as_mut()) {
            open.is_late = open.ration.may_feed(clock) && self.kennel.dice.chance(500);
        }
    }

    pub(crate) fn dog_moves(&mut self, h: usize) {
        let now = self.now;
        if let Some(open) = self.hosts[h].dog.as_mut().and_then(|dog| dog.open.as_mut())
            && std::mem::take(&mut open.is_late)
        {
            open.fed = now;
        }
    }

    /// The device, which no kernel holds up.
    pub(crate) fn dog_looks(&mut self, h: usize, boot: u64) {
        let now = self.now;
        let host = &mut self.hosts[h];
        if host.boot != boot || !host.power {
            return;
        }
        let Some(dog) = &mut host.dog else { return };
        let Some(open) = &dog.open else { return };
        let timeout = quorate_core::time::millis(open.ration.terms().timeout);
        if !dog.is_dud && now >= open.fed + timeout {
            dog.was_reset = true;
            self.counts.bites += 1;
            self.trace(|world| format!("the watchdog of {} BITES", world.names[h]));
            return self.reset(h);
        }
        self.queue.push(now + BITES, Scope::World, What::DogLooks(h, boot));
    }

    /// A beat of this host's to the leader.
    pub(crate) fn beat(&mut self, h: usize) {
        let asked = self.hosts[h].clock(self.now);
        let Some(daemon) = &self.hosts[h].daemon else { return };
        let (leader, process) = (daemon.replica.leader, daemon.process);
        let message = Message::Beat { process, asked, session: self.hosts[h].session.clone() };
        match leader {
            Some(leader) if leader == h => self.tell_itself(h, message),
            Some(leader) => self.send(h, leader, message),
            None => {}
        }
    }

    fn tell_itself(&mut self, h: usize, message: Message) {
        self.queue.push(self.now + 1, self.process_scope(h), What::Deliver { from: h, ids: (0, 0), message });
    }

    pub(crate) fn on_beat(&mut self, h: usize, from: usize, (process, asked): (u64, BootTime), session: SessionId) {
        let (ticket, node) = (self.fresh(), self.names[from].clone());
        if let Some(daemon) = &mut self.hosts[h].daemon {
            daemon.beats.insert(ticket, (from, process, asked));
        }
        self.step(h, Event::Beat { ticket, node, session });
    }

    pub(crate) fn answer_beat(&mut self, h: usize, ticket: u64, may_feed: bool) {
        let asker = self.hosts[h].daemon.as_mut().and_then(|daemon| daemon.beats.remove(&ticket));
        let Some((from, process, asked)) = asker.filter(|_| may_feed) else { return };
        self.counts.beats += 1;
        let message = Message::BeatAnswer { process, asked };
        if from == h { self.tell_itself(h, message) } else { self.send(h, from, message) }
    }

    pub(crate) fn on_beat_answer(&mut self, h: usize, process: u64, asked: BootTime) {
        if self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.process == process) {
            self.step(h, Event::Answered(asked));
        }
    }

    /// A round of this very member's, if it leads.
    pub(crate) fn round(&mut self, h: usize, tag: Tag) {
        if self.leads(h) {
            return self.read(h, tag);
        }
        self.queue.push(self.now + 1, self.process_scope(h), What::NoRound(tag));
    }
}
