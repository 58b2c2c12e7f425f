//! The oracle: it knows what really runs where, and the log as it was committed, and compares.

use crate::host::Life;
use crate::replica::Slot;
use crate::virt::Vm;
use crate::world::{World, mix};
use quorate_core::id::{ActionId, NodeId, Operation, ResourceId, SessionId};
use quorate_core::state::{
    ActionKind, ClusterState, Command, FenceEnd, Outcome, Proof, SessionState, Standing, Verdict, Wish, invariant,
};
use quorate_node::engine::{Job, ProposeError, Tag};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A plan made before a ban may still be carried out for so long.
const BAN_HOLDS: u64 = 5000;

/// What is really so.
#[derive(Default)]
pub(crate) struct Oracle {
    /// Every entry that was committed, by whoever, in order.
    pub(crate) log: Vec<Rc<Slot>>,
    /// What `apply` answered to each, where it has a command.
    outcomes: Vec<Option<Outcome>>,
    /// The state after the last.
    pub(crate) state: ClusterState,
    /// The resource of each action that was planned.
    planned: BTreeMap<ActionId, ResourceId>,
    /// Which action each proposed claim is for, by host, process and tag.
    claims: BTreeMap<(usize, u64, Tag), ActionId>,
    /// Grants that were answered to the process that claimed them, and were not begun yet.
    answered: BTreeSet<(usize, u64, ResourceId, Operation)>,
    /// Whether the claim of a VM that stands there prepared stood at that moment.
    prepared: BTreeMap<(usize, ResourceId), bool>,
    /// Since when each VM is banned from where.
    banned: BTreeMap<(ResourceId, NodeId), u64>,
    /// Where each VM last began to run.
    last_host: BTreeMap<ResourceId, (usize, u64)>,
}

impl World {
    /// A member commits an entry: either it is the one all know, or it is new.
    pub(crate) fn learn(&mut self, h: usize, index: usize, slot: &Rc<Slot>) {
        if let Some(known) = self.oracle.log.get(index - 1) {
            if !Rc::ptr_eq(known, slot) {
                self.fail("log", format!("{} has another entry at {index} than was committed", self.names[h]));
            }
            return;
        }
        if index != self.oracle.log.len() + 1 {
            return self
                .fail("log", format!("{} commits {index} when {} is the last", self.names[h], self.oracle.log.len()));
        }
        self.oracle.log.push(slot.clone());
        self.counts.entries += 1;
        if let Some(members) = &slot.members {
            self.members = members.clone();
        }
        let Some(entry) = &slot.entry else {
            return self.oracle.outcomes.push(None);
        };
        let outcome = self.oracle.state.apply(index as u64, entry);
        self.trace(|_| format!("log {index}: {} -> {}", words(&entry.command), answer_words(&outcome)));
        self.count(&entry.command, &outcome);
        self.fingerprint = mix(self.fingerprint, entry.at.0);
        self.oracle.outcomes.push(Some(outcome.clone()));
        if let Command::Plan { .. } = &entry.command {
            let actions = self.oracle.state.actions.values().map(|action| (action.id, action.resource.clone()));
            self.oracle.planned.extend(actions);
        }
        if let Some(broken) = invariant::broken(&self.oracle.state).into_iter().next() {
            self.fail(broken.rule, broken.what);
        }
        self.check_bans(slot);
        self.check_arming(slot, &outcome);
        self.forget_offs();
        self.learn_services(slot, &outcome);
        self.check_proofs();
        self.check_beliefs();
        self.check_judgement(slot);
        self.check_breath(slot);
        self.learn_notices(slot);
    }

