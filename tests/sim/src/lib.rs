//! A deterministic simulation of whole clusters: the very engine that ships, in a world that goes wrong.
//!
//! One seed is one run. Hosts, power, BMCs, hypervisors, the network and the replicated log are simulated here; the
//! state machine, the planner and the engine are the product's own. `checkers` consults the ground truth, never what
//! the cluster believes.

mod agents;
mod bmc;
mod checkers;
mod clones;
mod devices;
mod dice;
mod dogs;
mod drills;
mod election;
mod event;
mod faults;
mod healthy;
mod host;
mod lifecycle;
mod members;
mod migration;
mod network;
mod notices;
mod people;
mod pills;
mod promotion;
mod rejoin;
mod replica;
mod report;
mod requests;
mod services;
mod setup;
mod snapshot;
mod space;
mod standing;
mod standstill;
mod survey;
mod virt;
mod world;

pub use quorate_core::planted::Mistake;
pub use report::{Counts, Failure, Run};

use dice::Dice;
use event::{Scope, What};
use world::{World, mix};

/// In the healed world all must be well after this, and stay so.
const HEAL_LIMIT: u64 = 180_000;
/// Nothing is written for so long when there is nothing to do.
const QUIET: u64 = 30_000;

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// So many hosts; by the seed when `None`.
    pub nodes: Option<usize>,
    /// A mistake to plant.
    pub mistake: Option<Mistake>,
    /// Whether to keep what happens, line by line.
    pub trace: bool,
}

/// Runs one seed: faults for a while, then healing, then quiet.
pub fn run(seed: u64, options: Options) -> Run {
    quorate_core::planted::plant(options.mistake);
    let mut dice = Dice::new(seed);
    let drawn = *dice.pick(&[3, 3, 3, 3, 4, 5]);
    let hosts = options.nodes.unwrap_or(drawn);
    let mut world = World::new(seed, dice, hosts, options.trace);
    world.begin_all();
    let faults = world.dice.of(40_000..=80_000);
    world.run_checked(world.now + faults);
    if world.failure.is_none() {
        world.settle();
    }
    quorate_core::planted::plant(None);
    if options.trace {
        for line in world.fence_words() {
            world.trace(|_| format!("fence {line}"));
        }
    }
    world.counts.millis = world.now - 1000;
    let fingerprint = mix(mix(world.fingerprint, world.counts.events), world.oracle.log.len() as u64);
    Run { seed, failure: world.failure, counts: world.counts, fingerprint, trace: world.lines.unwrap_or_default() }
}

impl World {
    fn begin_all(&mut self) {
        for h in 0..self.hosts.len() {
            self.hosts[h].skew = self.dice.of(0..=3000);
        }
        self.taste();
        self.found();
        for h in 0..self.hosts.len() {
            let name = self.names[h].to_string();
            let clock = self.dice.of(1000..=1_000_000);
            let host = &mut self.hosts[h];
            host.new_boot(&name, self.now, clock);
            (host.power, host.up) = (true, true);
            let boot = host.boot;
            let wait = self.dice.of(0..=300);
            self.queue.push(self.now + wait, Scope::Boot(h, boot), What::DaemonStart(boot));
        }
        self.queue.push(self.now, Scope::World, What::Pulse);
        let first_fault = self.dice.of(2500..=6000);
        self.queue.push(self.now + first_fault, Scope::World, What::Fault);
        self.plan_long_cut();
        self.plan_lost_disks();
        self.begin_services();
        let first_wish = self.dice.of(2500..=9000);
        self.queue.push(self.now + first_wish, Scope::World, What::Person);
        self.queue.push(self.now + first_wish + 2500, Scope::World, What::Clone);
        self.queue.push(self.now + first_wish + 2500, Scope::World, What::Wire);
    }

    /// Runs on, and compares the members' states now and then.
    fn run_checked(&mut self, end: u64) {
        while self.now < end && self.failure.is_none() {
            self.run_until(end.min(self.now + 1000));
            self.compare_states();
        }
    }

    /// Heals everything; then all must be well, and quiet.
    fn settle(&mut self) {
        self.heal();
        self.calm_people();
        let end = self.now + HEAL_LIMIT;
        // What was late is there after this.
        self.run_checked(self.now + 13_000);
        self.want_everything();
        let (mut entries, mut since) = (self.oracle.log.len(), self.now);
        let mut second = 0;
        while self.failure.is_none() && self.now < end {
            self.run_checked(self.now + 1000);
            second += 1;
            let not_well = self.not_well();
            if (not_well.is_some() || self.is_person_waiting()) && second % 10 == 0 {
                self.keep_power();
                self.clean_up();
            }
            if self.oracle.log.len() != entries {
                (entries, since) = (self.oracle.log.len(), self.now);
            }
            if not_well.is_none() && !self.is_person_waiting() && self.now - since >= QUIET {
                return;
            }
        }
        match self.not_well() {
            Some(what) => self.fail("recovery", format!("long after all faults were over {what}")),
            None => self.fail("quiet", "long after all faults were over the log still grows".to_owned()),
        }
    }
}
