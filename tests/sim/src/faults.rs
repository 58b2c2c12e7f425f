//! What goes wrong, and when it ends. Each seed has its own taste, and calm stretches in which recoveries can end.

use crate::bmc::Mode;
use crate::dice::Dice;
use crate::event::{Scope, What};
use crate::space::Room;
use crate::world::World;
use quorate_core::state::{Command, Verdict};

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PowerCut,
    PowerCutWithBmc,
    AllPower,
    HostCut,
    Partition,
    OneWay,
    Loss,
    Late,
    DaemonKill,
    DaemonStop,
    Freeze,
    Device,
    VmCrash,
    Hang,
    SlowLooks,
    SlowCalls,
    BadStarts,
    BadStops,
    SlowDisk,
    StoreLost,
    StoreRolledBack,
    Silent,
    Shutdown,
    ClockJump,
    DiskFull,
}

/// How often each happens, before a seed's own taste.
const KINDS: &[(Kind, u64)] = &[
    (Kind::PowerCut, 10),
    (Kind::PowerCutWithBmc, 3),
    (Kind::AllPower, 1),
    (Kind::HostCut, 8),
    (Kind::Partition, 4),
    (Kind::OneWay, 4),
    (Kind::Loss, 3),
    (Kind::Late, 6),
    (Kind::DaemonKill, 12),
    (Kind::DaemonStop, 2),
    (Kind::Freeze, 10),
    (Kind::Device, 8),
    (Kind::VmCrash, 8),
    (Kind::Hang, 5),
    (Kind::SlowLooks, 5),
    (Kind::SlowCalls, 5),
    (Kind::BadStarts, 2),
    (Kind::BadStops, 2),
    (Kind::SlowDisk, 2),
    (Kind::StoreLost, 2),
    (Kind::StoreRolledBack, 4),
    (Kind::Silent, 2),
    (Kind::Shutdown, 4),
    (Kind::ClockJump, 2),
    (Kind::DiskFull, 3),
];

/// How a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    Link(usize, usize),
    Host(usize),
    Side(u64),
    Loss,
    Late,
    Thaw(usize),
    Device(usize),
    SlowLooks(usize),
    SlowCalls(usize),
    Bad(usize),
    SlowDisk(usize),
    Room(usize),
    Store(usize),
    Disks,
}

/// A seed's taste.
pub(crate) struct Faults {
    weights: Vec<(Kind, u64)>,
    /// Between two faults: a short pause, or a long one.
    short: u64,
    long: u64,
    /// Devices may lie.
    liars: bool,
    /// So many times in a thousand a host is hit while a proposal of its own is under way.
    ambush: u64,
    pub(crate) over: bool,
}

impl Faults {
    pub(crate) fn draw(seed: u64, dice: &mut Dice) -> Self {
        let focus = dice.chance(600);
        let liars = seed % 16 == 7;
        let weights = KINDS
            .iter()
            .map(|(kind, weight)| {
                let taste = if liars && *kind == Kind::Device {
                    4
                } else if focus {
                    *dice.pick(&[0, 0, 1, 1, 2, 6])
                } else {
                    1
                };
                (*kind, weight * taste)
            })
            .collect();
        let long = *dice.pick(&[5000, 10_000, 18_000]);
        let ambush = *dice.pick(&[0, 30, 150, 400]);
        Self { weights, short: 900, long, liars, ambush, over: false }
    }

    /// Whether words about power may be wrong in this run.
    pub(crate) fn has_liars(&self) -> bool {
        self.liars
    }

    /// Whether nothing goes wrong any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    fn choose(&self, dice: &mut Dice) -> Option<Kind> {
        let sum: u64 = self.weights.iter().map(|(_, weight)| weight).sum();
        if sum == 0 {
            return None;
        }
        let mut at = dice.of(1..=sum);
        for (kind, weight) in &self.weights {
            if at <= *weight {
                return Some(*kind);
            }
            at -= weight;
        }
        None
    }
}

