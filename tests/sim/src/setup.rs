//! The cluster a run begins with: founded, joined and configured.

use crate::members::Members;
use crate::replica::Slot;
use crate::world::World;
use quorate_core::config::{
    Agent, AgentClass, Attributes, Colocation, Config, ConfigPatch, Discovery, Location, Operation, Order, Primitive,
};
use quorate_core::id::{RaftId, ResourceId, StoreId};
use quorate_core::score::Score;
use quorate_core::state::{Command, Entry, Founding, Member};
use quorate_core::time::Timestamp;
use std::rc::Rc;

/// VMs that may exist.
const VMS: usize = 4;

/// Times are short, so that a run shows much: their order is that of the defaults.
const PROPERTIES: &[(&str, &str)] = &[
    ("stonith-timeout", "4s"),
    ("lost-after", "3s"),
    ("daemon-grace", "8s"),
    ("away-grace", "6s"),
    ("join-grace", "15s"),
    ("fence-window", "30s"),
    ("quarantine-window", "60s"),
    ("quarantine-time", "20s"),
];

pub(crate) fn vms() -> Vec<ResourceId> {
    (1..=VMS).map(|number| ResourceId::new(format!("vm{number}"))).collect()
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A VM as it is configured; all but the last may migrate.
pub(crate) fn vm(id: &ResourceId) -> Primitive {
    let may_migrate = ["vm1", "vm2", "vm3"].contains(&id.as_str());
    let operation = |name: &str, pairs| Operation { name: name.to_owned(), attributes: attributes(pairs) };
    Primitive {
        agent: Agent { class: AgentClass::Vm, provider: None, kind: "fake".to_owned() },
        params: Attributes::new(),
        meta: attributes(&[("target-role", "Started"), ("allow-migrate", if may_migrate { "true" } else { "false" })]),
        utilization: Attributes::new(),
        operations: vec![
            operation("monitor", &[("interval", "2s"), ("timeout", "5s")]),
            operation("start", &[("timeout", "12s")]),
            operation("stop", &[("timeout", "7s")]),
            operation("migrate_to", &[("timeout", "8s")]),
        ],
        ruled: Vec::new(),
    }
}

pub(crate) fn device(node: &str) -> Primitive {
    Primitive {
        agent: Agent { class: AgentClass::Stonith, provider: None, kind: "fake".to_owned() },
        params: attributes(&[("target", node)]),
        meta: Attributes::new(),
        utilization: Attributes::new(),
        operations: Vec::new(),
        ruled: Vec::new(),
    }
}

impl World {
    /// What it joins as; `apply` gives it its raft id.
    pub(crate) fn member(&self, h: usize) -> Member {
        let host = &self.hosts[h];
        Member {
            name: self.names[h].clone(),
            raft_id: RaftId(h as u64 + 1),
            address: format!("{}:1", self.names[h]),
            hardware: self.hosts[h].hardware.clone(),
            hardware_is_dmi: self.hosts[h].hardware_is_dmi,
            store: self.store_id(h),
            fingerprint: format!("key-{h}-{}", host.keys),
            joined: Timestamp(0),
            witness: host.witness,
        }
    }

    /// Founds the cluster: these entries are committed on every member from the beginning.
    pub(crate) fn found(&mut self) {
        if self.dice.chance(150) {
            let h = self.dice.index(self.hosts.len());
            self.hosts[h].hardware_is_dmi = false;
        }
        let founding = Founding {
            cluster_id: "simulated".to_owned(),
            name: "simulated".to_owned(),
            ca_certificate: String::new(),
            ca_key: String::new(),
            member: self.member(0),
        };
        let mut commands = vec![Command::Found(founding)];
        for h in 1..self.hosts.len() {
            let token = format!("token-{h}");
            let expires = Timestamp(u64::MAX);
            commands.push(Command::CreateToken { hash: token.clone(), expires, actor: "setup".to_owned() });
            commands.push(Command::Join { token, member: Box::new(self.member(h)) });
        }
        let patch = ConfigPatch::between(&Config::default(), &self.configuration());
        commands.push(Command::Configure {
            actor: "setup".to_owned(),
            base: 0,
            patch: Box::new(patch),
            diff: String::new(),
        });
        let mut members = Some(self.first_members());
        for (index, command) in (1..).zip(commands) {
            let entry = Entry { at: self.wall_clock(0), request: None, command };
            let slot = Rc::new(Slot { term: 1, entry: Some(entry), members: members.take(), born: self.now });
            for host in &mut self.hosts {
                host.disk.push(slot.clone());
                (host.disk.term, host.disk.synced, host.disk.committed) = (1, index, index);
            }
            self.founded = index;
        }
    }

    pub(crate) fn store_id(&self, h: usize) -> StoreId {
        StoreId::new(format!("store-{h}-{}", self.hosts[h].stores))
    }

    /// An odd number votes: all, or all but the last, which is the witness where there is one.
    fn first_members(&self) -> Rc<Members> {
        let ids = || self.hosts.iter().map(|host| host.disk.id);
        let voters = if self.hosts.len().is_multiple_of(2) { self.hosts.len() - 1 } else { self.hosts.len() };
        Rc::new(Members { sets: vec![ids().take(voters).collect()], hosts: ids().zip(0..).collect() })
    }

    fn configuration(&mut self) -> Config {
        let mut config = Config { properties: attributes(PROPERTIES), ..Config::default() };
        for vm_id in vms() {
            let primitive = vm(&vm_id);
            config.primitives.insert(vm_id, primitive);
        }
        for name in &self.names {
            config.primitives.insert(ResourceId::new(format!("ipmi-{name}")), device(name.as_str()));
        }
        if self.dice.chance(300) {
            config.properties.insert("stonith-action".to_owned(), "reboot".to_owned());
        }
        if self.dice.chance(250) {
            config.orders.insert("first".to_owned(), Order::start(&"vm1".into(), &"vm2".into()));
        }
        if self.dice.chance(250) {
            let apart = Colocation {
                score: Score::NEG_INFINITY,
                resource: "vm3".into(),
                with: "vm4".into(),
                role: None,
                with_role: None,
            };
            config.colocations.insert("apart".to_owned(), apart);
        }
        if self.dice.chance(300) {
            let resource = self.dice.pick(&vms()).clone();
            let node = self.dice.pick(&self.names).clone();
            config.locations.insert(
                "never".to_owned(),
                Location { resource, score: Score::NEG_INFINITY, node, role: None, discovery: Discovery::Always },
            );
        }
        self.agency.configure(&mut config);
        self.clones.configure(&mut config);
        crate::promotion::configure(self.clones.seed, &self.names, &mut config);
        self.configure_devices(&mut config);
        self.wiring.configure(&mut config);
        self.kennel.configure(&mut config, &self.hosts, &self.names);
        config
    }
}
