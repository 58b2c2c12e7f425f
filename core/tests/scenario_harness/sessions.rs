//! Members, boots and the leader's judgement.

use super::look::seen;
use super::world::{World, number, option};
use quorate_core::id::{HardwareId, Incarnation, NodeId, RaftId, ResourceId, SessionId, StoreId};
use quorate_core::state::{Command, Founding, Liveness, Member, Outcome, Recovery, Release, Seen, Spent, Verdict};
use quorate_core::time::Timestamp;
use std::collections::BTreeMap;

impl World {
    /// A member that said no hello yet.
    pub(super) fn member(&mut self, node: &NodeId, generated: bool) -> Result<(), String> {
        if self.state.identity.is_none() {
            let (cluster_id, name) = ("c1".to_owned(), "house".to_owned());
            let (ca_certificate, ca_key) = ("certificate".to_owned(), "key".to_owned());
            let member = described(node, 1, !generated);
            self.tell(Command::Found(Founding { cluster_id, name, ca_certificate, ca_key, member }));
            return Ok(());
        }
        let token = format!("token of {node}");
        self.token(&token, 1000)?;
        self.join(node, &token, !generated)
    }

    pub(super) fn token(&mut self, hash: &str, lasts: u64) -> Result<(), String> {
        let expires = Timestamp(self.clock + lasts);
        self.tell(Command::CreateToken { hash: hash.to_owned(), expires, actor: "root".to_owned() });
        Ok(())
    }

    pub(super) fn join(&mut self, node: &NodeId, token: &str, is_dmi: bool) -> Result<(), String> {
        let member = Box::new(described(node, self.state.next_raft_id.0, is_dmi));
        self.tell(Command::Join { token: token.to_owned(), member });
        Ok(())
    }

    /// With a new store; `old` is the raft id it says it had, else the one it has.
    pub(super) fn rejoin(&mut self, node: &NodeId, store: &str, rest: &[&str]) -> Result<(), String> {
        let known = self.state.members.get(node).map(|member| member.raft_id).unwrap_or_default();
        let old = number(rest, "old")?.map_or(known, RaftId);
        let hardware = option(rest, "hardware").map_or_else(|| hardware_of(node), HardwareId::from);
        let (store, why) = (StoreId::new(store), "it is damaged".to_owned());
        self.tell(Command::Rejoin { node: node.clone(), hardware, old, store, why });
        Ok(())
    }

    pub(super) fn witness(&mut self, node: &NodeId) -> Result<(), String> {
        let token = format!("token of {node}");
        self.token(&token, 1000)?;
        let member = Member { witness: true, ..described(node, self.state.next_raft_id.0, false) };
        self.tell(Command::Join { token, member: Box::new(member) });
        Ok(())
    }

    /// With a new data directory, as after an administrator emptied it.
    pub(super) fn join_emptied(&mut self, node: &NodeId, token: &str) -> Result<(), String> {
        let fresh = |what: &str| format!("second {what} of {node}");
        let member = described(node, self.state.next_raft_id.0, true);
        let member = Member { store: StoreId::new(fresh("store")), fingerprint: fresh("key"), ..member };
        self.tell(Command::Join { token: token.to_owned(), member: Box::new(member) });
        Ok(())
    }

    pub(super) fn remove(&mut self, node: &NodeId) -> Result<(), String> {
        self.tell(Command::Remove { actor: "root".to_owned(), node: node.clone() });
        Ok(())
    }

    /// The next generation is this node alone.
    pub(super) fn recover(&mut self, node: &NodeId, dead: &[&str]) -> Result<(), String> {
        let generation = self.state.generation + 1;
        let recovery = Recovery {
            actor: "root".to_owned(),
            survivor: node.clone(),
            dead: dead.iter().map(|node| NodeId::new(*node)).collect(),
            generation,
            cluster_id: format!("c1.{generation}"),
        };
        self.tell(Command::Recover(Box::new(recovery)));
        Ok(())
    }

    /// The leader says of the open claim that its time has passed.
    pub(super) fn overdue(&mut self, resource: &ResourceId, node: &NodeId) -> Result<(), String> {
        let operation = self.state.activity(resource, node).map(|activity| activity.operation).unwrap_or_default();
        self.tell(Command::Overdue { node: node.clone(), resource: resource.clone(), operation });
        Ok(())
    }

    pub(super) fn leave(&mut self, node: &NodeId) -> Result<(), String> {
        let session = self.session(node)?;
        self.tell(Command::Leave { actor: "root".to_owned(), node: node.clone(), session });
        Ok(())
    }

