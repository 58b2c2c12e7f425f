//! The words that nodes, resources and constraints are described in.

/// `no-quorum-policy`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQuorum {
    /// Stop everything.
    Stop,
    /// Leave what runs, start nothing.
    Freeze,
    /// As if there were a majority.
    Ignore,
    /// Demote what is promoted.
    Demote,
    /// Fence this whole partition.
    Suicide,
}

/// `placement-strategy`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Capacity does not count.
    Default,
    /// Capacity is a limit.
    Utilization,
    /// A limit, and the node with the most room is preferred.
    Balanced,
    /// A limit, and nodes are filled one after another.
    Minimal,
}

/// What runs resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A member.
    Member,
    /// A host without cluster software, through this connection resource.
    Remote,
    /// A guest of the cluster, through this connection resource.
    Guest,
}

/// What a resource is, or should be, on a node; ordered by how much it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing was said of it.
    #[default]
    Unknown,
    /// Not running.
    Stopped,
    /// Running.
    Started,
    /// A running instance of a promotable clone that is not promoted.
    Unpromoted,
    /// A promoted one.
    Promoted,
}

/// An action's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Start a primitive; of a collective: before its first member starts.
    Start,
    /// Of a collective: all that should be started are.
    Started,
    /// Stop a primitive; of a collective: before its first member stops.
    Stop,
    /// Of a collective: all that should be stopped are.
    Stopped,
    /// Promote, or before the first promotion.
    Promote,
    /// All promotions are done.
    Promoted,
    /// Demote, or before the first demotion.
    Demote,
    /// All demotions are done.
    Demoted,
    /// The source's half of a live migration.
    MigrateTo,
    /// The target's half.
    MigrateFrom,
    /// Fence a node.
    Fence,
    /// Let a node to its storage.
    Unfence,
    /// Let the agent take its new parameters while it runs.
    Reload,
}

/// What a changed definition asks for; the harder one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The agent takes it while it runs.
    Reload,
    /// Stop and start.
    Restart,
}

/// What a primitive needs before it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requires {
    /// Nothing.
    Nothing,
    /// A majority.
    Quorum,
    /// A majority, and unclean nodes fenced.
    Fencing,
    /// That, and its own node unfenced.
    Unfencing,
}

/// What to do about a resource that is active where it should not be as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipleActive {
    /// Stop all, start one.
    StopStart,
    /// Stop all but where it should be.
    StopUnexpected,
    /// Stop all.
    StopOnly,
    /// Leave it to a person.
    Block,
}

/// What follows a failure, from mildest to hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnFail {
    /// Nothing.
    Ignore,
    /// Nothing more than counting it.
    Demote,
    /// Stop and start.
    Restart,
    /// Stop and start what it runs in.
    RestartContainer,
    /// A connection is lost: its node is fenced, and it is tried anew.
    ResetRemote,
    /// Away from here.
    Ban,
    /// A person.
    Block,
    /// Stop for good.
    Stop,
    /// Everything off the node.
    Standby,
    /// Fence the node.
    Fence,
}

/// How an order binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderForce {
    /// Only where both act.
    Optional,
    /// Always.
    Mandatory,
    /// Never both at once.
    Serialize,
}
