//! OCF resources, in each third seed: what is configured, what their agents suffer from and people want, and what must hold.
//!
//! Their chance is a stream of its own, so that seeds without them are the runs they were before.

use crate::agents::{Health, is_service};
use crate::bmc::Mode;
use crate::dice::Dice;
use crate::event::{Scope, What};
use crate::people::Wish;
use crate::replica::Slot;
use crate::setup::attributes;
use crate::world::World;
use quorate_core::config::{Agent, AgentClass, Attributes, Config, Operation, Order, Primitive, TargetRole};
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::{ActionKind, Command, FenceCause, Outcome, Seen, SessionState, Standing, Wish as Liking};
use quorate_node::engine::Executed;
use std::collections::{BTreeMap, BTreeSet};

/// Makes their stream another one than the world's.
const STREAM: u64 = 0x0cf0_0cf0_0cf0_0cf0;

/// How the agents of a host behave; chances are per thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mood {
    pub(crate) bad_starts: u64,
    pub(crate) bad_stops: u64,
    pub(crate) bad_looks: u64,
    pub(crate) slow: bool,
}

/// All about them that is of no host.
pub(crate) struct Agency {
    pub(crate) dice: Dice,
    /// What is configured of them, in the beginning; nothing in seeds without them.
    pub(crate) primitives: BTreeMap<ResourceId, Primitive>,
    /// Boots that were judged lost when a start was granted whose proof somebody waived.
    beside: BTreeMap<(NodeId, ResourceId), BTreeSet<SessionId>>,
    /// In which boots an agent was told to have failed to stop it, and in which it was seen not to work.
    bad_stops: BTreeSet<(SessionId, ResourceId)>,
    broken: BTreeSet<(SessionId, ResourceId)>,
    /// Hosts that a device switched off and that are not back, and when that was.
    pub(crate) offs: Vec<(usize, u64)>,
    /// Fences whose cause was looked at.
    seen_fences: BTreeSet<SessionId>,
}

fn operation(name: &str, pairs: &[(&str, &str)]) -> Operation {
    Operation { name: name.to_owned(), attributes: attributes(pairs) }
}

impl Agency {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ STREAM);
        let primitives = if seed % 3 == 2 { draw_services(&mut dice) } else { BTreeMap::new() };
        Self {
            dice,
            primitives,
            beside: BTreeMap::new(),
            offs: Vec::new(),
            bad_stops: BTreeSet::new(),
            broken: BTreeSet::new(),
            seen_fences: BTreeSet::new(),
        }
    }

    pub(crate) fn ids(&self) -> Vec<ResourceId> {
        self.primitives.keys().cloned().collect()
    }

    /// Puts them into the configuration that a run begins with.
    pub(crate) fn configure(&mut self, config: &mut Config) {
        if self.primitives.is_empty() {
            return;
        }
        config.primitives.extend(self.primitives.clone());
        if self.dice.chance(300) {
            config.orders.insert("base".to_owned(), Order::start(&"svc1".into(), &"svc2".into()));
        }
    }
}

/// One as people have them by default, one with a taste of its own, and one that may run twice.
fn draw_services(dice: &mut Dice) -> BTreeMap<ResourceId, Primitive> {
    let taste = *dice.pick(&["restart", "restart", "stop", "block", "ignore", "fence"]);
    let stop = *dice.pick(&["fence", "fence", "block"]);
    let requires = *dice.pick(&["quorum", "nothing"]);
    let threshold = *dice.pick(&["0", "1", "2", "3"]);
    let meta = |pairs: &[(&str, &str)]| {
        let mut all = attributes(pairs);
        all.insert("target-role".to_owned(), "Started".to_owned());
        all.insert("migration-threshold".to_owned(), threshold.to_owned());
        all
    };
    let service = |meta, on_fail, stop| Primitive {
        agent: Agent { class: AgentClass::Ocf, provider: Some("heartbeat".to_owned()), kind: "Simulated".to_owned() },
        params: Attributes::new(),
        meta,
        utilization: Attributes::new(),
        operations: vec![
            operation("monitor", &[("interval", "2s"), ("timeout", "4s"), ("on-fail", on_fail)]),
            operation("start", &[("timeout", "8s")]),
            operation("stop", &[("timeout", "6s"), ("on-fail", stop)]),
        ],
        ruled: Vec::new(),
    };
    let all = [
        ("svc1", service(meta(&[]), "restart", "fence")),
        ("svc2", service(meta(&[]), taste, stop)),
        ("svc3", service(meta(&[("requires", requires)]), "restart", "fence")),
    ];
    all.into_iter().map(|(id, primitive)| (ResourceId::new(id), primitive)).collect()
}

impl World {
    /// Their faults and wishes begin, where there are any.
    pub(crate) fn begin_services(&mut self) {
        if !self.agency.primitives.is_empty() {
            let first = self.agency.dice.of(3000..=9000);
            self.queue.push(self.now + first, Scope::World, What::AgentFault);
        }
    }

