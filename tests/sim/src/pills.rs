//! Shared disks with a slot for every host, in a share of the seeds with watchdogs: pills are lost without a word, land late
//! and are taken away, hosts lose their disks, and a path leads to another disk than that of the others.
//!
//! What a slot without a pill allows is the product's own, and so is what a pill proves.

use crate::dice::Dice;
use crate::event::{Scope, What};
use crate::faults::Undo;
use crate::people::Wish;
use crate::world::World;
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::pill::{DiskSeen, Pill, majority};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::PILL_LEVEL;
use quorate_core::time::BootTime;
use quorate_node::engine::{Event, PowerAnswer, PowerVerb, Tag};
use std::time::Duration;

/// What is drawn here changes nothing of what other seeds draw.
const STREAM: u64 = 0x9111_0000_0000_0000;

/// For which boot it is, and which.
type Mail = (SessionId, String);

/// The disks.
pub(crate) struct Pills {
    dice: Dice,
    /// What stands in each host's slot, by disk.
    slots: Vec<Vec<Option<Mail>>>,
    /// Who cannot reach which.
    lost: Vec<Vec<bool>>,
    /// Whose path leads to a disk of its own, on which nobody leaves anything.
    elsewhere: Vec<Vec<bool>>,
    /// Which opening of its watchdog has marked each host's slot, by disk.
    marks: Vec<Vec<Option<String>>>,
}

/// A pill on its way to the disks, or a look for one.
#[derive(Clone, Debug)]
pub(crate) struct PillCall {
    tag: Tag,
    target: usize,
    pill: Pill,
    verb: PowerVerb,
    until: BootTime,
}

impl Pills {
    pub(crate) fn draw(seed: u64, hosts: usize) -> Self {
        let mut dice = Dice::new(seed ^ STREAM);
        let disks = if seed % 12 != 5 { 0 } else { *dice.pick(&[1, 1, 3]) };
        Self {
            dice,
            slots: vec![vec![None; hosts]; disks],
            lost: vec![vec![false; hosts]; disks],
            elsewhere: vec![vec![false; hosts]; disks],
            marks: vec![vec![None; hosts]; disks],
        }
    }

    /// As the device names them, where this seed has any.
    pub(crate) fn disks(&self) -> Option<String> {
        let names: Vec<String> = (0..self.slots.len()).map(|disk| format!("/disk{disk}")).collect();
        (!names.is_empty()).then(|| names.join(";"))
    }

    /// As a host's feeder sees those that it was told of.
    pub(crate) fn seen(&self, h: usize, disks: &[String]) -> Vec<DiskSeen> {
        let trouble = |disk: usize| self.lost[disk][h].then(|| "it is gone".to_owned());
        disks.iter().enumerate().map(|(disk, path)| DiskSeen { path: path.clone(), trouble: trouble(disk) }).collect()
    }

    /// A feeder opens what its paths lead to.
    pub(crate) fn open(&mut self, h: usize) {
        for disk in &mut self.elsewhere {
            disk[h] = self.dice.chance(250);
        }
    }

    /// Every disk that this host reaches, with whether there is a pill for this boot on it; what it reads it has marked.
    pub(crate) fn read(&mut self, h: usize, session: &SessionId, opening: &str) -> Vec<(usize, bool)> {
        let mut read = Vec::new();
        for disk in (0..self.slots.len()).filter(|disk| !self.lost[*disk][h]) {
            let is_poison = self.slots[disk][h].as_ref().is_some_and(|(of, _)| of == session);
            if !self.elsewhere[disk][h] {
                self.marks[disk][h] = Some(opening.to_owned());
            }
            read.push((disk, is_poison && !self.elsewhere[disk][h]));
        }
        read
    }

    pub(crate) fn heal(&mut self) {
        self.lost.iter_mut().chain(&mut self.elsewhere).flatten().for_each(|away| *away = false);
    }
}

