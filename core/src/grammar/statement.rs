//! What one statement says.

use crate::config::shorthand::{Group, Own, WideColocation, WideLocation, WideOrder};
use crate::config::{
    Attributes, Colocation, FencingTopology, Location, NodeConfig, Order, Primitive, RuledSet, TicketConstraint,
};
use crate::id::{NodeId, ResourceId};

/// One statement and where it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Line, counted from 1.
    pub line: u32,
    /// What to do.
    pub verb: Verb,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Brings an object in.
    Define(Object),
    /// `delete ID… [--force]`; an id may be `ID.NAME`, which takes one attribute out.
    Delete {
        /// Which.
        ids: Vec<String>,
        /// Constraints and fence levels that refer to them go too.
        force: bool,
    },
    /// `set ID.NAME VALUE`, `set ID.OP.NAME VALUE`, `set ID.OP.INTERVAL.NAME VALUE`
    Set {
        /// `ID.[OP.][INTERVAL.]NAME`
        path: String,
        /// The value.
        value: String,
    },
    /// `modgroup GROUP add MEMBER [after|before OTHER]`, `modgroup GROUP remove MEMBER`
    ModGroup {
        /// Which group.
        group: String,
        /// Which resource.
        member: ResourceId,
        /// What becomes of it.
        change: GroupChange,
    },
    /// `monitor RSC INTERVAL[:TIMEOUT]`
    Monitor {
        /// Which resource.
        resource: String,
        /// How often.
        interval: String,
        /// How long one may take.
        timeout: Option<String>,
    },
    /// `rename OLD NEW`
    Rename {
        /// As it is called.
        from: String,
        /// As it shall be called.
        to: String,
    },
}

/// An object as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// `node`
    Node(NodeId, NodeConfig),
    /// `primitive`
    Primitive(ResourceId, Own),
    /// `rsc_template`
    Template(String, Primitive),
    /// `group`
    Group(String, Group),
    /// `clone`
    Clone(String, Group),
    /// `tag`
    Tag(String, Vec<String>),
    /// `location`
    Location(String, Location),
    /// `colocation`
    Colocation(String, Colocation),
    /// `order`
    Order(String, Order),
    /// `location` of several resources, or with rules
    WideLocation(String, WideLocation),
    /// `colocation` of sets
    WideColocation(String, WideColocation),
    /// `order` of sets
    WideOrder(String, WideOrder),
    /// `rsc_ticket`
    Ticket(String, TicketConstraint),
    /// `fencing_topology`; each row replaces that of the same nodes.
    FencingTopology(Vec<FencingTopology>),
    /// `property`; set over what is there.
    Property(Attributes),
    /// `rsc_defaults`; set over what is there.
    RscDefaults(Attributes, Vec<RuledSet>),
    /// `op_defaults`; set over what is there.
    OpDefaults(Attributes, Vec<RuledSet>),
}

/// What becomes of a member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// It comes in at the end.
    Append,
    /// It comes in before this one.
    Before(ResourceId),
    /// It comes in after this one.
    After(ResourceId),
    /// It goes.
    Remove,
}
