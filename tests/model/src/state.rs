//! What one moment of the modelled cluster consists of: the replicated log's state, the world
//! (ground truth), messages on their way, and what may still happen.
//!
//! The log never looks at the world, and the world never at the log, except where the protocol lets a
//! process read its replica. Numbers are small; only equality and "one more" have a meaning, see
//! [`crate::symmetry`].

use crate::message::{Found, Message};
use crate::world::World;

/// The most nodes a configuration may have.
pub const MAX_NODES: usize = 3;
/// The most resources a configuration may have.
pub const MAX_RESOURCES: usize = 2;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u8);
        impl $name {
            /// The value as an index.
            pub fn index(self) -> usize { usize::from(self.0) }
            /// The value after this one.
            #[must_use]
            pub fn next(self) -> Self { Self(self.0 + 1) }
        }
    };
}
id!(/// A member of the cluster.
    NodeId);
id!(/// A virtual machine.
    ResourceId);
id!(/// One boot of one host: the session. Real ones are random; only equality counts in `apply`.
    BootId);
id!(/// One start of the daemon on a host: the incarnation.
    Process);
id!(/// The operation number of one resource on one node.
    Number);

/// How many nodes and resources take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Nodes, at most [`MAX_NODES`].
    pub nodes: u8,
    /// Resources, at most [`MAX_RESOURCES`].
    pub resources: u8,
}

impl Size {
    /// Every node.
    pub fn nodes(self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes).map(NodeId)
    }
    /// Every resource.
    pub fn resources(self) -> impl Iterator<Item = ResourceId> {
        (0..self.resources).map(ResourceId)
    }
}

/// One state of the whole model. `Hash` treats states that differ only in names as one.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Nodes and resources in this configuration.
    pub size: Size,
    /// What every member agrees on.
    pub log: Log,
    /// What is really so.
    pub world: World,
    /// Proposals, results and readings on their way to the log, in any order; sorted, each once.
    pub network: Vec<Message>,
    /// What may still go wrong or be asked for.
    pub left: Budget,
    /// Harm that shows in a step rather than in a state.
    pub harm: Harm,
}

/// The replicated state: what `apply` reads and writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// How far the arrays below are used.
    pub size: Size,
    /// Each node's session and incarnation.
    pub members: [Member; MAX_NODES],
    /// Each resource on each node.
    pub slots: [[Slot; MAX_NODES]; MAX_RESOURCES],
    /// Permissions to send `off`, until settled or past their deadline.
    pub grants: Vec<Grant>,
}

impl Log {
    /// A node's entry.
    pub fn member(&self, node: NodeId) -> &Member {
        &self.members[node.index()]
    }
    /// A node's entry, to change.
    pub fn member_mut(&mut self, node: NodeId) -> &mut Member {
        &mut self.members[node.index()]
    }
    /// A resource on a node.
    pub fn slot(&self, resource: ResourceId, node: NodeId) -> &Slot {
        &self.slots[resource.index()][node.index()]
    }
    /// A resource on a node, to change.
    pub fn slot_mut(&mut self, resource: ResourceId, node: NodeId) -> &mut Slot {
        &mut self.slots[resource.index()][node.index()]
    }
}

/// What the log knows of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The last admitted boot of this node's host.
    pub session: BootId,
    /// Whether that session is trusted, lost or over.
    pub standing: Standing,
    /// The last accepted hello's process.
    pub incarnation: Process,
    /// A grant for this session passed its deadline without a report: an `off` may have been sent.
    pub maybe_sent: bool,
}

/// How a session stands. `Lost` carries the fence intent: both are committed in one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// May claim.
    Open,
    /// Not heard; a fence intent for this session is committed.
    Lost,
    /// Over, by proof. It never opens again; the next session needs a hello of another boot.
    Ended,
}

/// One resource on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// It runs, may run, or nobody knows: all the same to the claim check.
    pub active: bool,
    /// Rises at every grant, accepted result and hello.
    pub number: Number,
    /// The operation under way.
    pub claim: Claim,
}

impl Slot {
    /// Takes the next operation number.
    pub fn raise(&mut self) -> Number {
        self.number = self.number.next();
        self.number
    }
}

/// An operation the log has granted and whose outcome it does not know yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// Nothing under way.
    #[default]
    None,
    /// The node may start it.
    Start,
    /// The node stops it, or destroys what it finds.
    Stop,
    /// The node sends it to another.
    Migrate {
        /// The target.
        to: NodeId,
    },
    /// A paused copy may arrive or has arrived here; it must not run yet.
    Incoming {
        /// The source.
        from: NodeId,
        /// The source's migration reported that it ended with the machine handed over and gone.
        gone: bool,
    },
    /// The node resumes the copy.
    Handover,
}

/// A permission to one executor to send `off` for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Who may send.
    pub executor: NodeId,
    /// Whose power goes off.
    pub target: NodeId,
    /// The session the intent belongs to.
    pub session: BootId,
}

/// How often each kind of event may still happen. Small budgets make the exploration finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Claims proposed, by an arbitrary planner.
    pub claims: u8,
    /// Migrations among them: more must not be proposed.
    pub migrations: u8,
    /// Monitors or probes that report.
    pub monitors: u8,
    /// Daemons killed and started again.
    pub restarts: u8,
    /// Hosts losing power.
    pub cuts: u8,
    /// Hosts booting again.
    pub boots: u8,
    /// Nodes declared lost.
    pub losses: u8,
    /// Permissions to send `off`.
    pub grants: u8,
    /// Fences called off.
    pub call_offs: u8,
    /// Answers by a person.
    pub confirms: u8,
    /// Power readings that say off of a running host.
    pub lies: u8,
    /// Virtual machines that die by themselves.
    pub vm_deaths: u8,
    /// Actions that end without effect.
    pub failures: u8,
    /// Hellos in a node's name from other hardware.
    pub impostors: u8,
}

/// Harm that no later state shows any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// One operation number was begun twice.
    pub executed_twice: bool,
    /// An `off` hit a host whose session the log holds open.
    pub off_hit_open_session: bool,
    /// A half transferred or outdated copy was resumed.
    pub bad_copy_resumed: bool,
    /// Not the protocol's fault: a power device said off of a running host.
    pub lied: bool,
}

impl State {
    /// All nodes up, admitted and empty.
    pub fn initial(size: Size, budget: Budget) -> Self {
        let member =
            Member { session: BootId(1), standing: Standing::Open, incarnation: Process(1), maybe_sent: false };
        Self {
            size,
            log: Log { size, members: [member; MAX_NODES], slots: Default::default(), grants: Vec::new() },
            world: World::initial(),
            network: Vec::new(),
            left: budget,
            harm: Harm::default(),
        }
    }

    /// What a look at a host finds.
    pub fn found(&self, resource: ResourceId, node: NodeId) -> Found {
        self.world.vm(resource, node).found()
    }
}