impl World {
    /// Whether this device leaves pills; a slot reads on, where it can be read.
    pub(crate) fn reads_slots(&mut self, h: usize, tag: Tag, device: &ResourceId, verb: PowerVerb) -> bool {
        if self.pills.slots.is_empty() || !["dog", "dud"].contains(&device.as_str()) {
            return false;
        }
        let reached = self.pills.lost.iter().filter(|lost| !lost[h]).count();
        let is_read = verb == PowerVerb::Read && reached >= majority(self.pills.slots.len());
        let result = if is_read { Ok(true) } else { Err("no slot answers".to_owned()) };
        self.answer_pill(h, tag, PowerAnswer { result, sent: false });
        true
    }

    pub(crate) fn pill(&mut self, h: usize, tag: Tag, target: &NodeId, pill: Pill, verb: PowerVerb, time: Duration) {
        let Some(target) = self.names.iter().position(|name| name == target) else { return };
        let until = self.hosts[h].clock(self.now).after(time);
        let way = self.pills.dice.of(2..=60);
        let call = Box::new(PillCall { tag, target, pill, verb, until });
        self.queue.push(self.now + way, self.process_scope(h), What::Pill(call));
    }

    pub(crate) fn pill_reaches(&mut self, h: usize, call: &PillCall) {
        let enough = majority(self.pills.slots.len());
        let is_read = |disk: usize| {
            self.pills.marks[disk][call.target].as_ref() == Some(&call.pill.opening) || planted(Mistake::PillUnmarked)
        };
        let reached: Vec<usize> =
            (0..self.pills.slots.len()).filter(|disk| !self.pills.lost[*disk][h] && is_read(*disk)).collect();
        let mail = (call.pill.session.clone(), call.pill.note.clone());
        let too_few = Err("too few disks answer".to_owned());
        let answer = match call.verb {
            PowerVerb::Off if self.hosts[h].clock(self.now) >= call.until => {
                PowerAnswer { result: Err("too late".to_owned()), sent: false }
            }
            PowerVerb::Off => {
                self.counts.pills_left += 1;
                for disk in &reached {
                    self.put_pill(*disk, call.target, mail.clone());
                }
                let result = if reached.len() >= enough { Ok(true) } else { too_few };
                PowerAnswer { result, sent: !reached.is_empty() }
            }
            PowerVerb::Read | PowerVerb::Drill | PowerVerb::On => {
                let is_there = |disk: &&usize| self.pills.slots[**disk][call.target].as_ref() == Some(&mail);
                let there = reached.iter().filter(is_there).count();
                let result = match (there >= enough, reached.len() - there >= enough) {
                    (true, _) => Ok(false),
                    (_, true) => Ok(true),
                    _ => too_few,
                };
                if result == Ok(false) && self.pills.dice.chance(250) {
                    let wait = self.pills.dice.of(1..=150);
                    self.queue.push(self.now + wait, Scope::World, What::PillTaken(call.target));
                }
                PowerAnswer { result, sent: false }
            }
        };
        self.answer_pill(h, call.tag, answer);
    }

    /// A disk has taken it: most keep what they took, and at once.
    fn put_pill(&mut self, disk: usize, target: usize, mail: Mail) {
        match self.pills.dice.of(0..=99) {
            0..=7 => self.trace(|_| format!("disk {disk} loses what it took")),
            8..=15 => {
                let wait = self.pills.dice.of(500..=16_000);
                self.queue.push(self.now + wait, Scope::World, What::PillLands { disk, target, mail });
            }
            _ => self.pill_lands(disk, target, mail),
        }
    }

    pub(crate) fn pill_lands(&mut self, disk: usize, target: usize, mail: Mail) {
        self.trace(|world| format!("a pill for {} is on disk {disk}: {mail:?}", world.names[target]));
        self.pills.slots[disk][target] = Some(mail);
    }

