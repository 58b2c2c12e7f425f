//! What is going to happen, in order of simulated time; what is due at the same moment goes in the order it was planned.

use crate::agents::{Step, Told};
use crate::faults::Undo;
use crate::members::{Id, Peer};
use crate::pills::PillCall;
use crate::replica::{Entries, Ticket};
use crate::snapshot::Snapshot;
use crate::standing::{AllSeen, Roll, Shown};
use quorate_core::config::Primitive;
use quorate_core::id::{ResourceId, SessionId};
use quorate_core::state::{Command, Entry, Outcome};
use quorate_core::time::BootTime;
use quorate_node::engine::{PowerAnswer, Presence, ProposeError, Question, Tag};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

/// Where an event happens: it is dropped when that is gone, and put off while the host stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Outside of any host.
    World,
    /// On a host, whatever runs there.
    Host(usize),
    /// In one boot of a host.
    Boot(usize, u64),
    /// In one daemon on a host.
    Process(usize, u64),
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A message arrives: from this replica, and for that one; 0 for whichever is there.
    Deliver { from: usize, ids: (Id, Id), message: Message },
    /// The daemon's timer.
    Tick,
    /// A follower's patience may be over.
    Election,
    /// A leader speaks to its followers.
    Heartbeat { term: u64 },
    /// The log is on disk up to here.
    Synced { upto: usize, term: u64, ack: Option<(Peer, Message)> },
    /// A command of the engine's that was held up is handed to the log.
    Bring { tag: Tag, command: Box<Command>, made: BootTime },
    /// A request was not answered in time.
    RequestTimeout(u64),
    /// The rest of what was committed before the restart is applied.
    Replay,
    /// The store is shown to those that have not taken it.
    Show,
    /// What was seen of the others' stores is kept, and told by the leader.
    TellSeen,
    /// The leader looks whether the right ones vote.
    Autopilot,
    /// A host without a store asks to be a member again.
    Return,
    /// All VMs of a host are killed: it has no business with them.
    Abandon,
    /// A poll was not answered in time.
    PollTimeout { target: usize, asked: BootTime, refused: bool },
    /// A call reaches the domain.
    CallEffect(u64),
    /// A call returns to who made it.
    CallReturn(u64),
    /// A call has taken too long.
    CallTimeout(u64),
    /// A migration that is sent from here goes on.
    Flow { resource: ResourceId, id: u64 },
    /// Leftovers are gone and what is there is looked at.
    Inventory { process: u64, known: BTreeMap<ResourceId, Primitive>, give_up: u64 },
    /// The host is looked through.
    Survey,
    /// What was there, and the pause until it is looked through again.
    Surveyed { present: BTreeSet<ResourceId>, pause: u64 },
    /// The executor has a session with the device and sends its command.
    PowerSend(u64),
    /// The device has the command.
    PowerTaken(u64),
    /// The device's answer is back.
    PowerAnswer(u64, PowerAnswer),
    /// The host's power goes off by its device.
    PowerDrop { host: usize, boot: u64 },
    /// The same, long after the device was told.
    LateDrop(usize),
    /// Nobody waits any longer for a host to be empty that goes down.
    HostDown,
    /// Somebody switches the host on.
    PowerOn(usize),
    /// The kernel is up.
    KernelUp(usize, u64),
    /// The daemon starts.
    DaemonStart(u64),
    /// A host that fences itself goes down.
    Reboot,
    /// Somebody writes down which hosts are well.
    Pulse,
    /// The next fault.
    Fault,
    /// A host is hit while a proposal of its own is under way.
    Ambush { kill: bool },
    /// A fault ends.
    Undo(Undo),
    /// A person does something.
    Person,
    /// A person clones something, or takes a clone apart.
    Clone,
    /// A person changes the address of a fence device.
    Wire,
    /// A person removes a member, and tries again so often.
    Remove(usize, u32),
    /// A person empties a removed host's disk, and lets it join.
    JoinAgain(usize),
    /// A person who stopped a VM starts it again.
    Restart(ResourceId),
    /// A person tries again.
    PersonRetry(u64),
    /// Tells a daemon of a VM that crashed.
    Changed(ResourceId),
    /// An agent that runs goes on.
    Agent(u64, Step),
    /// Word of what was asked of an agent, and needs none.
    Told(Tag, Box<Told>),
    /// Something happens to an agent, or what it brought up.
    AgentFault,
    /// The feeder of a host's watchdog tells its daemon how things stand.
    Feeder,
    /// It looks whether it may feed.
    FeedDog,
    /// A watchdog looks whether it was fed.
    DogLooks(usize, u64),
    /// A host with a watchdog is cut off for long.
    LongCut,
    /// A daemon is asked to stop.
    StopDaemon,
    /// A pill reaches the disks, or a look for one does.
    Pill(Box<PillCall>),
    /// What came of it.
    PillAnswer(Tag, PowerAnswer),
    /// A disk writes what it took long ago.
    PillLands { disk: usize, target: usize, mail: (SessionId, String) },
    /// Somebody empties a slot.
    PillTaken(usize),
    /// Somebody has hosts with a watchdog read slots, once all know what that is.
    WantSlots,
    /// Disks are lost to hosts.
    LostDisks,
    /// A round that was to be a leader's own, and is none.
    NoRound(Tag),
    /// The agents of a host do what they should again.
    AgentsWell(usize),
}

