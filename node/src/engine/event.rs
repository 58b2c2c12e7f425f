//! Everything that can happen to the engine, and everything it can want: its only seams to the world.

use quorate_core::config::{Attributes, Primitive};
use quorate_core::id::{HardwareId, Incarnation, NodeId, Operation, ResourceId, SessionId};
use quorate_core::pill::Pill;
use quorate_core::state::{
    ActionKind, AgentError, ClusterState, Command, Moved, Outcome, Release, Reload, Seen, SensorSign,
};
use quorate_core::time::{BootTime, Timestamp};
use quorate_core::view::Progress;
use quorate_core::watchdog::{Feeder, Order};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Ties an answer to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// Who this daemon is, in this life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Its node.
    pub node: NodeId,
    /// Its hardware.
    pub hardware: HardwareId,
    /// The boot it runs in.
    pub session: SessionId,
    /// The program it runs.
    pub release: Release,
}

/// What the replica knows now, and what this host's wall clock says.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The applied state.
    pub state: &'a ClusterState,
    /// Who leads, as far as this member knows.
    pub leader: Option<&'a NodeId>,
    /// This member leads, and its own first entry of this term is applied: only then does it judge and plan.
    pub is_leader: bool,
    /// The term.
    pub term: u64,
    /// Who votes, as [`crate::seats::names`] has them; empty where the replica does not say: then every member does.
    pub voters: &'a BTreeSet<NodeId>,
    /// This host's wall clock, for what people want done at a time of day; it may be set at any time.
    pub wall: Timestamp,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Time passes.
    Tick,
    /// The replica moved: entries were applied, or leadership did.
    Applied,
    /// A peer answered a poll; `asked` is when the poll was sent, so the answer proves life at or after that.
    Heard {
        /// When this member asked.
        asked: BootTime,
        /// What the peer said.
        presence: Presence,
    },
    /// A peer did not answer.
    NotHeard {
        /// Which.
        node: NodeId,
        /// When this member asked.
        asked: BootTime,
        /// Its kernel answered "connection refused": the host lives.
        refused: bool,
    },
    /// A proposal was answered.
    Proposed(Tag, Result<Outcome, ProposeError>),
    /// A linearizable read ended: the view is at least as new as when it was asked for, or not.
    Read(Tag, bool),
    /// A fence device answered.
    Power(Tag, PowerAnswer),
    /// The sensors of a node were read by one of its devices, or could not be.
    Sensors(Tag, Result<SensorReport, String>),
    /// The leftovers of earlier daemons are gone, and this is what is here.
    Inventory(BTreeMap<ResourceId, Seen>),
    /// A VM stands there with its CPUs stopped, to be resumed or discarded.
    Prepared(Tag),
    /// An operation ended.
    Executed(Tag, Executed),
    /// An agent carried a start or a reload out, and says what it takes over without a restart.
    Reloads(Tag, Executed, Reload),
    /// A migration is complete: the copy stands at the target, and nothing is left here.
    Gone(Tag, Moved),
    /// How far a migration is.
    Progress(Tag, Progress),
    /// A look ended.
    Looked(Tag, Executed),
    /// The hypervisor says that something happened to this resource.
    Changed(ResourceId),
    /// A peer says that this member was removed from the cluster, in these words.
    CastOut(String),
    /// Everything on this host was looked through.
    Surveyed {
        /// Those of ours that are there.
        present: BTreeSet<ResourceId>,
        /// What does not belong there, for people.
        findings: Vec<String>,
    },
    /// The daemon is asked to stop.
    Stopping,
    /// A host that has a watchdog asks whether it may feed it on; to be answered by [`Effect::Answer`].
    Beat {
        /// For the answer.
        ticket: u64,
        /// Which node.
        node: NodeId,
        /// In which boot.
        session: SessionId,
    },
    /// The leader said yes to this host's beat, which was sent then.
    Answered(BootTime),
    /// How the feeder of this host's watchdog stands; `None` where there is none, or it does not answer.
    Feeder(Option<Feeder>),
}

