//! Live migration between simulated hypervisors: they copy, switch over and settle by themselves, with or without those
//! who asked for it. Half and outdated copies are left behind as real ones are.

use crate::event::{Scope, What};
use crate::virt::{Answer, Vm, ended};
use crate::world::World;
use quorate_core::id::ResourceId;
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{Moved, Seen};
use quorate_core::time::Timestamp;

/// Without a link a hypervisor gives up after so long.
const KEEPALIVE: u64 = 6000;
/// One whose link is cut with its last pages under way may hang; after so long its guest is ended.
const STILL: u64 = 20_000;

/// A migration as its source's hypervisor knows it.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    id: u64,
    /// The call that asked for it; it may be gone.
    pub(crate) call: u64,
    target: usize,
    target_boot: u64,
    /// Somebody asked to give it up.
    pub(crate) called_off: bool,
    /// Since when nothing was heard of the other side.
    stuck_since: Option<u64>,
}

impl World {
    /// A migration begins; `None`: it goes on, and answers later.
    pub(crate) fn begin_flow(&mut self, h: usize, call: u64, resource: &ResourceId, target: usize) -> Option<Answer> {
        let refused = |seen, why| Some(ended(seen, Some(why)));
        match self.hosts[h].virt.domains.get(resource) {
            Some(Vm::Running) => {}
            Some(_) => return refused(Seen::Paused("migrating".to_owned()), "it does not run"),
            None => return refused(Seen::Stopped, "the domain is gone"),
        }
        self.cut_on_the_way(h, target, "it begins");
        let there = &self.hosts[target];
        let target_boot = there.boot;
        let is_free = there.up && !there.virt.domains.contains_key(resource);
        if !is_free || !self.linked(h, target) || self.hosts[h].virt.flows.contains_key(resource) {
            return refused(Seen::Running, "the other side refuses");
        }
        let id = self.fresh();
        self.counts.migrations += 1;
        self.hosts[target].virt.domains.insert(resource.clone(), Vm::Arriving(id));
        self.trace(|world| format!("{resource} is being copied from {} to {}", world.names[h], world.names[target]));
        let flow = Flow { id, call, target, target_boot, called_off: false, stuck_since: None };
        self.hosts[h].virt.flows.insert(resource.clone(), flow);
        self.tell_changed(target, resource);
        let wait = if self.dice.chance(300) { self.dice.of(2000..=9000) } else { self.dice.of(100..=2000) };
        self.later_flow(h, wait, resource, id);
        None
    }

    fn later_flow(&mut self, h: usize, wait: u64, resource: &ResourceId, id: u64) {
        let scope = Scope::Boot(h, self.hosts[h].boot);
        self.queue.push(self.now + wait, scope, What::Flow { resource: resource.clone(), id });
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        self.network.is_whole(a, b) && !self.hosts[a].frozen && !self.hosts[b].frozen
    }

    fn tell_changed(&mut self, h: usize, resource: &ResourceId) {
        if self.hosts[h].daemon.is_some() {
            let wait = self.dice.of(1..=50);
            self.queue.push(self.now + wait, self.process_scope(h), What::Changed(resource.clone()));
        }
    }

    /// The next thing happens to a migration: its switch, its end, or nothing because the link is cut.
    pub(crate) fn flow(&mut self, h: usize, resource: &ResourceId, id: u64) {
        let Some(flow) = self.hosts[h].virt.flows.get(resource).filter(|flow| flow.id == id).cloned() else { return };
        let here = self.hosts[h].virt.domains.get(resource).copied();
        if self.hosts[h].virt.hung_until > self.now {
            let wait = self.hosts[h].virt.hung_until - self.now + 5;
            return self.later_flow(h, wait, resource, id);
        }
        if here == Some(Vm::Leaving) {
            return match self.is_stuck(h, &flow) {
                true => self.wait_stuck(h, resource, &flow),
                false => self.settle_flow(h, resource, &flow),
            };
        }
        self.cut_on_the_way(h, flow.target, "its pages move");
        let there = &self.hosts[flow.target];
        let is_there = there.boot == flow.target_boot && there.virt.domains.get(resource) == Some(&Vm::Arriving(id));
        if here != Some(Vm::Running) || flow.called_off || (self.linked(h, flow.target) && !is_there) {
            return self.give_up(h, resource, &flow);
        }
        if !self.linked(h, flow.target) {
            let since = flow.stuck_since.unwrap_or(self.now);
            if self.now - since > KEEPALIVE {
                return self.give_up(h, resource, &flow);
            }
            if let Some(flow) = self.hosts[h].virt.flows.get_mut(resource) {
                flow.stuck_since = Some(since);
            }
            return self.later_flow(h, 200, resource, id);
        }
        self.trace(|world| format!("{resource} switches from {} to {}", world.names[h], world.names[flow.target]));
        self.hosts[h].virt.domains.insert(resource.clone(), Vm::Leaving);
        if let Some(flow) = self.hosts[h].virt.flows.get_mut(resource) {
            flow.stuck_since = None;
        }
        if planted(Mistake::UnpausedMigration) {
            self.hosts[flow.target].virt.domains.insert(resource.clone(), Vm::Running);
            self.begins_to_run(flow.target, resource);
        } else {
            self.hosts[flow.target].virt.domains.insert(resource.clone(), Vm::Whole);
        }
        self.tell_changed(flow.target, resource);
        self.cut_on_the_way(h, flow.target, "its guest stands still");
        let wait = self.dice.of(5..=300);
        self.later_flow(h, wait, resource, id);
    }

