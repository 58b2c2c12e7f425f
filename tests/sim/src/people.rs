//! What people do: they change what is wanted, and repeat what was not answered.

use crate::event::{Request, Scope, What};
use crate::world::World;
use quorate_core::config::{ConfigPatch, TargetRole};
use quorate_core::id::{NodeId, RequestId, ResourceId, SessionId};
use quorate_core::state::{ClusterState, Command, Entry, FenceCause, Intent, Outcome, Refusal, Wish as Liking};
use quorate_core::time::Timestamp;
use quorate_node::engine::ProposeError;
use std::collections::BTreeMap;
use std::time::Duration;

/// What somebody wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Role(ResourceId, TargetRole),
    Intent(NodeId, Intent),
    Delete(ResourceId),
    Fence(NodeId),
    Confirm(NodeId, SessionId),
    Cleanup(ResourceId),
    Trust(ResourceId),
    Release(NodeId),
    Remove(NodeId),
    Prefer(ResourceId, NodeId, Liking, Option<Duration>),
    Clear(ResourceId),
    /// Clone what may be cloned, so often at most; or not any more.
    Clone(Option<usize>, bool),
    /// A node's BMC is where it is, or where nothing listens.
    Wire(NodeId, bool),
    /// Have those who have a watchdog read slots on these disks.
    Slots(String),
}

/// A wish and how far it came.
#[derive(Debug)]
struct Asked {
    wish: Wish,
    serial: u64,
    /// What was asked: a repetition is the same.
    command: Option<Command>,
    tries: u32,
    host: usize,
}

#[derive(Debug, Default)]
pub(crate) struct People {
    asked: BTreeMap<u64, Asked>,
    calm: bool,
}

impl World {
    /// Somebody does something, and somebody else will later.
    pub(crate) fn next_wish(&mut self) {
        if self.people.calm {
            return;
        }
        let node = self.dice.pick(&self.names).clone();
        let vms = crate::setup::vms();
        let vm = self.dice.pick(&vms).clone();
        match self.dice.of(0..=119) {
            0..=19 => self.wish(Wish::Intent(node, Intent::Standby)),
            20..=39 => self.wish(Wish::Intent(node, Intent::Active)),
            40..=50 => self.wish(Wish::Role(vm, TargetRole::Stopped)),
            51..=64 => self.restart(vm),
            65..=79 => self.wish(Wish::Role(vm, TargetRole::Started)),
            80..=82 => self.wish(Wish::Delete(vm)),
            83 => self.forgive(),
            84..=86 => self.wish(Wish::Fence(node)),
            87..=94 => self.confirm_what_is_off(),
            95..=97 => self.wish(Wish::Cleanup(vm)),
            98..=99 => self.wish(Wish::Intent(node, Intent::Maintenance)),
            100..=105 => self.wish(Wish::Intent(node, Intent::Drain)),
            106..=114 => self.prefer(vm, node),
            115..=117 => self.wish(Wish::Clear(vm)),
            _ => {
                let h = self.dice.index(self.hosts.len());
                self.begin_removal(h);
            }
        }
        let wait = if self.dice.chance(400) { self.dice.of(100..=1500) } else { self.dice.of(1500..=8000) };
        self.queue.push(self.now + wait, Scope::World, What::Person);
    }

    /// A move or a ban, with an end or without.
    fn prefer(&mut self, vm: ResourceId, node: NodeId) {
        let liking = *self.dice.pick(&[Liking::Move, Liking::Move, Liking::Ban, Liking::Leave]);
        let lasts = self.dice.chance(500).then(|| Duration::from_millis(self.dice.of(1000..=20_000)));
        self.wish(Wish::Prefer(vm, node, liking, lasts));
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.people.calm
    }

    fn restart(&mut self, vm: ResourceId) {
        self.wish(Wish::Role(vm.clone(), TargetRole::Stopped));
        let wait = self.dice.of(300..=2500);
        self.queue.push(self.now + wait, Scope::World, What::Restart(vm));
    }

    pub(crate) fn start_again(&mut self, vm: ResourceId) {
        if !self.people.calm {
            self.wish(Wish::Role(vm, TargetRole::Started));
        }
    }

