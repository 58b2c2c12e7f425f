//! What the cluster should be: nodes, resources, constraints and properties, as people configure them.
//!
//! Plain data. The text form is `grammar`'s, consistency is `validate`'s, and what was observed is in `state`.

mod clone;
mod device;
mod discovery;
mod health;
mod meta;
mod migration;
mod operation;
mod origin;
mod patch;
mod property;
mod resource;
mod role;
mod ruled;
pub mod secret;
pub mod shorthand;
mod ticket;
mod topology;
mod unit;
pub mod validate;

pub use clone::{CloneSpec, MOST_INSTANCES, PROMOTABLE};
pub use device::{DEVICE_PARAMETERS, DeviceCall, HostCheck};
pub use discovery::{Discovery, LookedFor};
pub use health::{Colour, HEALTH_PREFIX, HealthStrategy, NodeHealth};
pub use meta::{META_NAMES, MetaError, MultipleActive, Requires, ResourceMeta};
pub use migration::{MIGRATION_PARAMETERS, MigrationOptions};
pub(crate) use operation::attribute_errors;
pub use operation::{Cloned, OperationSpec};
pub(crate) use origin::{ORIGIN, is_said_twice, origin_errors};
pub use patch::ConfigPatch;
pub use property::{FenceAction, NoQuorumPolicy, PROPERTY_NAMES, Properties, PropertyError, is_agents_property};
pub use resource::{Agent, AgentClass, Attributes, OnFail, Operation, Primitive, TargetRole};

pub(crate) use resource::WATCHDOG_LONGEST;
pub use resource::boolean;
pub use role::{InRole, OrderTask};
pub use ruled::{RuledSet, Section};
pub use ticket::{LossPolicy, TicketConstraint, TicketNeed};
pub use topology::{FencingTopology, LevelTarget};
pub use unit::{full_unit_name, is_unit_name};

use crate::id::{NodeId, ResourceId};
use crate::score::Score;
use serde::{Deserialize, Serialize};
use shorthand::Shorthand;
use std::collections::BTreeMap;

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Nodes that were named with attributes of their own; a member need not be listed here.
    pub nodes: BTreeMap<NodeId, NodeConfig>,
    /// VMs and fence devices.
    pub primitives: BTreeMap<ResourceId, Primitive>,
    /// Where resources may and should run, by constraint id.
    pub locations: BTreeMap<String, Location>,
    /// What must run with what, by constraint id.
    pub colocations: BTreeMap<String, Colocation>,
    /// What starts after what, by constraint id.
    pub orders: BTreeMap<String, Order>,
    /// For each node, its fence levels in the order of trying; `None` is for every node without its own.
    pub fencing_topology: Vec<FencingTopology>,
    /// Cluster properties as given; `Properties::read` gives them meaning.
    pub properties: Attributes,
    /// Meta attributes for every primitive that does not set them itself.
    pub rsc_defaults: Attributes,
    /// Those of them that hold only when a rule does, or come before others.
    pub rsc_rules: Vec<RuledSet>,
    /// Operation attributes for every operation that does not set them itself.
    pub op_defaults: Attributes,
    /// Those of them that hold only for some agents or operations, or come before others; `expand` puts what they come to into
    /// the operations of each primitive.
    pub op_rules: Vec<RuledSet>,
    /// What stands for more than itself; what it stands for is above.
    pub shorthand: Shorthand,
}

impl Config {
    /// Whether nobody touches this resource, here or anywhere: it is unmanaged, in maintenance, or everything is.
    pub fn is_hands_off(&self, id: &ResourceId) -> bool {
        let Some(primitive) = self.primitives.get(id) else { return false };
        let (meta, _) = ResourceMeta::read(id, primitive, &self.rsc_defaults);
        !meta.is_managed || meta.maintenance || Properties::read(&self.properties).0.maintenance_mode
    }
}

/// What is configured of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// `attributes name=value …`
    pub attributes: Attributes,
    /// `utilization name=value …`
    pub utilization: Attributes,
}

/// `location ID RSC SCORE: NODE`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Which resource.
    pub resource: ResourceId,
    /// How much it is wanted there.
    pub score: Score,
    /// Where.
    pub node: NodeId,
    /// In which role; `None`: wherever it runs.
    pub role: Option<InRole>,
    /// Whether it is looked for there.
    pub discovery: Discovery,
}

/// `colocation ID SCORE: RSC WITH`: the first follows the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colocation {
    /// How strongly; negative keeps them apart.
    pub score: Score,
    /// The one that follows.
    pub resource: ResourceId,
    /// The one that is followed.
    pub with: ResourceId,
    /// Only in this role does it follow.
    pub role: Option<InRole>,
    /// Only in this role is the other followed.
    pub with_role: Option<InRole>,
}

/// `order ID KIND: FIRST THEN`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// How binding.
    pub kind: OrderKind,
    /// What starts first (and stops last, when symmetrical).
    pub first: ResourceId,
    /// What starts after it.
    pub then: ResourceId,
    /// Whether stops go in the reverse order.
    pub symmetrical: bool,
    /// Whether the first is needed by itself; else any one suffices of those that are first in a part of the same
    /// constraint, before the same.
    pub requires_all: bool,
    /// What of the first.
    pub first_task: OrderTask,
    /// What of the other.
    pub then_task: OrderTask,
}

impl Order {
    /// The one starts before the other, and stops after it.
    pub fn start(first: &ResourceId, then: &ResourceId) -> Self {
        let (first, then) = (first.clone(), then.clone());
        Self {
            kind: OrderKind::Mandatory,
            first,
            then,
            symmetrical: true,
            requires_all: true,
            first_task: OrderTask::Start,
            then_task: OrderTask::Start,
        }
    }
}

/// How binding an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderKind {
    /// Always.
    Mandatory,
    /// Only where both act in one transition.
    Optional,
    /// Never both at once, either way round.
    Serialize,
}

impl OrderKind {
    /// What `symmetrical` is where nothing is said: what only keeps two actions apart has no reverse.
    pub fn is_symmetrical_by_default(self) -> bool {
        self != Self::Serialize
    }
}