impl World {
    /// The next fault, and when the one after it comes.
    pub(crate) fn next_fault(&mut self) {
        if self.faults.over {
            return;
        }
        if let Some(kind) = self.faults.choose(&mut self.dice) {
            let h = self.victim();
            self.strike(kind, h);
        }
        let wait = if self.dice.chance(550) {
            self.dice.of(20..=self.faults.short)
        } else {
            self.dice.of(1000..=self.faults.long)
        };
        self.queue.push(self.now + wait, Scope::World, What::Fault);
    }

    /// Hits a host in the moment between a proposal and its answer.
    pub(crate) fn ambush(&mut self, h: usize, command: &Command) {
        let is_fence = matches!(
            command,
            Command::FenceGrant { .. }
                | Command::FenceResult { .. }
                | Command::Judge { verdict: Verdict::Lost { .. }, .. }
        );
        let is_work = matches!(command, Command::Claim { .. } | Command::Result { .. } | Command::Hello { .. });
        let chance = if is_fence { self.faults.ambush } else { self.faults.ambush / 6 };
        if self.faults.over || !(is_fence || is_work) || chance == 0 || !self.dice.chance(chance) {
            return;
        }
        let wait = self.dice.of(0..=8);
        self.queue.push(
            self.now + wait,
            self.process_scope(h),
            What::Ambush { kill: !is_fence && self.dice.chance(600) },
        );
    }

    /// A seed that likes ambushes cuts the link between the ends of a migration at any stage of it.
    pub(crate) fn cut_on_the_way(&mut self, source: usize, target: usize, stage: &str) {
        if self.faults.over || !self.dice.chance(self.faults.ambush / 2) {
            return;
        }
        self.trace(|world| format!("CUT between {} and {}: {stage}", world.names[source], world.names[target]));
        self.counts.cuts_on_the_way += 1;
        let ends = self.dice.of(800..=30_000);
        for (from, to) in [(source, target), (target, source)] {
            self.network.cut(from, to, true);
            self.later(ends..=ends, Undo::Link(from, to));
        }
    }

    pub(crate) fn spring(&mut self, h: usize, kill: bool) {
        if self.faults.over {
            return;
        }
        self.trace(|world| format!("AMBUSH on {}", world.names[h]));
        if kill {
            return self.strike_daemon(h);
        }
        if self.freeze(h) {
            self.counts.freezes += 1;
            let long = *self.dice.pick(&[3000, 14_000, 20_000]);
            self.later(500..=long, Undo::Thaw(h));
            if self.dice.chance(750) {
                self.hosts[h].bmc.mode = Mode::Dead;
                self.later(10_000..=25_000, Undo::Device(h));
            }
        }
    }

    /// Leaders are hit more often than chance would.
    fn victim(&mut self) -> usize {
        let leader = (0..self.hosts.len())
            .find(|h| self.hosts[*h].daemon.as_ref().is_some_and(|daemon| daemon.replica.is_ready()));
        match leader {
            Some(leader) if self.dice.chance(250) => leader,
            _ => self.dice.index(self.hosts.len()),
        }
    }

    pub(crate) fn later(&mut self, range: std::ops::RangeInclusive<u64>, undo: Undo) {
        let wait = self.dice.of(range);
        self.queue.push(self.now + wait, Scope::World, What::Undo(undo));
    }