    fn count(&mut self, command: &Command, outcome: &Outcome) {
        let refused = matches!(outcome, Outcome::Refused(_));
        match command {
            Command::Judge { verdict: Verdict::Lost { .. }, .. } if !refused => self.counts.lost += 1,
            Command::Condemn { .. } if !refused => self.counts.condemned += 1,
            Command::FenceCallOff { .. } if !refused => self.counts.called_off += 1,
            Command::WatchdogWaited { pill, .. } if !refused => {
                self.counts.watchdog_proofs += 1;
                self.counts.pill_proofs += u64::from(pill.is_some());
            }
            Command::FenceResult { outcome: Ok(()), .. } if !refused => self.counts.power_proofs += 1,
            _ => {}
        }
        let ended =
            self.oracle.state.events.iter().rev().take_while(|event| event.index == self.oracle.log.len() as u64);
        let fenced = ended.filter(|event| event.kind == quorate_core::state::EventKind::Fenced).count();
        self.counts.proofs += fenced as u64;
    }

    /// Every member's answer to an entry is the same.
    pub(crate) fn compare(&mut self, h: usize, index: usize, outcome: Option<&Outcome>) {
        if self.oracle.outcomes.get(index - 1).is_some_and(|known| known.as_ref() != outcome) {
            self.fail("same state", format!("{} answers entry {index} otherwise than the others", self.names[h]));
        }
    }

    /// A whole state is the one that all came to after the same entry.
    pub(crate) fn compare_snapshot(&mut self, h: usize) {
        let at = self.oracle.log.len();
        let own = self.hosts[h].daemon.as_ref().filter(|daemon| daemon.replica.applied == at);
        if own.is_some_and(|daemon| daemon.state != self.oracle.state) {
            self.fail("same state", format!("{} took over another state after entry {at}", self.names[h]));
        }
    }

    /// Members that are at the same index have the same state.
    pub(crate) fn compare_states(&mut self) {
        let at = self.oracle.log.len();
        let different = self.hosts.iter().position(|host| {
            host.daemon.as_ref().is_some_and(|daemon| daemon.replica.applied == at && daemon.state != self.oracle.state)
        });
        if let Some(h) = different {
            self.fail("same state", format!("{} has another state after entry {at}", self.names[h]));
        }
    }

    /// What was banned long ago is not brought there.
    fn check_bans(&mut self, slot: &Slot) {
        let state = &self.oracle.state;
        let all = state.preferences.iter();
        let bans = all.flat_map(|(vm, nodes)| {
            let bans = nodes.iter().filter(|(_, said)| said.wish == Wish::Ban && !said.is_over(state.now));
            bans.map(move |(node, _)| (vm.clone(), node.clone()))
        });
        let bans: BTreeSet<_> = bans.collect();
        self.oracle.banned.retain(|ban, _| bans.contains(ban));
        for ban in bans {
            self.oracle.banned.entry(ban).or_insert(slot.born);
        }
        let (Some(Command::Claim { action, speaker, .. }), Some(Some(Outcome::Granted(_)))) =
            (slot.entry.as_ref().map(|entry| &entry.command), self.oracle.outcomes.last())
        else {
            return;
        };
        let Some(action) = self.oracle.state.actions.get(action).filter(|action| action.kind == ActionKind::Start)
        else {
            return;
        };
        let key = (action.resource.clone(), speaker.node.clone());
        let long = self.oracle.banned.get(&key).is_some_and(|since| slot.born >= since + BAN_HOLDS);
        if long {
            self.fail("ban", format!("{} is started on {}, from where it was banned long before", key.0, key.1));
        }
    }

    /// proof-of-death: a session that is proven dead is dead, unless a device lied about it.
    fn check_proofs(&mut self) {
        let wrong = self.names.iter().zip(&self.hosts).find_map(|(name, host)| {
            let session = self.oracle.state.nodes.get(name)?.session.as_ref()?;
            // A host that said goodbye lives on for a moment, with nothing on it.
            let is_dead = !matches!(session.state, SessionState::Ended(Proof::Goodbye { .. }));
            let is_ended = matches!(session.state, SessionState::Ended(_)) && is_dead;
            (is_ended && host.lives(&session.id) && !host.lied_about.contains(&session.id))
                .then(|| (name.clone(), session.clone()))
        });
        if let Some((name, session)) = wrong {
            let SessionState::Ended(proof) = &session.state else { return };
            self.fail("proof-of-death", format!("{name} was proven dead ({}), and it lives", proof.words()));
        }
    }