    /// Something happens to an agent, what it brought up, or what somebody wants of it.
    pub(crate) fn agent_fault(&mut self) {
        if self.faults.is_over() {
            return;
        }
        let ids = self.agency.ids();
        let dice = &mut self.agency.dice;
        let (h, kind) = (dice.index(self.names.len()), dice.of(0..=105));
        let (resource, node) = (dice.pick(&ids).clone(), dice.pick(&self.names).clone());
        let (lasts, chance) = (dice.of(1000..=10_000), dice.of(300..=1000));
        let wait = if dice.chance(400) { dice.of(50..=1500) } else { dice.of(1500..=9000) };
        self.trace(|world| format!("AGENT FAULT {kind} at {} or {resource}", world.names[h]));
        let mood = &mut self.hosts[h].agents.mood;
        match kind {
            0..=17 => self.hit_service(&resource, None),
            18..=31 => self.hit_service(&resource, Some(Health::Broken)),
            32..=41 => mood.bad_starts = chance,
            42..=49 => mood.bad_stops = chance,
            50..=57 => mood.bad_looks = chance,
            58..=65 => mood.slow = true,
            66..=75 => self.wish(Wish::Role(resource, TargetRole::Stopped)),
            76..=87 => self.wish(Wish::Role(resource, TargetRole::Started)),
            88..=91 => self.wish(Wish::Cleanup(resource)),
            92..=93 => self.wish(Wish::Prefer(resource, node, Liking::Ban, None)),
            98..=103 => self.feed_fault(h),
            94..=97 => self.wish(Wish::Prefer(resource, node, Liking::Move, None)),
            _ => self.wish(Wish::Clear(resource)),
        }
        if (32..=65).contains(&kind) || (98..=103).contains(&kind) {
            let scope = Scope::World;
            self.queue.push(self.now + lasts, scope, What::AgentsWell(h));
        }
        self.queue.push(self.now + wait, Scope::World, What::AgentFault);
    }

    /// Whatever host has it: it is gone, or does not work any more.
    fn hit_service(&mut self, resource: &ResourceId, after: Option<Health>) {
        for host in self.hosts.iter_mut().filter(|host| !host.frozen && host.agents.services.contains_key(resource)) {
            match after {
                Some(health) => _ = host.agents.services.insert(resource.clone(), health),
                None => _ = host.agents.services.remove(resource),
            }
            self.counts.service_faults += 1;
        }
    }

    pub(crate) fn agents_well(&mut self, h: usize) {
        self.hosts[h].agents.mood = Mood::default();
        self.hosts[h].feeds.iter_mut().for_each(|feed| feed.mode = Mode::Ok);
    }

    /// In the healed world: all are wanted, or most.
    pub(crate) fn want_services(&mut self) {
        for id in self.agency.ids() {
            let role = if self.agency.dice.chance(850) { TargetRole::Started } else { TargetRole::Stopped };
            self.wish(Wish::Clear(id.clone()));
            self.wish(Wish::Role(id, role));
        }
    }

    /// What is left to a person where it does not work is mended there.
    pub(crate) fn mend_services(&mut self) {
        for (id, primitive) in &self.agency.primitives {
            let is_left =
                |of: &Operation| of.name == "monitor" && of.attributes.get("on-fail").is_some_and(|it| it == "block");
            if primitive.operations.iter().any(is_left) {
                let health = self.hosts.iter_mut().filter_map(|host| host.agents.services.get_mut(id));
                health.for_each(|health| *health = Health::Works);
            }
        }
    }

    /// one-copy, at the moment when an agent brings it up.
    pub(crate) fn service_begins(&mut self, h: usize, id: &ResourceId) {
        self.counts.service_starts += 1;
        self.trace(|world| format!("{id} RUNS on {}", world.names[h]));
        if self.hosts[h].witness {
            self.fail("witness", format!("{id} runs on {}, which is a witness", self.names[h]));
        }
        // Whichever of the two comes up last: what stood still with its claim does so beside the one that was let start.
        let is_waived = |there: usize, beside: &SessionId| {
            let sessions = self.agency.beside.get(&(self.names[there].clone(), id.clone()));
            sessions.is_some_and(|sessions| sessions.contains(beside))
        };
        let is_excused = |other: usize| {
            let (own, others) = (&self.hosts[h], &self.hosts[other]);
            others.lied_about.contains(&others.session)
                || own.lied_about.contains(&own.session)
                || is_waived(h, &others.session)
                || is_waived(other, &own.session)
        };
        let has_it = |other: &usize| self.hosts[*other].power && self.hosts[*other].agents.services.contains_key(id);
        let others: Vec<usize> = (0..self.hosts.len()).filter(|other| *other != h).filter(has_it).collect();
        let twice = others.iter().copied().find(|other| !is_excused(*other));
        self.counts.waived += u64::from(!others.is_empty() && twice.is_none());
        if let Some(other) = twice {
            self.fail("one-copy", format!("{id} runs on {} and on {}", self.names[other], self.names[h]));
        }
        self.check_services();
    }

