//! Drills of fence devices, in a share of the runs: people change a device's address, to a wrong one and back, and what was
//! never read as it is now lets nothing new to its node.

use crate::dice::Dice;
use crate::event::{Scope, What};
use crate::people::Wish;
use crate::replica::Slot;
use crate::setup::device;
use crate::world::World;
use quorate_core::config::{Config, Primitive};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ActionKind, Arming, Command, Outcome};
use std::collections::BTreeMap;

/// Not the dice of everything else: what happens there stays as it was.
const STREAM: u64 = 0xd811_0000;
/// A plan made before a device was changed may still be carried out for so long.
const PLAN_HOLDS: u64 = 5000;
/// Where nothing listens.
const WRONG: &str = "wrong";

/// What is done about devices in a run.
pub(crate) struct Wiring {
    dice: Dice,
    is_on: bool,
    /// Whose address is about to be wrong again.
    spoil: Option<NodeId>,
    /// Since when no device of a node has passed a drill as it is.
    untested: BTreeMap<NodeId, u64>,
}

impl Wiring {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ STREAM);
        let is_on = dice.chance(333);
        Self { dice, is_on, spoil: None, untested: BTreeMap::new() }
    }

    pub(crate) fn configure(&self, config: &mut Config) {
        if self.is_on {
            config.properties.insert("fence-drill-interval".to_owned(), "5s".to_owned());
        }
    }
}

/// Whether nothing listens where it is asked.
pub(crate) fn is_wrong(device: &Primitive) -> bool {
    device.params.get("ip").is_some_and(|ip| ip == WRONG)
}

/// The configuration with a node's BMC at another address: where it is, or where nothing is.
pub(crate) fn wired(config: &Config, node: &NodeId, right: bool, revision: u64) -> Option<Config> {
    let (mut new, id) = (config.clone(), ResourceId::new(format!("ipmi-{node}")));
    let bmc = new.primitives.get_mut(&id)?;
    *bmc = device(node.as_str());
    // It is another one each time, so that it has to be read again.
    let address = if right { format!("right-since-{revision}") } else { WRONG.to_owned() };
    bmc.params.insert("ip".to_owned(), address);
    Some(new)
}

impl World {
    /// Somebody changes where a BMC is asked; and will again.
    pub(crate) fn rewire(&mut self) {
        if !self.wiring.is_on || self.is_calm() {
            return;
        }
        let dice = &mut self.wiring.dice;
        let (node, right) = match self.wiring.spoil.take() {
            Some(node) => (node, false),
            None => (dice.pick(&self.names).clone(), dice.chance(650)),
        };
        // Now and then it is wrong again while the reading that follows is under way.
        let soon = right && dice.chance(300);
        let wait = if soon { dice.of(0..=300) } else { dice.of(500..=9000) };
        self.wiring.spoil = soon.then(|| node.clone());
        self.wish(Wish::Wire(node, right));
        self.queue.push(self.now + wait, Scope::World, What::Wire);
    }

    /// In the healed world every address is right.
    pub(crate) fn wire_everything(&mut self) {
        let is_off = |node: &&NodeId| {
            let device = self.oracle.state.config.primitives.get(&ResourceId::new(format!("ipmi-{node}")));
            device.is_some_and(is_wrong)
        };
        let wrong: Vec<NodeId> = self.names.iter().filter(is_off).cloned().collect();
        wrong.into_iter().for_each(|node| self.wish(Wish::Wire(node, true)));
    }

    /// per node: what is started on a node finds a device of it that has passed a drill as it is; and what passed was right.
    pub(crate) fn check_arming(&mut self, slot: &Slot, outcome: &Outcome) {
        let Some(command) = slot.entry.as_ref().map(|entry| &entry.command) else { return };
        let state = &self.oracle.state;
        for node in &self.names {
            match state.arming(node) {
                Arming::Untested(_) => _ = self.wiring.untested.entry(node.clone()).or_insert(slot.born),
                Arming::Armed | Arming::Failing(_) | Arming::NoDevice => _ = self.wiring.untested.remove(node),
            }
        }
        match (command, outcome) {
            (Command::Drilled(word), Outcome::Done) => {
                self.counts.drills += 1;
                let passes = word.outcome.is_ok();
                let device = state.config.primitives.get(&word.device);
                if passes && device.is_some_and(is_wrong) {
                    self.fail("drill", format!("{} counts as passed where nothing listens", word.device));
                }
            }
            (Command::Claim { action, speaker, .. }, Outcome::Granted(_)) => {
                let starts = [ActionKind::Start, ActionKind::Incoming];
                let action = state.actions.get(action).filter(|action| starts.contains(&action.kind));
                let Some(resource) = action.map(|action| action.resource.clone()) else { return };
                let node = speaker.node.clone();
                let long = self.wiring.untested.get(&node).is_some_and(|since| slot.born >= since + PLAN_HOLDS);
                // What died there may be started there again; of clones it is not known here.
                let is_one = crate::setup::vms().contains(&resource);
                if long && is_one && self.last_host_of(&resource) != Some(&node) {
                    self.fail("per node", format!("{resource} is started on {node}, whose devices passed no drill"));
                }
            }
            _ => {}
        }
    }

    /// In the healed world every node is armed that has devices.
    pub(crate) fn is_unarmed(&self) -> Option<String> {
        let state = &self.oracle.state;
        self.names.iter().filter(|node| !state.is_witness(node)).find_map(|node| match state.arming(node) {
            Arming::Untested(why) => Some(format!("{node} is not armed: {why}")),
            Arming::Failing(why) if self.wiring.is_on => Some(format!("{node} is armed, and {why}")),
            Arming::Failing(_) | Arming::Armed | Arming::NoDevice => None,
        })
    }
}
