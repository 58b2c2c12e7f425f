//! Each host's BMC, and what an executor does to it: a session, a command, an answer.

use crate::devices::Part;
use crate::event::{Scope, What};
use crate::world::World;
use quorate_core::config::Primitive;
use quorate_core::id::ResourceId;
use quorate_core::time::BootTime;
use quorate_node::engine::{Event, PowerAnswer, PowerVerb, Tag};
use std::time::Duration;

/// How a BMC behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Ok,
    /// It takes its time.
    Slow,
    /// It does not answer.
    Dead,
    /// It takes commands, does nothing and says nothing.
    Hung,
    /// It refuses the password.
    Refusing,
    /// It says that the power is off, and it is not.
    Lying,
    /// It acknowledges an off and does nothing; its readings are true.
    Stuck,
    /// It sits on an off that it has taken: longer than any grant lasts, and whatever boots meanwhile is hit.
    Late,
}

#[derive(Debug, Default)]
pub(crate) struct Bmc {
    pub(crate) mode: Mode,
    /// The power cut took it along.
    pub(crate) unpowered: bool,
}

/// One command on its way.
#[derive(Debug)]
pub(crate) struct PowerCall {
    executor: usize,
    process: u64,
    tag: Tag,
    target: usize,
    part: Part,
    /// Its address is.
    is_wrong: bool,
    verb: PowerVerb,
    /// On the executor's clock: nothing is sent after it.
    until: BootTime,
    sent: bool,
    answered: bool,
}

