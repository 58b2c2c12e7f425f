//! A small cluster that lives through what a test tells of: every state comes from log entries, none is made up.

// Each test that tells a story uses a part of this.
#![allow(dead_code, unreachable_pub, missing_docs)]

use quorate_core::config::ConfigPatch;
use quorate_core::grammar;
use quorate_core::id::{HardwareId, NodeId, RaftId, ResourceId, SessionId, StoreId};
use quorate_core::planner;
use quorate_core::state::{
    Action, ActionKind, ClusterState, Command, DrillWord, Entry, Founding, Grant, Member, Outcome, Seen, Speaker,
    Spent, Verdict,
};
use quorate_core::time::Timestamp;
use quorate_core::view::{Live, Status, status};
use std::collections::BTreeMap;
use std::time::Duration;

/// When stories begin: 22 Nov 2026, 03:00 UTC.
pub const BEGIN: u64 = 1_795_316_400_000;

pub struct Story {
    pub state: ClusterState,
    clock: u64,
}

impl Story {
    /// Members that said hello, and a configuration; nothing is started yet.
    pub fn of(nodes: &[&str], config: &str) -> Self {
        let mut story = Self { state: ClusterState::default(), clock: BEGIN };
        for (place, name) in nodes.iter().enumerate() {
            story.admit(name, u64::try_from(place).expect("few nodes") + 1);
        }
        for name in nodes {
            story.boot(name, 1);
        }
        story.configure(config);
        story
    }

    /// The three hosts of most stories with two VMs, all up and running.
    pub fn healthy() -> Self {
        let mut story = Self::of(&["n1", "n2", "n3"], HOUSEHOLD);
        story.settle();
        story
    }