    pub(super) fn goodbye(&mut self, node: &NodeId) -> Result<(), String> {
        let speaker = self.speaker(node)?;
        self.tell(Command::Goodbye(speaker));
        Ok(())
    }

    pub(super) fn hello(&mut self, node: &NodeId, how: &str, rest: &[&str]) -> Result<(), String> {
        let boot = self.boots.get(node).copied().unwrap_or(0);
        let boot = match how {
            "restart" => boot,
            "new-boot" => boot + 1,
            "boot" => rest.first().and_then(|word| word.parse().ok()).ok_or("which boot?")?,
            other => return Err(format!("'{other}' is no hello")),
        };
        self.boots.insert(node.clone(), boot);
        let current = self.state.nodes.get(node).map(|state| state.incarnation).unwrap_or_default();
        let follows = number(rest, "follows")?.map_or(current, Incarnation);
        let hardware = option(rest, "hardware").map_or_else(|| hardware_of(node), HardwareId::from);
        let session = SessionId::new(format!("{node}/{boot}"));
        let inventory = self.inventory(node, how == "restart", rest)?;
        let level = number(rest, "level")?.and_then(|level| u16::try_from(level).ok());
        let release = level.map_or_else(Release::this, Release::held_at);
        self.tell(Command::Hello { node: node.clone(), hardware, session, follows, inventory, release });
        Ok(())
    }

    /// What a daemon finds when it looks: after a boot nothing, after a restart what ran.
    fn inventory(&self, node: &NodeId, same_boot: bool, rest: &[&str]) -> Result<BTreeMap<ResourceId, Seen>, String> {
        let mut inventory = BTreeMap::new();
        if !rest.contains(&"without-look") {
            for id in self.vms().map(|(id, _)| id).chain(self.state.resources.keys()) {
                let ran = self.state.activity(id, node).is_some_and(|activity| activity.seen == Seen::Running);
                inventory.insert(id.clone(), if ran && same_boot { Seen::Running } else { Seen::Stopped });
            }
        }
        for (id, word) in rest.iter().filter_map(|word| word.split_once('=')) {
            inventory.insert(id.into(), seen(word)?);
        }
        Ok(inventory)
    }

    pub(super) fn judge(&mut self, node: &NodeId, verdict: &str) -> Result<(), String> {
        let session = self.session(node)?;
        let verdict = match verdict {
            "suspect" => Verdict::Suspect,
            "online" => Verdict::Online,
            "daemon-gone" => Verdict::DaemonGone,
            "lost" => {
                if self.state.nodes.get(node).is_some_and(|state| state.liveness == Liveness::Online) {
                    self.judge(node, "suspect")?;
                }
                Verdict::Lost { evidence: "silent".to_owned(), spent: Spent::default(), grant: None }
            }
            "away" => {
                let speaker = self.speaker(node)?;
                self.tell(Command::GoAway(speaker));
                return Ok(());
            }
            "off" => {
                self.judge(node, "lost")?;
                return match self.state.fence_levels(node).is_empty() {
                    true => self.confirm_off(node, &[]),
                    false => self.fence(node, "verified", &[]),
                };
            }
            other => return Err(format!("'{other}' is no judgement")),
        };
        self.tell(Command::Judge { node: node.clone(), session, verdict });
        Ok(())
    }

    /// Nodes that the configuration names and that are no members join, with nothing on them.
    pub(super) fn admit_new(&mut self, nodes: &[NodeId]) -> Result<(), String> {
        for node in nodes {
            self.member(node, false)?;
        }
        Ok(())
    }

    pub(super) fn greet_new(&mut self, nodes: &[NodeId]) -> Result<(), String> {
        nodes.iter().try_for_each(|node| self.hello(node, "new-boot", &[]))
    }

    pub(super) fn is_done(outcome: &Outcome) -> bool {
        !matches!(outcome, Outcome::Refused(_))
    }
}

fn hardware_of(node: &NodeId) -> HardwareId {
    HardwareId::new(format!("hardware of {node}"))
}

fn described(node: &NodeId, raft_id: u64, hardware_is_dmi: bool) -> Member {
    Member {
        name: node.clone(),
        raft_id: RaftId(raft_id),
        address: format!("{node}:7000"),
        hardware: hardware_of(node),
        hardware_is_dmi,
        store: StoreId::new(format!("store of {node}")),
        fingerprint: format!("key of {node}"),
        joined: Timestamp::default(),
        witness: false,
    }
}