/// What members say to each other.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    PreVote {
        term: u64,
        last: (u64, usize),
    },
    PreVoteGiven {
        term: u64,
    },
    Vote {
        term: u64,
        last: (u64, usize),
        transfer: bool,
    },
    /// A leader asks this voter to stand at once.
    Stand {
        term: u64,
    },
    VoteGiven {
        term: u64,
    },
    HigherTerm {
        term: u64,
    },
    Append {
        term: u64,
        prev: (usize, u64),
        entries: Entries,
        commit: usize,
        round: u64,
    },
    Appended {
        term: u64,
        fits: bool,
        matched: usize,
        round: u64,
    },
    /// Instead of entries that are gone: a whole state, and what it covers.
    Snapshot {
        term: u64,
        snapshot: Rc<Snapshot>,
        covered: Rc<Entries>,
        round: u64,
    },
    Show(Shown),
    ShownTo {
        shown: Shown,
        refused: bool,
    },
    Seen(Rc<AllSeen>),
    /// Who the members are, for one that may know too few of them to show its store to.
    Roll(Roll),
    Forward {
        ticket: Ticket,
        is_a_persons: bool,
        entry: Box<Entry>,
    },
    Forwarded {
        ticket: Ticket,
        answer: Result<Outcome, ProposeError>,
    },
    ReadIndex {
        ticket: Ticket,
    },
    ReadIndexed {
        ticket: Ticket,
        index: Option<usize>,
    },
    Poll {
        process: u64,
        asked: BootTime,
        sent: u64,
        question: Question,
    },
    PollAnswer {
        process: u64,
        asked: BootTime,
        presence: Box<Presence>,
    },
    /// A host asks whether it may feed its watchdog on.
    Beat {
        process: u64,
        asked: BootTime,
        session: SessionId,
    },
    /// It may.
    BeatAnswer {
        process: u64,
        asked: BootTime,
    },
    /// Whoever polls was removed.
    CastOut {
        process: u64,
    },
}

impl Message {
    /// Whether it comes back on the way of what it answers.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::PreVoteGiven { .. }
                | Self::VoteGiven { .. }
                | Self::HigherTerm { .. }
                | Self::Appended { .. }
                | Self::ShownTo { .. }
                | Self::Forwarded { .. }
                | Self::ReadIndexed { .. }
                | Self::PollAnswer { .. }
                | Self::CastOut { .. }
                | Self::BeatAnswer { .. }
        )
    }
}

/// What asks for an answer of the replica, in one daemon.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// The engine proposed.
    Propose(Tag),
    /// The engine reads; the index its view has to reach, once known.
    Read(Tag, Option<usize>),
    /// A person asked.
    Person(u64),
    /// A host without a store asked; it looks for the answer in the state.
    Errand,
}

/// An event with its time.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) at: u64,
    number: u64,
    pub(crate) scope: Scope,
    pub(crate) what: What,
}

/// All that is planned.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Planned>,
    number: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: u64, scope: Scope, what: What) {
        self.number += 1;
        self.heap.push(Planned { at, number: self.number, scope, what });
    }

    pub(crate) fn pop(&mut self) -> Option<Planned> {
        self.heap.pop()
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    /// The heap gives the greatest first: that is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}