    pub fn wait(&mut self, seconds: u64) {
        self.clock += seconds * 1000;
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock)
    }

    /// An entry that must be accepted.
    pub fn tell(&mut self, command: Command) -> Outcome {
        let entry = Entry { at: self.now(), request: None, command };
        let outcome = self.state.apply(self.state.index + 1, &entry);
        assert!(!matches!(outcome, Outcome::Refused(_)), "{:?} -> {outcome:?}", entry.command);
        outcome
    }

    /// New fence devices are read, and pass.
    pub fn configure(&mut self, text: &str) {
        let mut no_files = |name: &str| Err(format!("{name}: stories have no files"));
        let statements = grammar::parse(text, &mut no_files).expect("stories are in the grammar");
        let mut new = self.state.config.clone();
        grammar::apply_statements(&mut new, statements, grammar::Mode::Update).expect("stories fit together");
        let diff = grammar::diff(&self.state.config, &new);
        let patch = Box::new(ConfigPatch::between(&self.state.config, &new));
        self.tell(Command::Configure { actor: "root".to_owned(), base: self.state.revision, patch, diff });
        let untested = self.state.nodes.iter().flat_map(|(node, at)| {
            let drilled = at.drilled.iter().filter(|(_, drilled)| drilled.passed.is_none());
            drilled.map(|(device, _)| (node.clone(), device.clone())).collect::<Vec<_>>()
        });
        for (node, device) in untested.collect::<Vec<_>>() {
            let (by, revision, outcome) = (NodeId::from("n9"), self.state.revision, Ok(()));
            self.tell(Command::Drilled(DrillWord { by, node, device, revision, outcome }));
        }
    }

    fn admit(&mut self, name: &str, number: u64) {
        let member = Member {
            name: NodeId::from(name),
            raft_id: RaftId(number),
            address: format!("10.0.0.{number}:7000"),
            hardware: HardwareId::new(format!("hardware-of-{name}")),
            hardware_is_dmi: true,
            store: StoreId::new(format!("store-of-{name}")),
            fingerprint: format!("key-of-{name}"),
            joined: self.now(),
            witness: false,
        };
        if self.state.identity.is_none() {
            let secret = "a private key".to_owned();
            let (cluster_id, name) = ("c0ffee00-0000-4000-8000-000000000000".to_owned(), "house".to_owned());
            let ca_certificate = "a certificate".to_owned();
            self.tell(Command::Found(Founding { cluster_id, name, ca_certificate, ca_key: secret, member }));
            return;
        }
        let token = format!("token of {name}");
        let expires = Timestamp(self.clock + 1000);
        self.tell(Command::CreateToken { hash: token.clone(), expires, actor: "root".to_owned() });
        self.tell(Command::Join { token, member: Box::new(member) });
    }

    /// A boot of a host with nothing on it.
    pub fn boot(&mut self, name: &str, boot: u32) {
        let node = NodeId::from(name);
        let follows = self.state.nodes[&node].incarnation;
        let vms = self.state.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device());
        self.tell(Command::Hello {
            hardware: HardwareId::new(format!("hardware-of-{name}")),
            session: SessionId::new(format!("b00{boot}{name}-0000-4000-8000-000000000000")),
            follows,
            inventory: vms.map(|(id, _)| (id.clone(), Seen::Stopped)).collect(),
            node,
            release: quorate_core::state::Release::this(),
        });
    }

    pub fn session(&self, node: &str) -> SessionId {
        self.state.nodes[&NodeId::from(node)].session.as_ref().expect("it said hello").id.clone()
    }

    pub fn speaker(&self, node: &str) -> Speaker {
        let incarnation = self.state.nodes[&NodeId::from(node)].incarnation;
        Speaker { node: NodeId::from(node), session: self.session(node), incarnation }
    }

    /// What the planner wants is put into the log, once.
    pub fn plan(&mut self) {
        let plan = planner::plan(&self.state);
        if !plan.add.is_empty() || !plan.cancel.is_empty() {
            self.tell(Command::Plan { cancel: plan.cancel, add: plan.add });
        }
    }

    /// Claims an action that is planned.
    pub fn claim(&mut self, kind: ActionKind, resource: &str, node: &str) {
        let fits = |action: &&Action| {
            (action.kind, action.node.as_str()) == (kind, node) && action.resource.as_str() == resource
        };
        let action = self.state.actions.values().find(fits).expect("it is planned").id;
        self.tell(Command::Claim { speaker: self.speaker(node), action, deadline: Duration::from_secs(60) });
    }

    /// Ends what was claimed.
    pub fn result(&mut self, resource: &str, node: &str, seen: Seen, error: Option<&str>) {
        let id = ResourceId::from(resource);
        let operation = self.state.resources[&id][&NodeId::from(node)].operation;
        let error = error.map(Into::into);
        self.tell(Command::Result {
            speaker: self.speaker(node),
            resource: id,
            operation,
            seen,
            error,
            took: Duration::ZERO,
            reload: None,
        });
    }

    /// Plans and carries out with success until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            self.plan();
            let Some(action) = self.ready() else { return };
            let (resource, node) = (action.resource.to_string(), action.node.to_string());
            self.claim(action.kind, &resource, &node);
            self.wait(1);
            let seen = if action.kind == ActionKind::Start { Seen::Running } else { Seen::Stopped };
            self.result(&resource, &node, seen, None);
        }
        panic!("the plan never came to rest: {:?}", self.state.actions);
    }

    fn ready(&self) -> Option<Action> {
        let waits = |action: &Action| action.after.iter().any(|before| self.state.actions.contains_key(before));
        self.state.actions.values().find(|action| !action.claimed && !waits(action)).cloned()
    }

    pub fn suspect(&mut self, node: &str) {
        let (node, session) = (NodeId::from(node), self.session(node));
        self.tell(Command::Judge { node, session, verdict: Verdict::Suspect });
    }

    /// Judged lost after it was suspect; with a grant for `by` and its devices, where they are given.
    pub fn lose(&mut self, node: &str, grant: Option<(&str, &[&str])>) {
        self.suspect(node);
        self.wait(1);
        let grant = grant.map(|(by, devices)| Grant {
            speaker: self.speaker(by),
            devices: devices.iter().copied().map(ResourceId::from).collect(),
            lasts: Duration::from_secs(20),
        });
        let verdict = Verdict::Lost {
            evidence: "silent for 5.0 s, 2 of 3 voters agree".to_owned(),
            spent: Spent::default(),
            grant,
        };
        let (node, session) = (NodeId::from(node), self.session(node));
        self.tell(Command::Judge { node, session, verdict });
    }

    /// One try to fence, from grant to result; a grant that came with the judgement is used.
    pub fn fence_try(&mut self, by: &str, target: &str, devices: &[&str], outcome: Result<(), &str>) {
        let (speaker, session, target) = (self.speaker(by), self.session(target), NodeId::from(target));
        if self.state.intents[&target].open_attempt().is_none() {
            let (speaker, target, session) = (speaker.clone(), target.clone(), session.clone());
            let devices = devices.iter().copied().map(ResourceId::from).collect();
            self.tell(Command::FenceGrant { speaker, target, session, devices, lasts: Duration::from_secs(20) });
        }
        self.wait(2);
        let attempt = self.state.intents[&target].tries;
        let outcome = outcome.map_err(str::to_owned);
        let sent = outcome.is_ok();
        self.tell(Command::FenceResult { speaker, target, session, attempt, outcome, sent, took: Duration::ZERO });
    }

    /// What a leader of all three would know.
    pub fn live(&self, leader: &str) -> Live {
        let voters: Vec<NodeId> = self.state.members.keys().cloned().collect();
        let is_heard = |node: &&NodeId| self.state.nodes[*node].is_online();
        Live {
            stores: BTreeMap::new(),
            from: NodeId::from(leader),
            leader: Some(NodeId::from(leader)),
            term: 4,
            reachable: voters.iter().filter(is_heard).cloned().collect(),
            voters,
            confirmed: true,
            silent_ms: BTreeMap::new(),
            waits_ms: BTreeMap::new(),
            device_errors: BTreeMap::new(),
            drills: Vec::new(),
            migrations: BTreeMap::new(),
            unseen: BTreeMap::new(),
            findings: BTreeMap::new(),
            clock_ahead_ms: 0,
        }
    }

    pub fn status(&self, live: &Live) -> Status {
        status(&self.state, &planner::plan(&self.state).report, live)
    }
}

/// Three hosts with a fence device each, and two VMs.
pub const HOUSEHOLD: &str = "\
primitive ipmi-n1 stonith:fake params target=n1
primitive ipmi-n2 stonith:fake params target=n2
primitive ipmi-n3 stonith:fake params target=n3
primitive vm1 vm:fake
primitive vm2 vm:fake
location vm2-likes-n2 vm2 100: n2
";