    /// Somebody empties a slot by hand.
    pub(crate) fn pill_taken(&mut self, target: usize) {
        self.trace(|world| format!("somebody empties the slot of {}", world.names[target]));
        self.counts.pills_taken += 1;
        self.pills.slots.iter_mut().for_each(|disk| disk[target] = None);
    }

    fn answer_pill(&mut self, h: usize, tag: Tag, answer: PowerAnswer) {
        let way = self.pills.dice.of(1..=40);
        self.queue.push(self.now + way, self.process_scope(h), What::PillAnswer(tag, answer));
    }

    pub(crate) fn pill_answered(&mut self, h: usize, tag: Tag, answer: PowerAnswer) {
        self.step(h, Event::Power(tag, answer));
    }

    /// A feeder reads its slots; whether there was a pill.
    pub(crate) fn read_slots(&mut self, h: usize) -> bool {
        let clock = self.hosts[h].clock(self.now);
        let Some(opening) = self.hosts[h].dog.as_ref().and_then(|dog| dog.opening()) else { return false };
        let read = self.pills.read(h, &self.hosts[h].session, &opening);
        let Some(ration) = self.hosts[h].dog.as_mut().and_then(|dog| dog.ration()) else { return false };
        let mut is_poisoned = false;
        for (disk, is_poison) in read {
            if is_poison && !planted(Mistake::SurvivePills) {
                ration.poison();
                is_poisoned = true;
            } else {
                ration.clean(disk, clock);
            }
        }
        if is_poisoned {
            self.counts.pills_swallowed += 1;
            self.trace(|world| format!("{} swallows its pill", world.names[h]));
            self.reset(h);
        }
        is_poisoned
    }

    /// Where there are disks they are to be read, and some are lost for a while: to one host, or to all.
    pub(crate) fn plan_lost_disks(&mut self) {
        if !self.pills.slots.is_empty() {
            self.queue.push(self.now + 700, Scope::World, What::WantSlots);
        }
        for _ in 0..2 * self.pills.slots.len().min(1) {
            let wait = self.pills.dice.of(3000..=60_000);
            self.queue.push(self.now + wait, Scope::World, What::LostDisks);
        }
    }

    pub(crate) fn want_slots(&mut self) {
        let (state, mut wait) = (&self.oracle.state, 300);
        let is_due = crate::dogs::with_slots(&state.config, "/disk0").is_some();
        if state.level >= PILL_LEVEL && is_due && !self.faults.over {
            self.wish(Wish::Slots(self.pills.disks().unwrap_or_default()));
            wait = 8000;
        }
        if is_due && !self.faults.over {
            self.queue.push(self.now + wait, Scope::World, What::WantSlots);
        }
    }

    pub(crate) fn lose_disks(&mut self) {
        if self.faults.over {
            return;
        }
        let (disks, hosts) = (self.pills.slots.len(), self.hosts.len());
        let one = self.pills.dice.chance(700).then(|| self.pills.dice.index(hosts));
        let some = self.pills.dice.chance(400).then(|| self.pills.dice.index(disks));
        for disk in (0..disks).filter(|disk| some.is_none_or(|some| some == *disk)) {
            for h in (0..hosts).filter(|h| one.is_none_or(|one| one == *h)) {
                self.pills.lost[disk][h] = true;
            }
        }
        self.counts.disks_lost += 1;
        self.trace(|_| format!("FAULT LostDisks: host {one:?}, disk {some:?}"));
        let ends = self.pills.dice.of(2000..=40_000);
        self.queue.push(self.now + ends, Scope::World, What::Undo(Undo::Disks));
    }

    /// The disks are back, and feeders see it.
    pub(crate) fn find_disks(&mut self) {
        self.pills.heal();
        for h in 0..self.hosts.len() {
            if self.hosts[h].daemon.is_some() {
                self.queue.push(self.now + 500, self.process_scope(h), What::Feeder);
            }
        }
    }
}