    /// unknown-is-not-stopped: what runs is never believed to be stopped.
    fn check_beliefs(&mut self) {
        let state = &self.oracle.state;
        let wrong = self.names.iter().zip(&self.hosts).find_map(|(name, host)| {
            if host.lied_about.contains(&host.session) {
                return None;
            }
            // What stands still after it was sent may be let go on by its hypervisor at any moment.
            let running = host.virt.domains.iter().filter(|(_, vm)| matches!(vm, Vm::Running | Vm::Leaving));
            let node = state.nodes.get(name)?;
            let is_known = node.living_session().is_some_and(|session| session.id == host.session);
            let unknown =
                running.map(|(vm, _)| vm).find(|vm| !is_known || state.standing(vm, name) == Standing::NotActive);
            unknown.map(|vm| (vm.clone(), name.clone()))
        });
        if let Some((vm, name)) = wrong {
            self.fail("unknown-is-not-stopped", format!("{vm} runs on {name} and is believed to be stopped there"));
        }
    }

    /// one-copy, by ground truth: at the moment when a VM's CPUs begin to run.
    pub(crate) fn begins_to_run(&mut self, h: usize, vm: &ResourceId) {
        self.counts.starts += 1;
        if vm.as_str() == crate::clones::CLONED {
            self.hearing.ran.insert(h);
        }
        self.outdate_copies(vm, h);
        let boot = self.hosts[h].boot;
        self.trace(|world| format!("{vm} RUNS on {}", world.names[h]));
        if self.hosts[h].witness {
            self.fail("witness", format!("{vm} runs on {}, which is a witness", self.names[h]));
        }
        let mut allowed = self.copies_granted(h, vm);
        let mut beside = Vec::new();
        for other in (0..self.hosts.len()).filter(|other| *other != h) {
            let host = &self.hosts[other];
            let excused =
                host.lied_about.contains(&host.session) || self.hosts[h].lied_about.contains(&self.hosts[h].session);
            if host.power && !excused && host.virt.domains.get(vm) == Some(&Vm::Running) {
                allowed = allowed.max(self.copies_granted(other, vm));
                beside.push(self.names[other].to_string());
            }
        }
        if beside.len() >= allowed {
            self.fail("one-copy", format!("{vm} runs on {} and on {}", beside.join(", "), self.names[h]));
        }
        if let Some((last, last_boot)) = self.oracle.last_host.insert(vm.clone(), (h, boot)) {
            let died = last != h && (self.hosts[last].boot != last_boot || !self.hosts[last].power);
            self.counts.recoveries += u64::from(died);
        }
        self.check_beliefs();
    }

    /// Where a VM began to run last.
    pub(crate) fn last_host_of(&self, vm: &ResourceId) -> Option<&NodeId> {
        self.oracle.last_host.get(vm).and_then(|(h, _)| self.names.get(*h))
    }

    /// A process proposes to claim an action.
    pub(crate) fn note_claim(&mut self, h: usize, tag: Tag, command: &Command) {
        if let (Command::Claim { action, .. }, Some(daemon)) = (command, &self.hosts[h].daemon) {
            self.oracle.claims.insert((h, daemon.process, tag), *action);
        }
    }

    /// answer-only: a process is answered that its own claim is granted.
    pub(crate) fn note_answer(&mut self, h: usize, tag: Tag, answer: &Result<Outcome, ProposeError>) {
        let Some(process) = self.hosts[h].daemon.as_ref().map(|daemon| daemon.process) else { return };
        let action = self.oracle.claims.remove(&(h, process, tag));
        if let (Some(action), Ok(Outcome::Granted(operation))) = (action, answer)
            && let Some(resource) = self.oracle.planned.get(&action)
        {
            self.oracle.answered.insert((h, process, resource.clone(), *operation));
        }
    }

