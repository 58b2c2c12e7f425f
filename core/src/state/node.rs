//! What is known of each node: who it is, which boot it is in, whether it is heard, and what people want of it.
//!
//! ```text
//! Joining -> Online -> Suspect -> Lost -(intent)-> Off -> Online (a new session)
//!               ^ \-> DaemonGone / Away -> Lost
//!               |________| (heard again, or a hello)
//! ```

use super::dog::Dog;
use super::drilled::Drilled;
use super::fence::Proof;
use super::health::SensorHealth;
use super::release::Release;
use super::standing::{Asked, Distrust, Flapping};
use super::unfence::Unfenced;
use crate::id::{HardwareId, Incarnation, NodeId, RaftId, ResourceId, SessionId, StoreId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A member of the cluster: identities pinned when it joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: NodeId,
    /// Its id in Raft.
    pub raft_id: RaftId,
    /// Where its peers reach it, `address:port`.
    pub address: String,
    /// Its hardware; a hello from other hardware is refused.
    pub hardware: HardwareId,
    /// Whether the hardware id is a DMI UUID: only then does a new boot id prove the old session dead.
    pub hardware_is_dmi: bool,
    /// Its data directory.
    pub store: StoreId,
    /// SHA-256 of its certificate's public key, hexadecimal.
    pub fingerprint: String,
    /// When it joined.
    pub joined: Timestamp,
    /// It votes and runs nothing: no claim is ever granted to it, so its sessions need no proof.
    pub witness: bool,
}

/// The first entry's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// A random id.
    pub cluster_id: String,
    /// Its name.
    pub name: String,
    /// The CA's certificate, PEM.
    pub ca_certificate: String,
    /// The CA's private key, PEM: every member may have to sign a joiner.
    pub ca_key: String,
    /// The founding member.
    pub member: Member,
}

/// A member that was removed: its certificate is revoked, and its store never comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its name then; another member may have it by now.
    pub name: NodeId,
    /// SHA-256 of its certificate's public key, hexadecimal.
    pub fingerprint: String,
    /// Its data directory.
    pub store: StoreId,
    /// Who removed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What is observed of a node and wanted of it: two fields that are never mixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Its latest boot that said hello, if any did.
    pub session: Option<Session>,
    /// The daemon start that may act; claims of any other are refused.
    pub incarnation: Incarnation,
    /// Observed.
    pub liveness: Liveness,
    /// When liveness last changed.
    pub since: Timestamp,
    /// Wanted.
    pub intent: Intent,
    /// Its host is being shut down in this session: what it has moves away or stops, then it says goodbye.
    pub leaving: bool,
    /// The program of the current daemon.
    pub release: Release,
    /// What a person is asked about it.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// How often it was lost lately, and what follows.
    #[serde(default)]
    pub flapping: Flapping,
    /// A proof of its death was false: it gets no resources until a person says so.
    #[serde(default)]
    pub disarmed: Option<Distrust>,
    /// What devices that have to let it to its storage did, in this session.
    #[serde(default)]
    pub unfenced: BTreeMap<ResourceId, Unfenced>,
    /// Its watchdog.
    #[serde(default)]
    pub dog: Dog,
    /// Its fence devices that had to pass a drill, whether or not they have.
    #[serde(default)]
    pub drilled: BTreeMap<ResourceId, Drilled>,
    /// What is wrong with its hardware, by the devices whose sensors say so.
    #[serde(default)]
    pub sensors: BTreeMap<ResourceId, SensorHealth>,
}

/// One boot of one host, as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The kernel's boot id.
    pub id: SessionId,
    /// Whether anything may still be active in it.
    pub state: SessionState,
    /// When its first hello was applied.
    pub opened: Timestamp,
}

/// A session ends only by proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionState {
    /// Claims are granted to it.
    Open,
    /// Judged lost: nothing is granted to it, and what it has may still be active.
    Lost,
    /// Proven dead.
    Ended(Proof),
}

/// Whether a node is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Liveness {
    /// A member that never said hello; it blocks nothing.
    Joining,
    /// Heard.
    Online,
    /// Silent for a moment; its power is being read.
    Suspect,
    /// Its kernel answers and its daemon does not: VMs stay.
    DaemonGone,
    /// Its daemon was stopped in order: VMs stay.
    Away,
    /// Silent for too long, by a majority's word.
    Lost,
    /// Proven off.
    Off,
}

/// What people want of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// Runs resources.
    Active,
    /// Runs none; what it has moves away.
    Standby,
    /// Nobody touches what it has.
    Maintenance,
    /// Runs nothing new; what it has moves away, and what has no other place stays.
    Drain,
}

impl NodeState {
    /// A member before its first hello.
    pub fn joining(now: Timestamp) -> Self {
        Self {
            session: None,
            incarnation: Incarnation(0),
            liveness: Liveness::Joining,
            since: now,
            intent: Intent::Active,
            leaving: false,
            release: Release::default(),
            asked: None,
            flapping: Flapping::default(),
            disarmed: None,
            unfenced: BTreeMap::new(),
            dog: Dog::default(),
            drilled: BTreeMap::new(),
            sensors: BTreeMap::new(),
        }
    }

    /// The session in which something may be active: opened and not proven dead.
    pub fn living_session(&self) -> Option<&Session> {
        self.session.as_ref().filter(|session| !matches!(session.state, SessionState::Ended(_)))
    }

    /// Whether claims of this session are granted.
    pub fn is_open(&self, id: &SessionId) -> bool {
        self.session.as_ref().is_some_and(|session| session.id == *id && session.state == SessionState::Open)
    }

    /// Whether it takes part: its session is open and it is heard.
    pub fn is_online(&self) -> bool {
        self.liveness == Liveness::Online
            && self.session.as_ref().is_some_and(|session| session.state == SessionState::Open)
    }
}