    /// What was committed is held against what agents did; the boots beside which a start was granted are noted.
    pub(crate) fn learn_services(&mut self, slot: &Slot, outcome: &Outcome) {
        if self.agency.primitives.is_empty() {
            return;
        }
        let command = slot.entry.as_ref().map(|entry| &entry.command);
        if let (Some(Command::Claim { action, speaker, .. }), Outcome::Granted(_)) = (command, outcome) {
            let state = &self.oracle.state;
            let action = state.actions.get(action).filter(|action| action.kind == ActionKind::Start);
            if let Some(resource) = action.map(|action| action.resource.clone()).filter(|it| self.is_waived(it)) {
                let sessions = state.nodes.values().filter_map(|node| node.session.as_ref());
                let lost = sessions.filter(|session| session.state == SessionState::Lost);
                let lost = lost.map(|session| session.id.clone()).collect();
                self.agency.beside.insert((speaker.node.clone(), resource), lost);
            }
        }
        self.check_services();
        self.check_fences();
    }

    /// Whether it is configured so in this run: a checker does not ask the state machine.
    fn is_waived(&self, id: &ResourceId) -> bool {
        self.agency.primitives.get(id).is_some_and(|primitive| primitive.meta.contains_key("requires"))
    }

    /// unknown-is-not-stopped: what is there is never believed not to be.
    fn check_services(&mut self) {
        let state = &self.oracle.state;
        let wrong = self.names.iter().zip(&self.hosts).find_map(|(name, host)| {
            if host.agents.services.is_empty() || host.lied_about.contains(&host.session) {
                return None;
            }
            let is_known = state.nodes.get(name)?.living_session().is_some_and(|session| session.id == host.session);
            let mut there = host.agents.services.keys();
            let unknown = there.find(|id| !is_known || state.standing(id, name) == Standing::NotActive);
            unknown.map(|id| (id.clone(), name.clone()))
        });
        if let Some((id, name)) = wrong {
            self.fail("unknown-is-not-stopped", format!("{id} is on {name} and is believed to be stopped there"));
        }
    }

    /// An agent's word reaches its daemon.
    pub(crate) fn note_agent(&mut self, h: usize, id: &ResourceId, kind: ActionKind, told: &Executed) {
        let key = (self.hosts[h].session.clone(), id.clone());
        if kind == ActionKind::Stop && told.seen != Seen::Stopped {
            self.agency.bad_stops.insert(key.clone());
        }
        if matches!(told.seen, Seen::Failed(_)) {
            self.note_broken(h, id);
        }
    }

    /// An agent said, or a daemon that started found, that it does not work.
    pub(crate) fn note_broken(&mut self, h: usize, id: &ResourceId) {
        self.agency.broken.insert((self.hosts[h].session.clone(), id.clone()));
    }

    /// A service takes a node along only where somebody asked for that, and it gave cause.
    fn check_fences(&mut self) {
        let mut wrong = None;
        for (node, intent) in &self.oracle.state.intents {
            let (cause, id) = match &intent.cause {
                FenceCause::StopFailed { resource, .. } => ("stop", resource),
                FenceCause::Broken { resource, .. } => ("monitor", resource),
                _ => continue,
            };
            let Some(primitive) = self.agency.primitives.get(id) else { continue };
            if !self.agency.seen_fences.insert(intent.session.clone()) {
                continue;
            }
            let on_fail =
                |of: &&Operation| of.name == cause && of.attributes.get("on-fail").is_some_and(|it| it == "fence");
            let is_asked = primitive.operations.iter().any(|of| on_fail(&of));
            let key = (intent.session.clone(), id.clone());
            let is_true = self.agency.broken.contains(&key) || self.agency.bad_stops.contains(&key);
            if !(is_asked && is_true) {
                wrong = Some(format!("{node} is to be fenced: {}", intent.cause));
            }
        }
        if let Some(what) = wrong {
            self.fail("fence", format!("{what}, and nobody asked for that, or nothing of it is so"));
        }
    }

    /// What is not as it should be with a service in the healed world.
    pub(crate) fn service_not_well(&self, wanted: &BTreeSet<&ResourceId>) -> Option<String> {
        self.agency.primitives.iter().find_map(|(id, primitive)| {
            let has_it = |(name, host): (&NodeId, &crate::host::Host)| {
                host.agents.services.get(id).map(|health| (name.clone(), *health))
            };
            let on: Vec<_> = self.names.iter().zip(&self.hosts).filter_map(has_it).collect();
            let ignores = |of: &Operation| of.attributes.get("on-fail").is_some_and(|it| it == "ignore");
            let may_be_broken = primitive.operations.iter().any(ignores);
            let is_good = on.len() == usize::from(wanted.contains(id))
                && on.iter().all(|(_, health)| *health == Health::Works || may_be_broken);
            (!is_good).then(|| format!("{id} is on {on:?}"))
        })
    }
}

/// Those of a configuration.
pub(crate) fn split(
    known: BTreeMap<ResourceId, Primitive>,
) -> (BTreeMap<ResourceId, Primitive>, BTreeMap<ResourceId, Primitive>) {
    known.into_iter().partition(|(_, primitive)| is_service(primitive))
}
