//! A resource that people clone and take out of its clone again, in a share of the runs. The simulated hypervisor runs it
//! as it does VMs; how many of it there may be is what `checkers` asks here.

use crate::dice::Dice;
use crate::event::{Scope, What};
use crate::people::Wish;
use crate::setup::vm;
use crate::world::World;
use quorate_core::config::shorthand::Group;
use quorate_core::config::{Agent, AgentClass, Attributes, Config, PROMOTABLE, Primitive};
use quorate_core::id::{NodeId, ResourceId};

/// What may be cloned.
pub(crate) const CLONED: &str = "app";
/// Its clone, while it has one.
const CLONE: &str = "apps";
/// Not the dice of everything else: what happens there stays as it was.
const STREAM: u64 = 0xc10e;

/// What is done about clones in a run.
pub(crate) struct Clones {
    pub(crate) seed: u64,
    dice: Dice,
    is_on: bool,
}

/// Whether this is the one that may be cloned: no agent of `services` has it.
pub(crate) fn is_cloned(primitive: &Primitive) -> bool {
    primitive.agent.kind == CLONED
}

impl Clones {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ STREAM);
        let is_on = dice.chance(333);
        Self { seed, dice, is_on }
    }

    pub(crate) fn configure(&self, config: &mut Config) {
        if self.is_on {
            let id = ResourceId::new(CLONED);
            let agent =
                Agent { class: AgentClass::Ocf, provider: Some("simulated".to_owned()), kind: CLONED.to_owned() };
            config.primitives.insert(id.clone(), Primitive { agent, ..vm(&id) });
        }
    }
}

impl World {
    /// Somebody says how often it may run, or that it is no clone any more; and will again.
    pub(crate) fn clone_or_not(&mut self) {
        if !self.clones.is_on || self.is_calm() {
            return;
        }
        let dice = &mut self.clones.dice;
        // More than there are hosts: nothing is said of it.
        let max = dice.chance(800).then(|| usize::try_from(dice.of(1..=4)).unwrap_or(1));
        let wait = dice.of(2000..=20_000);
        self.wish(Wish::Clone(max, self.hearing.is_on));
        self.queue.push(self.now + wait, Scope::World, What::Clone);
    }

    /// How many there may be by what it was started with there: a clone may have been taken apart since.
    pub(crate) fn copies_granted(&self, h: usize, resource: &ResourceId) -> usize {
        let activity = self.oracle.state.activity(resource, &self.names[h]);
        let definition = activity.and_then(|activity| activity.definition.as_ref());
        definition.map_or(1, |definition| definition.copies_among(self.names.len()))
    }

    /// It runs once; as a clone once on each host, up to its clone-max.
    pub(crate) fn clone_is_not_whole(&self) -> Option<String> {
        let id = ResourceId::new(CLONED);
        let state = &self.oracle.state;
        let primitive = state.config.primitives.get(&id)?;
        let places = state.members.values().filter(|member| !member.witness).count();
        let wanted = primitive.copies_among(places).min(places);
        let hosts = self.names.iter().zip(&self.hosts);
        let on: Vec<&NodeId> =
            hosts.filter(|(_, host)| host.virt.domains.contains_key(&id)).map(|(name, _)| name).collect();
        (on.len() != wanted).then(|| format!("{id} is on {on:?}, and {wanted} of it should run"))
    }
}

/// The configuration with it cloned, so often at most; or not any more.
pub(crate) fn cloned(config: &Config, max: Option<usize>, notifies: bool) -> Option<Config> {
    let (mut new, id) = (config.clone(), ResourceId::new(CLONED));
    new.primitives.get(&id)?;
    let clones = &mut new.shorthand.groups;
    match max {
        None => _ = clones.remove(CLONE)?,
        Some(max) => {
            let promotable = crate::promotion::is_promotable(config).to_string();
            let mut meta = Attributes::from([(PROMOTABLE.to_owned(), promotable)]);
            meta.extend(notifies.then(|| ("notify".to_owned(), "true".to_owned())));
            meta.extend((max < 4).then(|| ("clone-max".to_owned(), max.to_string())));
            clones.insert(CLONE.to_owned(), Group { members: vec![id], meta });
        }
    }
    new.expand();
    Some(new)
}
