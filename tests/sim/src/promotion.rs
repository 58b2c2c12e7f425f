//! Instances that are promoted and demoted, in half of the runs that have clones: never two of them at once.

use crate::clones::CLONED;
use crate::dice::Dice;
use crate::virt::{Answer, Vm, ended};
use crate::world::World;
use quorate_core::config::Config;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::Seen;

/// Not the dice of everything else: what happens there stays as it was.
const STREAM: u64 = 0x9707;
/// By what the planner knows how much an instance wants to be promoted on a node.
const SCORE: &str = "master-app";

/// Whether what is cloned is promotable in this run, and how much it wants promotion on each node.
pub(crate) fn configure(seed: u64, names: &[NodeId], config: &mut Config) {
    let mut dice = Dice::new(seed ^ STREAM);
    if !dice.chance(500) || !config.primitives.contains_key(&ResourceId::new(CLONED)) {
        return;
    }
    for name in names {
        let score = dice.of(1..=20).to_string();
        config.nodes.entry(name.clone()).or_default().attributes.insert(SCORE.to_owned(), score);
    }
}

/// Whether the clone is to be a promotable one.
pub(crate) fn is_promotable(config: &Config) -> bool {
    config.nodes.values().any(|node| node.attributes.contains_key(SCORE))
}

impl World {
    /// What runs there, in its role.
    pub(crate) fn role(&self, h: usize, resource: &ResourceId) -> Seen {
        if self.hosts[h].virt.promoted.contains(resource) { Seen::Promoted } else { Seen::Running }
    }

    /// It is promoted now; nobody else may be.
    pub(crate) fn promote(&mut self, h: usize, resource: &ResourceId) -> Answer {
        if self.hosts[h].virt.domains.get(resource) != Some(&Vm::Running) {
            return ended(Seen::Stopped, Some("it is gone"));
        }
        for other in (0..self.hosts.len()).filter(|other| *other != h) {
            let host = &self.hosts[other];
            let excused =
                host.lied_about.contains(&host.session) || self.hosts[h].lied_about.contains(&self.hosts[h].session);
            let is_promoted = host.virt.promoted.contains(resource);
            if host.power && !excused && is_promoted && host.virt.domains.get(resource) == Some(&Vm::Running) {
                let what = format!("{resource} is promoted on {} and on {}", self.names[other], self.names[h]);
                self.fail("one-promoted", what);
            }
        }
        self.counts.promotions += 1;
        self.hearing.rose.insert(h);
        self.trace(|world| format!("{resource} is promoted on {}", world.names[h]));
        self.hosts[h].virt.promoted.insert(resource.clone());
        ended(Seen::Promoted, None)
    }

    pub(crate) fn demote(&mut self, h: usize, resource: &ResourceId) -> Answer {
        self.hosts[h].virt.promoted.remove(resource);
        match self.hosts[h].virt.domains.get(resource) {
            Some(Vm::Running) => ended(Seen::Running, None),
            _ => ended(Seen::Stopped, Some("it is gone")),
        }
    }

    /// Of a promotable clone one that has a score is promoted in the end, where one runs.
    pub(crate) fn promotion_is_not_whole(&self) -> Option<String> {
        let id = ResourceId::new(CLONED);
        let state = &self.oracle.state;
        state.config.primitives.get(&id).filter(|primitive| primitive.is_promotable())?;
        let runs = |h: &usize| self.hosts[*h].virt.domains.get(&id) == Some(&Vm::Running);
        let has_score = |h: &usize| {
            let config = state.config.nodes.get(&self.names[*h]);
            config.is_some_and(|config| config.attributes.contains_key(SCORE))
        };
        let running: Vec<usize> = (0..self.hosts.len()).filter(runs).collect();
        let promoted: Vec<&NodeId> =
            running.iter().filter(|h| self.hosts[**h].virt.promoted.contains(&id)).map(|h| &self.names[*h]).collect();
        let wanted = usize::from(running.iter().any(has_score));
        (promoted.len() != wanted).then(|| format!("{id} is promoted on {promoted:?}, and {wanted} of it should be"))
    }
}