    /// answer-only: nothing is started or stopped but on the answer to the process's own claim, and only once.
    pub(crate) fn check_grant(&mut self, h: usize, job: &Job) {
        let Some(daemon) = &self.hosts[h].daemon else { return };
        let key = (h, daemon.process, job.resource.clone(), job.operation);
        if job.kind != ActionKind::Probe && !self.oracle.answered.remove(&key) {
            let name = &self.names[h];
            let what = format!(
                "{name} begins to {} {} without an answer to a claim of its own",
                job.kind.word(),
                job.resource
            );
            self.fail("answer-only", what);
        }
    }

    /// A VM stands there, created and not yet running: does its claim stand?
    pub(crate) fn note_prepared(&mut self, h: usize, vm: &ResourceId) {
        let name = &self.names[h];
        let state = &self.oracle.state;
        let is_open = state.nodes.get(name).is_some_and(|node| node.is_open(&self.hosts[h].session));
        let is_claimed = state
            .activity(vm, name)
            .and_then(|activity| activity.claim.as_ref())
            .is_some_and(|claim| matches!(claim.kind, ActionKind::Start | ActionKind::Handover | ActionKind::Promote));
        self.oracle.prepared.insert((h, vm.clone()), is_open && is_claimed);
    }

    /// transient: what did not stand any more when the VM was prepared is not resumed.
    pub(crate) fn check_resume(&mut self, h: usize, vm: &ResourceId) {
        if self.oracle.prepared.remove(&(h, vm.clone())) == Some(false) {
            self.fail(
                "transient",
                format!("{vm} is resumed on {} on a claim or session that did not stand any more", self.names[h]),
            );
        }
    }

    /// contained: an action of an earlier daemon touches nothing once a later one was welcomed.
    pub(crate) fn check_contained(&mut self, h: usize, process: u64, vm: &ResourceId) {
        let later = self.hosts[h].daemon.as_ref().is_some_and(|daemon| {
            daemon.process > process && daemon.engine.incarnation() != quorate_core::id::Incarnation(0)
        });
        if later {
            self.fail("contained", format!("an action of an earlier daemon of {} still works on {vm}", self.names[h]));
        }
    }

    /// send-by: an off reaches only who is to be fenced.
    pub(crate) fn check_off(&mut self, target: usize) {
        let name = &self.names[target];
        let session = &self.hosts[target].session;
        let state = &self.oracle.state;
        let is_admitted = state.nodes.get(name).is_some_and(|node| node.is_open(session));
        let is_wanted = state.intents.get(name).is_some_and(|intent| intent.session == *session);
        if is_admitted && !is_wanted {
            self.fail(
                "send-by",
                format!("an off reaches {name}, which was admitted and which nobody wants to be fenced"),
            );
        }
    }

    /// proofs: switching on is a later action, and no part of a proof that is still sought.
    pub(crate) fn check_on(&mut self, target: usize) {
        let name = &self.names[target];
        let state = &self.oracle.state;
        let living = state.nodes.get(name).and_then(|node| node.living_session());
        let is_sought = |session: &SessionId| state.intents.get(name).is_some_and(|intent| intent.session == *session);
        if living.is_some_and(|living| is_sought(&living.id)) {
            self.fail("power-on", format!("{name} is switched on before it was proven off"));
        }
    }