    /// The link is cut, and the write of the last pages neither ends nor fails.
    fn is_stuck(&mut self, h: usize, flow: &Flow) -> bool {
        !self.linked(h, flow.target) && (flow.stuck_since.is_some() || self.dice.chance(500))
    }

    fn wait_stuck(&mut self, h: usize, resource: &ResourceId, flow: &Flow) {
        let since = flow.stuck_since.unwrap_or(self.now);
        if self.now - since <= STILL {
            if let Some(flow) = self.hosts[h].virt.flows.get_mut(resource) {
                flow.stuck_since = Some(since);
            }
            return self.later_flow(h, 500, resource, flow.id);
        }
        self.trace(|world| format!("{resource} stood still on {} and is ended", world.names[h]));
        self.counts.stuck_ends += 1;
        self.hosts[h].virt.flows.remove(resource);
        self.hosts[h].virt.domains.remove(resource);
        self.answer_flow(h, flow, ended(Seen::Stopped, Some("it stood still, and was ended")));
    }

    /// The source's hypervisor ends it: by the other side's last word, or without it.
    fn settle_flow(&mut self, h: usize, resource: &ResourceId, flow: &Flow) {
        self.hosts[h].virt.flows.remove(resource);
        if self.linked(h, flow.target) && self.dice.chance(850) {
            self.hosts[h].virt.domains.remove(resource);
            let took_ms = 1;
            let moved = Moved { took_ms, paused_ms: 1, bytes: 1, at: Timestamp::default() };
            self.trace(|world| format!("{resource} has left {}", world.names[h]));
            return self.answer_flow(h, flow, Answer::Gone(moved));
        }
        // Its last word was lost: the source goes on, and what is at the target is older than the disk from here on.
        self.trace(|world| format!("{resource} goes on at {}: the last word was lost", world.names[h]));
        self.hosts[h].virt.domains.insert(resource.clone(), Vm::Running);
        self.begins_to_run(h, resource);
        self.answer_flow(h, flow, ended(Seen::Running, Some("the last word was lost")));
    }

    fn give_up(&mut self, h: usize, resource: &ResourceId, flow: &Flow) {
        self.trace(|world| format!("the migration of {resource} from {} is given up", world.names[h]));
        self.hosts[h].virt.flows.remove(resource);
        // Whether the other side takes its half away is its own affair, now or later.
        let there = &mut self.hosts[flow.target];
        let is_there =
            there.boot == flow.target_boot && there.virt.domains.get(resource) == Some(&Vm::Arriving(flow.id));
        if is_there && self.dice.chance(600) {
            self.hosts[flow.target].virt.domains.remove(resource);
        }
        let seen = match self.hosts[h].virt.domains.get(resource) {
            Some(Vm::Running) => Seen::Running,
            Some(_) => Seen::Paused("migrating".to_owned()),
            None => Seen::Stopped,
        };
        self.answer_flow(h, flow, ended(seen, Some("it was given up")));
    }

    fn answer_flow(&mut self, h: usize, flow: &Flow, answer: Answer) {
        let Some(call) = self.hosts[h].virt.calls.get_mut(&flow.call) else { return };
        call.answer(answer);
        let (scope, wait) = (Scope::Boot(h, self.hosts[h].boot), self.dice.of(1..=20));
        self.queue.push(self.now + wait, scope, What::CallReturn(flow.call));
    }

    /// A daemon that has just started gives up what its predecessor was sending, where it still can.
    pub(crate) fn give_up_flows(&mut self, h: usize) {
        let all: Vec<ResourceId> = self.hosts[h].virt.flows.keys().cloned().collect();
        for resource in all {
            let reached = self.dice.chance(700);
            if let Some(flow) = self.hosts[h].virt.flows.get_mut(&resource) {
                flow.called_off |= reached;
            }
        }
    }

    /// The CPUs run somewhere: what was complete elsewhere is out of date.
    pub(crate) fn outdate_copies(&mut self, vm: &ResourceId, h: usize) {
        for (other, host) in self.hosts.iter_mut().enumerate() {
            if other != h && host.virt.domains.get(vm) == Some(&Vm::Whole) {
                host.virt.domains.insert(vm.clone(), Vm::Outdated);
            }
        }
    }

    /// handover: only a complete copy is let run, and only if it is not older than what ran since.
    pub(crate) fn check_copy(&mut self, h: usize, vm: &ResourceId, was: Vm) {
        if matches!(was, Vm::Arriving(_) | Vm::Outdated) {
            let what = if was == Vm::Outdated { "an outdated" } else { "a half" };
            self.fail("handover", format!("{what} copy of {vm} is let run on {}", self.names[h]));
        }
        self.counts.handovers += u64::from(was == Vm::Whole);
    }
}