/// What a poll wants to know, beside that somebody is there. In a quiet cluster that is next to nothing: an answer that
/// names every member to every member grows with the cube of their number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// About whom; `None` is everybody. Members of earlier releases ask without words, and mean that.
    pub about: Option<BTreeSet<NodeId>>,
    /// Whether it wants to know what the host sees of itself.
    pub first_hand: bool,
}

impl Question {
    /// Everything there is to know.
    pub fn everything() -> Self {
        Self { about: None, first_hand: true }
    }

    /// Whether it wants to hear about this node.
    pub fn is_about(&self, node: &NodeId) -> bool {
        self.about.as_ref().is_none_or(|about| about.contains(node))
    }
}

/// What a member says of itself and of whom it hears, when polled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Who speaks.
    pub node: NodeId,
    /// In which boot.
    pub session: SessionId,
    /// As which daemon start; zero before its hello.
    pub incarnation: Incarnation,
    /// For how long it has not heard each other member that it asks and was asked about.
    pub silence: BTreeMap<NodeId, Duration>,
    /// For how long it has been asking those that it began to ask a short while ago: longer than that it could not say
    /// of any that it is silent.
    #[serde(default)]
    pub asking: BTreeMap<NodeId, Duration>,
    /// How long ago the kernel of each other member refused it a connection, where it did.
    #[serde(default)]
    pub refused: BTreeMap<NodeId, Duration>,
    /// In which boot it last heard each other member: hearing a host that booted again is not hearing its old session.
    pub boots: BTreeMap<NodeId, SessionId>,
    /// How far the migrations are that it sends.
    pub migrations: BTreeMap<ResourceId, Progress>,
    /// What it sees on its host, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_hand: Option<FirstHand>,
}

/// What a host says of itself: for people, and for whoever cannot read it from the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstHand {
    /// VMs of ours that are there.
    pub present: BTreeSet<ResourceId>,
    /// What runs there by the log and could not be looked at the last time; why.
    pub unseen: BTreeMap<ResourceId, String>,
    /// What was found that does not belong.
    pub findings: Vec<String>,
    /// What the drill of the fence devices that it is in charge of found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drills: Vec<Drilled>,
}

/// What a fence device said when it was read for practice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// The device.
    pub device: ResourceId,
    /// For which node.
    pub node: NodeId,
    /// How long ago.
    pub ago: Duration,
    /// Whether it read on, where it was read.
    pub on: Option<bool>,
    /// Why it was not.
    pub error: Option<String>,
    /// What its sensors said, where they are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensors: Option<String>,
}

/// What a node's sensors, and the event log of its BMC, come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SensorReport {
    /// What is wrong, the worst first.
    pub signs: Vec<SensorSign>,
    /// So many sensors were read.
    pub sensors: usize,
    /// So many events were young enough to count.
    pub events: usize,
}

impl SensorReport {
    /// For people.
    pub fn words(&self) -> String {
        let read = format!("{} sensors and {} recent events read", self.sensors, self.events);
        match self.signs.len() {
            0 => format!("{read}, all is well"),
            bad => format!("{read}, {bad} not well"),
        }
    }
}

/// Why a proposal has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposeError {
    /// It was never handed to the log.
    NotSent,
    /// It may be applied yet.
    Unknown,
}

/// What is asked of a fence device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerVerb {
    /// Read the power; harmless.
    Read,
    /// Read it for practice: on is only right of a device whose off would prove something.
    Drill,
    /// Switch it off.
    Off,
    /// Switch it on, after the proof.
    On,
}

impl PowerVerb {
    /// Whether it changes nothing.
    pub fn is_reading(self) -> bool {
        matches!(self, Self::Read | Self::Drill)
    }
}

/// What a fence device answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerAnswer {
    /// For a read: whether it reads on. For an off: whether the device acknowledged. Else its error.
    pub result: Result<bool, String>,
    /// Whether an off may have left this host.
    pub sent: bool,
}