    fn strike(&mut self, kind: Kind, h: usize) {
        self.trace(|world| format!("FAULT {kind:?} at {}", world.names[h]));
        match kind {
            Kind::PowerCut => self.cut_power(h, false),
            Kind::PowerCutWithBmc => self.cut_power(h, true),
            Kind::AllPower => (0..self.hosts.len()).for_each(|h| self.cut_power(h, false)),
            Kind::HostCut => {
                self.cut_host(h, true);
                self.hosts[h].isolated_from_devices = self.dice.chance(500);
                self.later(800..=12_000, Undo::Host(h));
            }
            Kind::Partition => {
                let side = self.dice.of(1..=(1 << self.hosts.len()) - 2);
                self.split(side, true);
                self.later(800..=10_000, Undo::Side(side));
            }
            Kind::OneWay => {
                let other = (h + 1 + self.dice.index(self.hosts.len() - 1)) % self.hosts.len();
                self.network.cut(h, other, true);
                self.later(800..=12_000, Undo::Link(h, other));
            }
            Kind::Loss => {
                self.network.loss = self.dice.of(20..=300);
                self.later(1000..=8000, Undo::Loss);
            }
            Kind::Late => {
                self.network.late = self.dice.of(20..=200);
                self.later(2000..=15_000, Undo::Late);
            }
            Kind::DaemonKill => self.strike_daemon(h),
            Kind::DaemonStop => self.step(h, quorate_node::engine::Event::Stopping),
            Kind::Freeze => {
                if self.freeze(h) {
                    self.counts.freezes += 1;
                    let long = *self.dice.pick(&[700, 2500, 9000]);
                    self.later(100..=long, Undo::Thaw(h));
                }
            }
            Kind::Device => {
                let modes = [Mode::Slow, Mode::Slow, Mode::Dead, Mode::Hung, Mode::Refusing, Mode::Stuck, Mode::Late];
                let lies = self.faults.liars && self.dice.chance(600);
                self.hosts[h].bmc.mode = if lies { Mode::Lying } else { *self.dice.pick(&modes) };
                self.later(3000..=25_000, Undo::Device(h));
            }
            other => self.strike_inside(other, h),
        }
    }

    /// What goes wrong within a host.
    fn strike_inside(&mut self, kind: Kind, h: usize) {
        match kind {
            Kind::VmCrash => self.crash_vm(h),
            Kind::Hang => self.hosts[h].virt.hung_until = self.now + self.dice.of(500..=9000),
            Kind::SlowLooks => {
                self.hosts[h].virt.slow_looks = true;
                self.later(3000..=15_000, Undo::SlowLooks(h));
            }
            Kind::SlowCalls => {
                self.hosts[h].virt.slow_calls = true;
                self.later(3000..=15_000, Undo::SlowCalls(h));
            }
            Kind::BadStarts => {
                self.hosts[h].virt.bad_starts = 400;
                self.later(1000..=6000, Undo::Bad(h));
            }
            Kind::BadStops => {
                self.hosts[h].virt.bad_stops = 500;
                self.later(1000..=10_000, Undo::Bad(h));
            }
            Kind::Silent => self.hosts[h].virt.hung_until = self.now + self.dice.of(15_000..=45_000),
            Kind::Shutdown => self.begin_shutdown(h),
            Kind::ClockJump => {
                self.hosts[h].skew = self.dice.of(0..=7_200_000);
            }
            Kind::StoreLost if self.may_lose_store(h) => self.lose_store(h),
            Kind::StoreRolledBack => {
                self.hosts[h].copy = Some(Box::new(self.hosts[h].disk.clone()));
                self.later(1500..=20_000, Undo::Store(h));
            }
            Kind::DiskFull => {
                let all = self.dice.chance(150);
                for h in if all { 0..self.hosts.len() } else { h..h + 1 } {
                    self.counts.full_disks += 1;
                    self.hosts[h].room = if self.dice.chance(500) { Room::Full } else { Room::Brimming };
                    self.later(1000..=15_000, Undo::Room(h));
                }
            }
            Kind::SlowDisk => {
                self.hosts[h].slow_disk = self.dice.of(50..=600);
                self.later(1000..=10_000, Undo::SlowDisk(h));
            }
            _ => {}
        }
    }

    fn cut_power(&mut self, h: usize, with_bmc: bool) {
        if self.hosts[h].power {
            self.counts.power_cuts += 1;
            self.hosts[h].bmc.unpowered = with_bmc;
            self.lose_power(h);
            self.plan_power_on(h);
        }
    }