    /// Somebody went there and saw that the host is off, or thought so.
    fn confirm_what_is_off(&mut self) {
        // Where devices may lie, so may people be wrong.
        let is_careless = self.faults.has_liars() && self.dice.chance(300);
        let off: Vec<(NodeId, SessionId)> = self
            .oracle
            .state
            .intents
            .iter()
            .filter(|(node, intent)| {
                let h = self.names.iter().position(|name| name == *node).expect("intents are of members");
                is_careless || !self.hosts[h].lives(&intent.session)
            })
            .map(|(node, intent)| (node.clone(), intent.session.clone()))
            .collect();
        for (node, session) in off {
            if let Some(h) = self.names.iter().position(|name| *name == node).filter(|h| self.hosts[*h].lives(&session))
            {
                self.hosts[h].lied_about.insert(session.clone());
            }
            self.wish(Wish::Confirm(node, session));
        }
    }

    /// Nobody asks for anything more; what was sent may still arrive.
    pub(crate) fn calm_people(&mut self) {
        self.people.calm = true;
        self.people.asked.clear();
    }

    /// In the healed world: everything online, everything wanted, old failures forgotten.
    pub(crate) fn want_everything(&mut self) {
        for node in self.names.clone() {
            self.wish(Wish::Intent(node, Intent::Active));
        }
        for vm in crate::setup::vms() {
            let role = if self.dice.chance(850) { TargetRole::Started } else { TargetRole::Stopped };
            self.wish(Wish::Clear(vm.clone()));
            self.wish(Wish::Role(vm, role));
        }
        self.wire_everything();
        self.want_services();
    }

    /// Failures of the past are forgotten; what is blocked by them would wait for a person.
    pub(crate) fn clean_up(&mut self) {
        self.mend_services();
        self.wire_everything();
        let failed: Vec<ResourceId> = self
            .oracle
            .state
            .resources
            .iter()
            .filter(|(_, nodes)| nodes.values().any(|activity| activity.last_failure.is_some() || activity.stop_failed))
            .map(|(resource, _)| resource.clone())
            .collect();
        for resource in failed {
            self.wish(Wish::Cleanup(resource));
        }
        self.forgive();
        self.make_sure();
    }

    /// What nothing can prove, somebody looks at, and answers for: it was lost before its watchdog was armed; or all lost
    /// power, and where no boot proves anything nobody is left who may fence.
    fn make_sure(&mut self) {
        let state = &self.oracle.state;
        let is_asked = |(node, intent): &(&NodeId, &quorate_core::state::FenceIntent)| {
            let host = self.names.iter().position(|name| name == *node).map(|h| &self.hosts[h]);
            // A host whose paths led to other disks than those of the others takes no pill.
            let takes_none = intent.tries > 2 && state.sent_pill(node).is_none() && state.watchdog_due(node).is_err();
            let is_provable = state.has_fence(node) && state.online().next().is_some() && !takes_none;
            !is_provable && host.is_some_and(|host| !host.lives(&intent.session))
        };
        let asked: Vec<(NodeId, SessionId)> = state
            .intents
            .iter()
            .filter(is_asked)
            .map(|(node, intent)| (node.clone(), intent.session.clone()))
            .collect();
        for (node, session) in asked {
            self.wish(Wish::Confirm(node, session));
        }
    }

    /// What lied is mended, and somebody says so.
    fn forgive(&mut self) {
        let devices: Vec<ResourceId> = self.oracle.state.distrusted.keys().cloned().collect();
        for device in devices {
            self.wish(Wish::Trust(device));
        }
        let held = |(_, at): &(&NodeId, &quorate_core::state::NodeState)| at.disarmed.is_some();
        let held: Vec<NodeId> = self.oracle.state.nodes.iter().filter(held).map(|(node, _)| node.clone()).collect();
        for node in held {
            self.wish(Wish::Release(node));
        }
    }

    pub(crate) fn wish(&mut self, wish: Wish) {
        let serial = self.fresh();
        self.trace(|_| format!("somebody wants {wish:?}"));
        self.people.asked.insert(serial, Asked { wish, serial: 1, command: None, tries: 0, host: 0 });
        self.ask_again(serial);
    }

    pub(crate) fn is_person_waiting(&self) -> bool {
        !self.people.asked.is_empty()
    }

    /// Whom somebody wants to be removed, and has no answer yet.
    pub(crate) fn removals_asked(&self) -> impl Iterator<Item = &NodeId> {
        self.people.asked.values().filter_map(|asked| match &asked.wish {
            Wish::Remove(node) => Some(node),
            _ => None,
        })
    }

