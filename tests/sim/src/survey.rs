//! inventory: each daemon looks through its host ever again, as often as the one that ships, and tells its engine.
//!
//! It finds what came in after a hello had said that nothing is there, and what no event of the hypervisor told.

use crate::event::What;
use crate::world::World;
use quorate_core::id::ResourceId;
use quorate_core::time::millis;
use quorate_node::engine::Event;
use quorate_node::pace::{SURVEY_EVERY, SURVEY_SOON};
use std::collections::BTreeSet;

impl World {
    /// Looks through the host; the answer comes later, and may be about what is gone by then.
    pub(crate) fn survey(&mut self, h: usize) {
        let virt = &self.hosts[h].virt;
        // A hypervisor that does not answer leaves the processes: something is there, and nobody knows how it is.
        let (hung, slow) = (virt.hung_until > self.now, virt.slow_looks);
        let there: BTreeSet<ResourceId> = virt.domains.keys().cloned().collect();
        let is_unclear = hung && !there.is_empty();
        let present = if hung { BTreeSet::new() } else { there };
        let pause = millis(if is_unclear { SURVEY_SOON } else { SURVEY_EVERY });
        let takes = if slow { self.dice.of(10..=6000) } else { self.dice.of(10..=200) };
        self.queue.push(self.now + takes, self.process_scope(h), What::Surveyed { present, pause });
    }

    pub(crate) fn surveyed(&mut self, h: usize, present: BTreeSet<ResourceId>, pause: u64) {
        self.queue.push(self.now + pause, self.process_scope(h), What::Survey);
        self.step(h, Event::Surveyed { present, findings: Vec::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::virt::Vm;

    #[test]
    fn a_copy_that_came_in_without_a_word_is_found_and_ended() {
        let mut world = World::new(1, Dice::new(1), 3, false);
        world.begin_all();
        world.heal();
        world.calm_people();
        world.run_until(world.now + 20_000);
        let vm = crate::setup::vms().remove(0);
        let has = |world: &World, h: usize| world.hosts[h].virt.domains.get(&vm).copied();
        let at = (0..3).find(|h| has(&world, *h) == Some(Vm::Running)).expect("it runs by now");
        let beside = (0..3).find(|h| *h != at && !world.hosts[*h].witness).expect("there are more hosts");
        world.hosts[beside].virt.domains.insert(vm.clone(), Vm::Arriving(0));
        world.run_until(world.now + millis(SURVEY_EVERY) + 3000);
        assert_eq!(has(&world, beside), None, "nothing else would have looked there");
        assert_eq!(has(&world, at), Some(Vm::Running));
        assert!(world.failure.is_none());
    }
}
