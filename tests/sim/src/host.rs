//! A host: power, boots, its disk, its hypervisor, its BMC and its daemon.

use crate::agents::Agents;
use crate::bmc::Bmc;
use crate::devices::Feed;
use crate::dogs::Dog;
use crate::event::{Planned, Request};
use crate::members::{Id, Members};
use crate::replica::{Disk, Replica};
use crate::space::Room;
use crate::virt::Virt;
use quorate_core::id::{HardwareId, NodeId, RaftId, SessionId};
use quorate_core::state::ClusterState;
use quorate_core::time::BootTime;
use quorate_node::engine::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// One host.
pub(crate) struct Host {
    pub(crate) hardware: HardwareId,
    /// Else its id was generated, and a new boot proves nothing.
    pub(crate) hardware_is_dmi: bool,
    /// Whether it has power.
    pub(crate) power: bool,
    /// Whether its kernel is up.
    pub(crate) up: bool,
    /// Whether it stands still, kernel and guests and all.
    pub(crate) frozen: bool,
    /// It is being shut down, and its daemon knows of its own goodbye.
    pub(crate) going_down: bool,
    pub(crate) said_goodbye: bool,
    /// Which boot this is, or was.
    pub(crate) boot: u64,
    pub(crate) session: SessionId,
    /// Simulated time when its boot-time clock was zero; before that moment, as it began somewhere.
    clock_zero: i64,
    /// How far its wall clock is ahead of the world's.
    pub(crate) skew: u64,
    pub(crate) disk: Disk,
    /// Whether its data directory is that of a member.
    pub(crate) life: Life,
    /// A copy of its disk that somebody took.
    pub(crate) copy: Option<Box<Disk>>,
    /// How many stores and keys it has had.
    pub(crate) stores: u64,
    pub(crate) keys: u64,
    /// It votes and runs nothing.
    pub(crate) witness: bool,
    pub(crate) virt: Virt,
    pub(crate) agents: Agents,
    pub(crate) bmc: Bmc,
    /// Where they are fence devices, it dies when both are off.
    pub(crate) feeds: [Feed; 2],
    pub(crate) dog: Option<Dog>,
    pub(crate) daemon: Option<Daemon>,
    /// When its last daemon ended.
    pub(crate) daemon_ended: u64,
    /// What waits until it moves again.
    pub(crate) put_off: Vec<Planned>,
    /// Writing to disk takes so much longer.
    pub(crate) slow_disk: u64,
    /// What is left under its store.
    pub(crate) room: Room,
    /// It is cut off from the network of the fence devices.
    pub(crate) isolated_from_devices: bool,
    /// Daemon starts so far; one number for each process.
    pub(crate) processes: u64,
    /// Boots of which a lying device said that they are over.
    pub(crate) lied_about: BTreeSet<SessionId>,
}

/// What its data directory is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is that of a member.
    Member,
    /// Its store, which had this raft id, is lost: it asks to rejoin.
    Rejoining(Id),
    /// It was emptied, and has a token.
    Joining,
}

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) process: u64,
    pub(crate) engine: Engine,
    pub(crate) state: ClusterState,
    pub(crate) replica: Replica,
    pub(crate) requests: BTreeMap<u64, Request>,
    /// Beats that wait for the engine: whose, of which daemon, sent when.
    pub(crate) beats: BTreeMap<u64, (usize, u64, BootTime)>,
    /// Who votes, and of which membership and state that is the word.
    pub(crate) voters: BTreeSet<NodeId>,
    pub(crate) voters_of: Rc<Members>,
    pub(crate) voters_by: (RaftId, usize),
}

impl Host {
    pub(crate) fn new(name: &str, id: Id) -> Self {
        Self {
            hardware: HardwareId::new(format!("hw-{name}")),
            hardware_is_dmi: true,
            power: false,
            up: false,
            frozen: false,
            going_down: false,
            said_goodbye: false,
            boot: 0,
            session: SessionId::new(format!("{name}-boot-0")),
            clock_zero: 0,
            skew: 0,
            disk: Disk::new(id),
            life: Life::Member,
            copy: None,
            stores: 0,
            keys: 0,
            witness: false,
            virt: Virt::default(),
            agents: Agents::default(),
            bmc: Bmc::default(),
            feeds: [Feed::default(); 2],
            dog: None,
            daemon: None,
            daemon_ended: 0,
            put_off: Vec::new(),
            slow_disk: 0,
            room: Room::Enough,
            isolated_from_devices: false,
            processes: 0,
            lied_about: BTreeSet::new(),
        }
    }

    /// A new boot begins: another boot id, another clock.
    pub(crate) fn new_boot(&mut self, name: &str, now: u64, clock: u64) {
        self.boot += 1;
        self.session = SessionId::new(format!("{name}-boot-{}", self.boot));
        self.clock_zero =
            i64::try_from(now).expect("simulated time is short") - i64::try_from(clock).expect("it is small");
    }

    /// What its boot-time clock reads; it goes on while the host stands still.
    pub(crate) fn clock(&self, now: u64) -> BootTime {
        let now = i64::try_from(now).expect("simulated time is short");
        BootTime(u64::try_from(now - self.clock_zero).expect("a boot is not older than its clock"))
    }

    /// Whether this boot is alive: it has power and nothing reset it.
    pub(crate) fn lives(&self, session: &SessionId) -> bool {
        self.power && self.up && self.session == *session
    }
}