    /// Asks any daemon that runs.
    pub(crate) fn ask_again(&mut self, wish: u64) {
        let able: Vec<usize> =
            (0..self.hosts.len()).filter(|h| self.hosts[*h].daemon.is_some() && !self.hosts[*h].frozen).collect();
        let calm = self.people.calm;
        let Some(asked) = self.people.asked.get_mut(&wish) else { return };
        asked.tries += 1;
        if asked.tries > if calm { 60 } else { 6 } {
            self.people.asked.remove(&wish);
            return;
        }
        if able.is_empty() {
            return self.queue.push(self.now + 1000, Scope::World, What::PersonRetry(wish));
        }
        let h = *self.dice.pick(&able);
        asked.host = h;
        let Some(daemon) = &self.hosts[h].daemon else { return };
        if asked.command.is_none() {
            asked.command = command(&daemon.state, &asked.wish);
        }
        let Some(command) = asked.command.clone() else {
            self.people.asked.remove(&wish);
            return;
        };
        let request = Some(RequestId { client: format!("person-{wish}"), serial: asked.serial });
        self.propose_entry(h, Request::Person(wish), Entry { at: Timestamp(0), request, command });
    }

    pub(crate) fn person_answered(&mut self, wish: u64, answer: Result<Outcome, ProposeError>) {
        let Some(asked) = self.people.asked.get_mut(&wish) else { return };
        match answer {
            Ok(Outcome::Refused(Refusal::Stale(_))) => {
                // A change made from an old revision is made again, as a new request.
                asked.serial += 1;
                asked.command = None;
            }
            Ok(_) => {
                self.people.asked.remove(&wish);
                return;
            }
            Err(_) => {}
        }
        let wait = self.dice.of(200..=1500);
        self.queue.push(self.now + wait, Scope::World, What::PersonRetry(wish));
    }

    /// The daemon they spoke to is gone.
    pub(crate) fn people_lost(&mut self, h: usize) {
        let lost: Vec<u64> =
            self.people.asked.iter().filter(|(_, asked)| asked.host == h).map(|(wish, _)| *wish).collect();
        for wish in lost {
            self.queue.push(self.now + 1000, Scope::World, What::PersonRetry(wish));
        }
    }
}

fn command(state: &ClusterState, wish: &Wish) -> Option<Command> {
    let actor = "somebody".to_owned();
    let configure = |new| Command::Configure {
        actor: "somebody".to_owned(),
        base: state.revision,
        patch: Box::new(ConfigPatch::between(&state.config, &new)),
        diff: String::new(),
    };
    Some(match wish {
        Wish::Role(vm, role) => {
            let mut new = state.config.clone();
            // A VM that was deleted comes back; services never are.
            let primitive = new.primitives.entry(vm.clone()).or_insert_with(|| crate::setup::vm(vm));
            let word = if *role == TargetRole::Started { "Started" } else { "Stopped" };
            primitive.meta.insert("target-role".to_owned(), word.to_owned());
            configure(new)
        }
        Wish::Delete(vm) => {
            let mut new = state.config.clone();
            new.primitives.remove(vm)?;
            new.orders.retain(|_, order| order.first != *vm && order.then != *vm);
            new.colocations.retain(|_, colocation| colocation.resource != *vm && colocation.with != *vm);
            new.locations.retain(|_, location| location.resource != *vm);
            configure(new)
        }
        Wish::Wire(node, right) => configure(crate::drills::wired(&state.config, node, *right, state.revision)?),
        Wish::Clone(max, notifies) => configure(crate::clones::cloned(&state.config, *max, *notifies)?),
        Wish::Slots(disks) => configure(crate::dogs::with_slots(&state.config, disks)?),
        Wish::Intent(node, intent) => Command::SetIntent { actor, node: node.clone(), intent: *intent },
        Wish::Fence(node) => {
            let session = state.nodes.get(node)?.living_session()?.id.clone();
            Command::Fence { target: node.clone(), session, cause: FenceCause::Asked { by: actor }, action: None }
        }
        Wish::Confirm(node, session) => Command::ConfirmOff { node: node.clone(), session: session.clone(), by: actor },
        Wish::Trust(device) => {
            state.distrusted.get(device)?;
            Command::Trust { actor, device: device.clone(), trusted: true }
        }
        Wish::Release(node) => {
            state.nodes.get(node).filter(|at| at.disarmed.is_some() || at.flapping.quarantine.is_some())?;
            Command::Release { actor: Some(actor), node: node.clone() }
        }
        Wish::Remove(node) => Command::Remove { actor, node: node.clone() },
        Wish::Prefer(resource, node, wish, lasts) => {
            Command::Prefer { actor, resource: resource.clone(), node: node.clone(), wish: *wish, lasts: *lasts }
        }
        Wish::Clear(resource) => Command::Clear { actor, resource: resource.clone(), node: None },
        Wish::Cleanup(resource) => Command::Cleanup { actor, resource: resource.clone(), node: None },
    })
}