/// How an operation or a look ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// What is there now.
    pub seen: Seen,
    /// What went wrong.
    pub error: Option<AgentError>,
}

/// What the engine wants done. The doer answers with the event of the same tag.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Propose a command, here or at the leader.
    Propose(Tag, Command),
    /// Read linearizably, here or at the leader.
    Read(Tag),
    /// Ask a member for its presence.
    Poll(NodeId, Question),
    /// Ask a fence device.
    Power {
        /// For the answer.
        tag: Tag,
        /// Its name.
        device: ResourceId,
        /// Its definition.
        definition: Box<Primitive>,
        /// Whose power.
        target: NodeId,
        /// What.
        verb: PowerVerb,
        /// How long it may take.
        timeout: Duration,
    },
    /// Read the sensors of a node by one of its devices; answered by [`Event::Sensors`].
    Sensors {
        /// For the answer.
        tag: Tag,
        /// Its name.
        device: ResourceId,
        /// Its definition.
        definition: Box<Primitive>,
        /// Whose sensors.
        target: NodeId,
        /// How long it may take.
        timeout: Duration,
    },
    /// Leave a pill in a node's slots (off), or look whether it is there (read); answered by [`Event::Power`], in which a
    /// pill that is there reads off.
    Pill {
        /// For the answer.
        tag: Tag,
        /// For whom.
        target: NodeId,
        /// Which.
        pill: Box<Pill>,
        /// Off, or read.
        verb: PowerVerb,
        /// How long it may take.
        timeout: Duration,
    },
    /// Kill what earlier daemons left running, see it gone, then look for these.
    TakeInventory(BTreeMap<ResourceId, Known>),
    /// Carry out an operation. A start and a handover end in `Prepared`, a migration that succeeds in `Gone`.
    Execute(Box<Job>),
    /// Give a migration up, if it is not complete yet; it ends as it ends.
    CallOff(Tag),
    /// Let a prepared VM run; ends in `Executed`.
    Resume(Tag),
    /// Destroy a prepared VM; ends in `Executed`.
    Discard(Tag, String),
    /// Look at a resource, outside of any operation.
    Look(Box<Job>),
    /// Ask another voter to lead, which is better off.
    HandOver {
        /// Which.
        to: NodeId,
        /// Why, in words.
        why: String,
    },
    /// Kill every VM of ours by force and reboot this host.
    SelfFence(String),
    /// This host is no member any more: if it still has VMs of the cluster, it kills them and reboots.
    Abandon(String),
    /// Ask the leader whether this host's watchdog may be fed on; a yes is answered by [`Event::Answered`].
    Beat,
    /// Confirm with a majority that this very member leads, in a round that begins now; answered by [`Event::Read`].
    Round(Tag),
    /// Answer a beat.
    Answer(u64, bool),
    /// Tell the feeder of this host's watchdog.
    Feeder(Order),
    /// The daemon may exit.
    Stopped,
}

/// One operation or look.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// For the answer.
    pub tag: Tag,
    /// What is done.
    pub kind: ActionKind,
    /// To what.
    pub resource: ResourceId,
    /// Under which number.
    pub operation: Operation,
    /// With which definition.
    pub definition: Primitive,
    /// How long it may take.
    pub timeout: Duration,
    /// How long its stop may take: a migration that was cut off, and what one leaves here, is ended by one.
    pub stop: Duration,
    /// Where a migration goes; of a copy that is let run where it came from.
    pub target: Option<Target>,
    /// Of a look: which monitor's it is. Zero for what does not recur.
    pub interval: Duration,
    /// Of a look: it should not be there.
    pub is_absent: bool,
    /// What its agent is told of what is done to its clone, under the names of meta attributes.
    pub notice: Attributes,
}

/// What an inventory looks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// With which definition.
    pub definition: Primitive,
    /// How long a look may take.
    pub look: Duration,
    /// How long its stop may take, as of a [`Job`].
    pub stop: Duration,
}

/// The other end of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub node: NodeId,
    /// Where its peers reach it, `address:port`.
    pub address: String,
}