    /// What is not as it should be in the healed world; `None` when all is well.
    pub(crate) fn not_well(&self) -> Option<String> {
        let state = &self.oracle.state;
        if self.members.is_joint() {
            return Some(format!("two sets of voters are left to agree: {:?}", self.members.sets));
        }
        let is_awaited = |h: &usize| self.hosts[*h].life != Life::Member && state.members.contains_key(&self.names[*h]);
        if let Some(h) = (0..self.hosts.len()).find(is_awaited) {
            return Some(format!("{} is not a member again", self.names[h]));
        }
        if let Some((node, at)) = state.nodes.iter().find(|(_, at)| !at.is_online()) {
            return Some(format!("{node} is {:?}", at.liveness));
        }
        if let Some(node) = state.intents.keys().next() {
            return Some(format!("{node} is still to be fenced"));
        }
        if let Some(what) = self.is_unarmed() {
            return Some(what);
        }
        if let Some(action) = state.actions.values().next() {
            return Some(format!("{} of {} on {} is still planned", action.kind.word(), action.resource, action.node));
        }
        let wanted: BTreeSet<&ResourceId> = state
            .config
            .primitives
            .iter()
            .filter(|(_, primitive)| !primitive.is_fence_device())
            .filter(|(_, primitive)| primitive.meta.get("target-role").is_none_or(|role| role == "Started"))
            .map(|(vm, _)| vm)
            .collect();
        let held_back: BTreeSet<&ResourceId> = state
            .config
            .orders
            .values()
            .filter(|order| !wanted.contains(&order.first))
            .map(|order| &order.then)
            .collect();
        let wanted: BTreeSet<&ResourceId> = wanted.difference(&held_back).copied().collect();
        if let Some(what) = self.service_not_well(&wanted) {
            return Some(what);
        }
        if let Some(what) =
            self.clone_is_not_whole().or_else(|| self.promotion_is_not_whole()).or_else(|| self.notices_are_left())
        {
            return Some(what);
        }
        let placeless = self.placeless();
        crate::setup::vms().iter().filter(|vm| !placeless.contains(vm)).find_map(|vm| {
            let on: Vec<&NodeId> = self
                .names
                .iter()
                .zip(&self.hosts)
                .filter(|(_, host)| host.virt.domains.contains_key(vm))
                .map(|(name, _)| name)
                .collect();
            (on.len() != usize::from(wanted.contains(vm))).then(|| format!("{vm} is on {on:?}"))
        })
    }

    /// VMs that cannot all run as they should, with the members that are left, and what has to wait for them.
    fn placeless(&self) -> BTreeSet<&ResourceId> {
        let config = &self.oracle.state.config;
        let places = |vm: &ResourceId| {
            let hosts = self.oracle.state.members.values().filter(|member| !member.witness).map(|member| &member.name);
            let forbids = |node: &NodeId| config.locations.values().any(|it| it.resource == *vm && it.node == *node);
            hosts.filter(|node| !forbids(node)).collect::<BTreeSet<_>>()
        };
        let mut all: BTreeSet<&ResourceId> = config.primitives.keys().filter(|vm| places(vm).is_empty()).collect();
        for apart in config.colocations.values() {
            let both = (&apart.resource, &apart.with);
            if places(both.0).union(&places(both.1)).count() < 2 {
                all.extend([both.0, both.1]);
            }
            // The planner places the other first, and moves nobody for it: it waits while that one has its only place.
            let is_taken = |node: &NodeId| {
                let hosts = self.names.iter().zip(&self.hosts);
                hosts.filter(|(name, _)| *name == node).any(|(_, host)| host.virt.domains.contains_key(both.1))
            };
            if places(both.0).iter().all(|node| is_taken(node)) {
                all.insert(both.0);
            }
        }
        let after = config.orders.values().filter(|order| all.contains(&order.first)).map(|order| &order.then);
        let after: Vec<&ResourceId> = after.collect();
        all.extend(after);
        all
    }

    /// Fences that ended, and how; for the summary of a trace.
    pub(crate) fn fence_words(&self) -> Vec<String> {
        let by = |end: &FenceEnd| match end {
            FenceEnd::Proven(proof) => proof.words(),
            FenceEnd::CalledOff => "called off".to_owned(),
        };
        self.oracle
            .state
            .fences
            .iter()
            .map(|record| format!("{}: {} ({})", record.target, by(&record.end), record.intent.cause))
            .collect()
    }
}

fn words(command: &Command) -> String {
    let mut text = format!("{command:?}");
    if matches!(command, Command::Configure { .. } | Command::Join { .. } | Command::Found(_)) {
        text.truncate(40);
    } else if text.len() > 300 {
        text = text.chars().take(300).collect();
    }
    text
}

fn answer_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(refusal) => format!("refused: {refusal}"),
        other => format!("{other:?}"),
    }
}
