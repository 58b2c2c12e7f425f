//! Every log entry that can exist. What `apply` answers to them is in `outcome`.

use super::{
    ActionKind, AgentError, Breath, DrillWord, Ended, FailureCount, FenceCause, Founding, GonePill, Intent, Matter,
    Member, Moved, NoticeStep, Noticed, Recovery, Release, Reload, Seen, SensorWord, Spent, TicketChange, Trouble,
    Unfencing, Wish,
};
use crate::config::{ConfigPatch, FenceAction};
use crate::id::{
    ActionId, HardwareId, Incarnation, NodeId, Operation, RaftId, RequestId, ResourceId, SessionId, StoreId,
};
use crate::time::Timestamp;
use crate::watchdog::Terms;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A log entry: a command with the time and the request it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The leader's clock when it was proposed; `apply` never lets time go back.
    pub at: Timestamp,
    /// For a person's request: a retry with the same id is answered, not repeated.
    pub request: Option<RequestId>,
    /// What is to change.
    pub command: Command,
}

/// Which daemon speaks: refused when it is not the node's current one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    /// Its node.
    pub node: NodeId,
    /// Its boot.
    pub session: SessionId,
    /// Its start.
    pub incarnation: Incarnation,
}

/// What may be proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Names the cluster; the first entry of all.
    Found(Founding),
    /// A daemon start: compare-and-set on the incarnation it follows.
    Hello {
        /// Who.
        node: NodeId,
        /// On which hardware.
        hardware: HardwareId,
        /// In which boot.
        session: SessionId,
        /// The incarnation it read after it started.
        follows: Incarnation,
        /// What it looked for, and what it saw.
        inventory: BTreeMap<ResourceId, Seen>,
        /// The program that it runs.
        release: Release,
    },
    /// The leader's judgement of a node.
    Judge {
        /// Of whom.
        node: NodeId,
        /// Of which boot.
        session: SessionId,
        /// What it is now.
        verdict: Verdict,
    },
    /// A person is to be asked about a node.
    Ask {
        /// About which.
        node: NodeId,
        /// About which boot.
        session: SessionId,
        /// What.
        matter: Matter,
    },
    /// A session that was proven dead lives.
    Breathes(Breath),
    /// The end of a node's quarantine; by a person it gets resources again after a false proof, too.
    Release {
        /// Who asks; the leader, when it has been steady for long.
        actor: Option<String>,
        /// Of which node.
        node: NodeId,
    },
    /// Whether the word of a fence device proves anything.
    Trust {
        /// Who says so.
        actor: String,
        /// Of which device.
        device: ResourceId,
        /// Whether it does.
        trusted: bool,
    },
    /// The speaker stops in order and leaves its VMs running.
    GoAway(Speaker),
    /// A majority is back after an absence; for the timeline.
    MajorityBack {
        /// The leader, who tells what it did not hear.
        from: NodeId,
        /// For how long it had none.
        absence: Duration,
        /// Voters that it did not hear meanwhile.
        unheard: BTreeSet<NodeId>,
    },
    /// That a session be proven dead.
    Fence {
        /// Which node.
        target: NodeId,
        /// Which boot.
        session: SessionId,
        /// Why.
        cause: FenceCause,
        /// What follows the proof; as `stonith-action` says, when `None`.
        action: Option<FenceAction>,
    },
    /// Asks for leave to send an off.
    FenceGrant {
        /// Who would send it.
        speaker: Speaker,
        /// To which node.
        target: NodeId,
        /// In which boot.
        session: SessionId,
        /// With which devices.
        devices: Vec<ResourceId>,
        /// For how long, on the asker's boot-time clock.
        lasts: Duration,
    },
    /// How a granted try ended.
    FenceResult {
        /// Who tried.
        speaker: Speaker,
        /// Which node.
        target: NodeId,
        /// Which boot.
        session: SessionId,
        /// Which try, counted from 1.
        attempt: u32,
        /// `Ok`: the power reads off, in a reading begun after the intent. Else the device's error.
        outcome: Result<(), String>,
        /// Whether an off may have left this host.
        sent: bool,
        /// How long the devices took to answer, in all.
        took: Duration,
    },
    /// The deadline of a try has passed without a word; by the leader's own clock.
    FenceExpire {
        /// Which node.
        target: NodeId,
        /// Which boot.
        session: SessionId,
        /// Which try.
        attempt: u32,
    },
    /// The session is heard again and no off was sent: take it back and look at everything.
    FenceCallOff {
        /// Which node.
        target: NodeId,
        /// Which boot.
        session: SessionId,
    },
    /// The session is heard again after an off: it must kill its VMs and reboot.
    Condemn {
        /// Which node.
        target: NodeId,
        /// Which boot.
        session: SessionId,
    },
    /// How the devices answered to the wish that a node be switched on again.
    PowerOnResult {
        /// Which node.
        node: NodeId,
        /// Its session that was proven dead.
        session: SessionId,
        /// `Ok`: they say that they did. Else their error.
        outcome: Result<(), String>,
    },
    /// A person's word that a session is dead.
    ConfirmOff {
        /// Which node.
        node: NodeId,
        /// Which boot.
        session: SessionId,
        /// Who says so.
        by: String,
    },
    /// Changes of the transition.
    Plan {
        /// Planned actions that are no longer wanted; a claimed one stays, and a claimed migration is called off.
        cancel: Vec<ActionId>,
        /// New ones.
        add: Vec<NewAction>,
    },
    /// Asks for leave to carry out an action.
    Claim {
        /// Who.
        speaker: Speaker,
        /// Which.
        action: ActionId,
        /// How long it may take.
        deadline: Duration,
    },
    /// How a claimed operation ended.
    Result {
        /// Who carried it out.
        speaker: Speaker,
        /// On what.
        resource: ResourceId,
        /// Under which number.
        operation: Operation,
        /// What is there now.
        seen: Seen,
        /// The agent's error, if it failed.
        error: Option<AgentError>,
        /// How long the agent took, in all.
        took: Duration,
        /// Of a start or a reload that its agent carried out: what it takes over without a restart.
        reload: Option<Reload>,
    },
    /// A migration ended as it should: the copy at the target is complete, and nothing is left here.
    Gone {
        /// Who sent it.
        speaker: Speaker,
        /// What.
        resource: ResourceId,
        /// Under which number.
        operation: Operation,
        /// In figures.
        moved: Moved,
    },
    /// What a look outside any operation found.
    Observe {
        /// Who looked.
        speaker: Speaker,
        /// At what.
        resource: ResourceId,
        /// The number in force when the look began.
        operation: Operation,
        /// What was seen.
        seen: Seen,
        /// What went wrong, if it did.
        error: Option<AgentError>,
    },
    /// A change of configuration.
    Configure {
        /// Who.
        actor: String,
        /// The revision it was made from.
        base: u64,
        /// What changes.
        patch: Box<ConfigPatch>,
        /// The change in the grammar's words, for the history.
        diff: String,
    },
    /// What people want of a node.
    SetIntent {
        /// Who asks.
        actor: String,
        /// Of which node.
        node: NodeId,
        /// What.
        intent: Intent,
    },
    /// Says something of a node that lasts as long as its session: `None` takes it back.
    SetAttribute {
        /// Of which node.
        node: NodeId,
        /// Its name.
        name: String,
        /// What.
        value: Option<String>,
    },
    /// Forgets failures and looks again.
    Cleanup {
        /// Who asks.
        actor: String,
        /// Of what.
        resource: ResourceId,
        /// Where; everywhere when `None`.
        node: Option<NodeId>,
    },
    /// Where a resource should go, or not.
    Prefer {
        /// Who asks.
        actor: String,
        /// Of which resource.
        resource: ResourceId,
        /// Which node it is about.
        node: NodeId,
        /// What.
        wish: Wish,
        /// For how long; without a lifetime when `None`.
        lasts: Option<Duration>,
    },
    /// Ends preferences.
    Clear {
        /// Who asks.
        actor: String,
        /// Of which resource.
        resource: ResourceId,
        /// About which node; all when `None`.
        node: Option<NodeId>,
    },
    /// Preferences that have done what they were for, by the planner's word.
    EndPreferences(Vec<Ended>),
    /// Time has passed, and something was due.
    Wake,
    /// A join token: only its hash is kept.
    CreateToken {
        /// SHA-256 of the secret, hexadecimal.
        hash: String,
        /// When it stops being good.
        expires: Timestamp,
        /// Who made it.
        actor: String,
    },
    /// A member whose store is no more takes part again as a new learner, with an empty store under a new raft id.
    Rejoin {
        /// Who.
        node: NodeId,
        /// On which hardware.
        hardware: HardwareId,
        /// The raft id of the store that it lost.
        old: RaftId,
        /// The store it has now.
        store: StoreId,
        /// What became of the old one, in words.
        why: String,
    },
    /// What a member found out about a store, for the timeline.
    Report {
        /// Whose store.
        node: NodeId,
        /// What is wrong with it.
        trouble: Trouble,
        /// What was found, and what to do.
        text: String,
    },
    /// A new member, by a token that is good once.
    Join {
        /// SHA-256 of the token's secret.
        token: String,
        /// Who; its raft id is given by `apply`.
        member: Box<Member>,
    },
    /// A member goes for good: nothing may be active on it. Its certificate is revoked with it.
    Remove {
        /// Who asks.
        actor: String,
        /// Which.
        node: NodeId,
    },
    /// The host of a node shuts down: what it has is to move away or stop.
    Leave {
        /// Who asks.
        actor: String,
        /// Which node.
        node: NodeId,
        /// In which boot.
        session: SessionId,
    },
    /// The speaker's host shuts down, and nothing is active on it any more: that ends its session.
    Goodbye(Speaker),
    /// A claim's time has passed without a word, by the leader's own clock.
    Overdue {
        /// Whose it is.
        node: NodeId,
        /// On what.
        resource: ResourceId,
        /// Its number.
        operation: Operation,
    },
    /// A survivor of a lost majority goes on alone.
    Recover(Box<Recovery>),
    /// Sets how often a resource counts as failed on a node; it is not looked at again for that.
    SetFailures(FailureCount),
    /// A node says what came of its unfencing.
    Unfenced(Unfencing),
    /// The speaker's watchdog is open, and bites unless it is fed on these terms.
    Arm {
        /// Whose.
        speaker: Speaker,
        /// The turn that it knows: compare-and-set.
        follows: u64,
        /// Its name in the configuration.
        device: ResourceId,
        /// What the kernel calls it.
        identity: String,
        /// Whether it was what reset this host before this boot.
        was_reset: bool,
        /// On which terms.
        terms: Terms,
        /// The shared disks that its feeder reads.
        disks: Vec<String>,
        /// What it has marked its slots with.
        opening: String,
    },
    /// The speaker is going to close its watchdog.
    Disarm(Speaker),
    /// The speaker led, and waited for the watchdog of a host that nobody feeds any more.
    WatchdogWaited {
        /// Who.
        speaker: Speaker,
        /// For which node's.
        target: NodeId,
        /// Which boot.
        session: SessionId,
        /// Which turn of the watchdog.
        turn: u64,
        /// For how long, on its own boot-time clock.
        waited: Duration,
        /// The pill that was still in its slot after that, where one was left.
        pill: Option<String>,
    },
    /// The speaker led, and a pill is not in its slot any more after it was waited for.
    PillGone(GonePill),
    /// A ticket is given to this cluster, or taken.
    SetTicket {
        /// Who asks.
        actor: String,
        /// Which.
        ticket: String,
        /// What becomes of it; nothing where only attributes are set.
        change: Option<TicketChange>,
        /// What is kept with it from now on, and with no value what is not.
        attributes: BTreeMap<String, Option<String>>,
    },
    /// What instances of clones are to be told, by the planner's word.
    Notices(Vec<NoticeStep>),
    /// An instance was told.
    Noticed(Box<Noticed>),
    /// A member says what it read of a node's sensors, where that changes anything.
    Sensors(SensorWord),
    /// A member says how a fence device fared in a drill, where that changes anything.
    Drilled(DrillWord),
}

/// The leader's judgement of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Silent for a moment.
    Suspect,
    /// Only its daemon is silent.
    DaemonGone,
    /// Heard again.
    Online,
    /// Silent for too long, by a majority's word; carries the intent and, where its power read off, the first grant.
    Lost {
        /// What was seen, in words.
        evidence: String,
        /// What led to it, in figures.
        spent: Spent,
        /// The leader's own grant to go on at once.
        grant: Option<Grant>,
    },
}

/// A fence grant that comes with the judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub speaker: Speaker,
    /// With which devices.
    pub devices: Vec<ResourceId>,
    /// For how long.
    pub lasts: Duration,
}

/// An action as the planner proposes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAction {
    /// What.
    pub kind: ActionKind,
    /// To what.
    pub resource: ResourceId,
    /// Where.
    pub node: NodeId,
    /// Where to, for a migration; where from, for its handover.
    pub peer: Option<NodeId>,
    /// The operation number it was planned on.
    pub basis: Operation,
    /// Actions of this plan, by their place in it, that must be done before.
    pub after_new: Vec<u32>,
    /// Actions that exist already and must be done before.
    pub after: Vec<ActionId>,
    /// Why.
    pub reason: String,
}