impl World {
    pub(crate) fn power(
        &mut self,
        h: usize,
        tag: Tag,
        (device, definition): (&ResourceId, &Primitive),
        verb: PowerVerb,
        timeout: Duration,
    ) {
        if self.reads_slots(h, tag, device, verb) {
            return;
        }
        let Some((target, part)) = self.part(device) else { return };
        let id = self.fresh();
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return };
        let until = self.hosts[h].clock(self.now).after(timeout);
        let is_wrong = crate::drills::is_wrong(definition);
        let (sent, answered) = (false, false);
        let call = PowerCall { executor: h, process, tag, target, part, is_wrong, verb, until, sent, answered };
        self.powers.insert(id, call);
        let open = match self.state_of(target, part).0 {
            Mode::Slow => self.dice.of(200..=2500),
            _ => self.dice.of(2..=60),
        };
        let scope = Scope::Process(h, process);
        self.trace(|world| format!("{} asks {device} to {verb:?}", world.names[h]));
        self.queue.push(self.now + open, scope, What::PowerSend(id));
        if verb == PowerVerb::On {
            self.check_on(target);
        }
        let late = quorate_core::time::millis(timeout);
        let timed_out = PowerAnswer { result: Err("the device did not answer in time".to_owned()), sent: false };
        self.queue.push(self.now + late, scope, What::PowerAnswer(id, timed_out));
    }

    /// The session is open, and its deadline looked at a last time: the command goes out.
    pub(crate) fn power_send(&mut self, h: usize, id: u64) {
        let now = self.hosts[h].clock(self.now);
        let isolated = self.hosts[h].isolated_from_devices;
        let Some(call) = self.powers.get(&id) else { return };
        let (target, part) = (call.target, call.part);
        let (mode, unpowered) = self.state_of(target, part);
        let Some(call) = self.powers.get_mut(&id) else { return };
        let refuses = |error: &str| Some(PowerAnswer { result: Err(error.to_owned()), sent: false });
        let answer = if now >= call.until && !call.verb.is_reading() {
            refuses("its time was over before the command was sent")
        } else if call.is_wrong {
            refuses("nothing listens there")
        } else if mode == Mode::Refusing && !unpowered {
            refuses("wrong password")
        } else if unpowered || mode == Mode::Dead || isolated {
            return;
        } else {
            None
        };
        if let Some(answer) = answer {
            return self.queue.push(self.now + 1, Scope::Process(h, call.process), What::PowerAnswer(id, answer));
        }
        call.sent = call.verb == PowerVerb::Off;
        let way = self.dice.of(1..=30);
        self.queue.push(self.now + way, Scope::World, What::PowerTaken(id));
    }

    /// The device has the command.
    pub(crate) fn power_taken(&mut self, id: u64) {
        let Some(call) = self.powers.get(&id) else { return };
        let (target, part, verb) = (call.target, call.part, call.verb);
        let scope = Scope::Process(call.executor, call.process);
        let (mode, unpowered) = self.state_of(target, part);
        if unpowered || matches!(mode, Mode::Dead | Mode::Hung) {
            return;
        }
        let taken = match part {
            Part::Bmc => Some(self.bmc_taken(target, mode, verb)),
            Part::Feed(feed) => self.feed_taken(target, feed, verb),
        };
        let Some(result) = taken else { return };
        let way = if mode == Mode::Slow { self.dice.of(100..=1500) } else { self.dice.of(1..=30) };
        let answer = PowerAnswer { result: Ok(result), sent: verb == PowerVerb::Off };
        self.queue.push(self.now + way, scope, What::PowerAnswer(id, answer));
    }

    /// How a device behaves, and whether it is dead for want of power.
    fn state_of(&self, target: usize, part: Part) -> (Mode, bool) {
        let host = &self.hosts[target];
        match part {
            Part::Bmc => (host.bmc.mode, host.bmc.unpowered || host.feeds.iter().all(|feed| feed.is_off)),
            Part::Feed(feed) => (host.feeds[feed].mode, false),
        }
    }

    fn bmc_taken(&mut self, target: usize, mode: Mode, verb: PowerVerb) -> bool {
        let host = &self.hosts[target];
        match verb {
            PowerVerb::Read | PowerVerb::Drill if mode == Mode::Lying => {
                let session = host.session.clone();
                if host.power {
                    self.hosts[target].lied_about.insert(session);
                    self.counts.lies += 1;
                }
                false
            }
            PowerVerb::Read | PowerVerb::Drill => host.power,
            PowerVerb::On => {
                if !host.power && matches!(mode, Mode::Ok | Mode::Slow) {
                    self.counts.device_ons += 1;
                    self.power_on(target);
                }
                true
            }
            PowerVerb::Off => {
                if mode == Mode::Late {
                    let wait = self.dice.of(2000..=25_000);
                    self.queue.push(self.now + wait, Scope::World, What::LateDrop(target));
                } else if host.power && matches!(mode, Mode::Ok | Mode::Slow) {
                    self.check_off(target);
                    self.note_off(target);
                    let (boot, wait) = (self.hosts[target].boot, self.dice.of(0..=400));
                    self.queue.push(self.now + wait, Scope::World, What::PowerDrop { host: target, boot });
                }
                true
            }
        }
    }

    pub(crate) fn power_answer(&mut self, h: usize, id: u64, answer: PowerAnswer) {
        let Some(call) = self.powers.get_mut(&id).filter(|call| !call.answered) else { return };
        call.answered = true;
        let (tag, target, verb) = (call.tag, call.target, call.verb);
        let answer = PowerAnswer { sent: call.sent, ..answer };
        self.trace(|world| {
            format!("{} hears of {}'s device: {:?} -> {:?}", world.names[h], world.names[target], verb, answer.result)
        });
        self.step(h, Event::Power(tag, answer));
    }

    /// An off that was taken long ago, whoever it hits by now: send-by ends with the datagram.
    pub(crate) fn late_drop(&mut self, h: usize) {
        if self.hosts[h].power && !self.faults.is_over() {
            let boot = self.hosts[h].boot;
            self.counts.late_offs += 1;
            self.power_drop(h, boot);
        }
    }

    pub(crate) fn power_drop(&mut self, h: usize, boot: u64) {
        if self.hosts[h].power && self.hosts[h].boot == boot {
            self.trace(|world| format!("{} is switched off by its device", world.names[h]));
            self.counts.device_offs += 1;
            self.lose_power(h);
            self.plan_power_on(h);
        }
    }
}