    pub(crate) fn cut_host(&mut self, h: usize, cut: bool) {
        for other in (0..self.hosts.len()).filter(|other| *other != h) {
            self.network.cut(h, other, cut);
            self.network.cut(other, h, cut);
        }
    }

    fn split(&mut self, side: u64, cut: bool) {
        let is_in = |h: usize| side & (1 << h) != 0;
        for from in 0..self.hosts.len() {
            for to in (0..self.hosts.len()).filter(|to| is_in(*to) != is_in(from)) {
                self.network.cut(from, to, cut);
            }
        }
    }

    /// Comes back at once, just before its grace is over, or well after.
    fn strike_daemon(&mut self, h: usize) {
        if self.hosts[h].frozen || self.hosts[h].daemon.is_none() {
            return;
        }
        self.kill_daemon(h);
        self.counts.daemon_kills += 1;
        let wait = match self.dice.of(0..=9) {
            0..=5 => self.dice.of(20..=1500),
            6..=7 => self.dice.of(6000..=8500),
            _ => self.dice.of(10_000..=14_000),
        };
        let boot = self.hosts[h].boot;
        self.queue.push(self.now + wait, Scope::Boot(h, boot), What::DaemonStart(boot));
    }

    pub(crate) fn undo(&mut self, undo: Undo) {
        if self.faults.over {
            return;
        }
        match undo {
            Undo::Link(from, to) => self.network.cut(from, to, false),
            Undo::Host(h) => {
                self.cut_host(h, false);
                self.hosts[h].isolated_from_devices = false;
            }
            Undo::Side(side) => self.split(side, false),
            Undo::Loss => self.network.loss = 0,
            Undo::Late => self.network.late = 0,
            Undo::Thaw(h) => self.thaw(h),
            Undo::Device(h) => self.hosts[h].bmc.mode = Mode::Ok,
            Undo::SlowLooks(h) => self.hosts[h].virt.slow_looks = false,
            Undo::SlowCalls(h) => self.hosts[h].virt.slow_calls = false,
            Undo::Bad(h) => (self.hosts[h].virt.bad_starts, self.hosts[h].virt.bad_stops) = (0, 0),
            Undo::SlowDisk(h) => self.hosts[h].slow_disk = 0,
            Undo::Room(h) => self.hosts[h].room = Room::Enough,
            Undo::Store(h) => self.roll_back(h),
            Undo::Disks => self.find_disks(),
        }
        self.trace(|_| format!("over: {undo:?}"));
    }

    /// All faults are over: network whole, devices well, hosts on and moving, daemons started.
    pub(crate) fn heal(&mut self) {
        self.trace(|_| "HEAL".to_owned());
        self.faults.over = true;
        self.network.heal();
        self.find_disks();
        for h in 0..self.hosts.len() {
            self.thaw(h);
            let host = &mut self.hosts[h];
            host.bmc = crate::bmc::Bmc::default();
            host.feeds = Default::default();
            host.isolated_from_devices = false;
            host.slow_disk = 0;
            host.room = Room::Enough;
            host.virt.hung_until = 0;
            (host.virt.slow_looks, host.virt.slow_calls, host.virt.bad_starts, host.virt.bad_stops) =
                (false, false, 0, 0);
            host.agents.mood = crate::services::Mood::default();
            let boot = host.boot;
            if host.up && host.daemon.is_none() {
                self.queue.push(self.now + 200, Scope::Boot(h, boot), What::DaemonStart(boot));
            }
        }
        self.keep_power();
    }

    /// In the healed world a host that is off is switched on.
    pub(crate) fn keep_power(&mut self) {
        for h in 0..self.hosts.len() {
            if !self.hosts[h].power {
                let wait = self.dice.of(1000..=4000);
                self.queue.push(self.now + wait, Scope::World, What::PowerOn(h));
            }
        }
    }
}
