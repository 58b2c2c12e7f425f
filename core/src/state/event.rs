//! The timeline: what happened, in order, for people.

use crate::id::{NodeId, ResourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Rises by one with each.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The log index it came with.
    pub index: u64,
    /// Its kind, for programs.
    pub kind: EventKind,
    /// The node it concerns.
    pub node: Option<NodeId>,
    /// The resource it concerns.
    pub resource: Option<ResourceId>,
    /// In words.
    pub text: String,
    /// How long that took, of an operation: by the clock of the host that did it.
    pub took_ms: Option<u64>,
}

/// Kinds of events; their names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A member joined, or the cluster was founded.
    Member,
    /// A node said hello.
    Hello,
    /// A node fell silent.
    Suspect,
    /// A node's daemon is gone, its kernel is not.
    DaemonGone,
    /// A daemon was stopped in order.
    Away,
    /// A node is heard again.
    Online,
    /// A majority is back.
    Majority,
    /// A node was judged lost.
    Lost,
    /// A fence was asked for.
    FenceIntent,
    /// A fence is wanted, and the storm brake holds it up.
    FenceHeld,
    /// A fence try was granted.
    FenceGrant,
    /// A fence try failed.
    FenceFailed,
    /// A session was proven dead.
    Fenced,
    /// A node was switched on again after its fence, or could not be.
    PowerOn,
    /// A fence was called off.
    CalledOff,
    /// An action was planned.
    Planned,
    /// An action was claimed.
    Claimed,
    /// A resource runs.
    Started,
    /// A resource is stopped.
    Stopped,
    /// A resource goes from one node to another while it runs, or could not.
    Migrated,
    /// A resource or operation failed.
    Failed,
    /// The configuration changed.
    Configured,
    /// Somebody moved or banned a resource, or that has ended; or old failures were forgotten.
    Preference,
    /// A node's intent changed.
    Intent,
    /// A member's store was lost or is full, or it came back with a new one.
    Store,
    /// Somebody else speaks for a member: a copied disk, or two hosts of one name.
    Copy,
    /// A member's state is not that of the others.
    Differs,
    /// A promise was broken.
    PromiseBroken,
    /// A person is asked something.
    Asked,
    /// A node was put in quarantine, or released.
    Quarantine,
    /// A fence device is trusted, or not any more.
    Trust,
    /// A node was let to its storage by a device, or could not be.
    Unfenced,
    /// A host's watchdog was armed or disarmed.
    Watchdog,
    /// A ticket was given to this cluster, or taken.
    Ticket,
    /// The instances of a clone are told what was done to it.
    Notified,
    /// What the sensors of a host say has changed.
    Health,
    /// A fence device passed a drill for the first time, fails, or passes again.
    Drilled,
}
