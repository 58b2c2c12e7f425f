//! What the scheduler reads and fills in: nodes, resources with their instances, constraints and options, in dense
//! arrays. Plain data.

use super::terms::{Change, MultipleActive, NoQuorum, NodeKind, OnFail, OrderForce, Placement, Requires, Role, Task};
use super::{Bundles, Remotes, Room, Scores};
use crate::score::Score;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A node's place in `Model::nodes`.
pub type NodeIx = usize;
/// A resource's place in `Model::resources`.
pub type RscIx = usize;

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Cluster-wide settings.
    pub options: Options,
    /// Cluster nodes, then remote and guest nodes.
    pub nodes: Vec<Node>,
    /// Every resource, collective ones and instances too.
    pub resources: Vec<Resource>,
    /// Those with no parent, highest priority first.
    pub top: Vec<RscIx>,
    /// What is placed with or away from what.
    pub colocations: Vec<Colocation>,
    /// What comes after what.
    pub orders: Vec<Order>,
    /// Preferences for a role; those for any role are in the resources' scores already.
    pub locations: Vec<Location>,
    /// Nodes to be fenced, and why.
    pub fence: BTreeMap<NodeIx, FenceWish>,
    /// The node that leads the cluster: it is fenced last.
    pub leader: Option<NodeIx>,
    /// What was not understood or is dangerous, in words.
    pub warnings: Vec<String>,
    /// What the scheduler makes of capacities and needs; nobody else fills it in.
    pub room: Room,
    /// What else of nodes this was made by.
    pub asked: Asked,
    /// Nodes that are reached through resources.
    pub remotes: Remotes,
    /// Clones of containers, and what belongs to each.
    pub bundles: Bundles,
    /// Resources of which one node may have only so many.
    pub limits: Vec<Limit>,
}

/// Resources of which one node may have only so many: instances of a clone of the live cluster that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Which.
    pub members: Vec<RscIx>,
    /// How many of them.
    pub node_max: usize,
}

/// Attributes of nodes that were asked for while a model was made: if one of them changes, the model has to be made anew.
/// What the scheduler itself reads is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// By name.
    pub names: BTreeSet<String>,
    /// All whose names begin so.
    pub beginnings: BTreeSet<String>,
}

/// A node that must be fenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceWish {
    /// Why, in words.
    pub reason: String,
}

/// Cluster-wide settings that change a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// Nodes are considered unless forbidden.
    pub is_symmetric: bool,
    /// Nodes are fenced.
    pub fences: bool,
    /// A device has to let nodes to their storage after each boot.
    pub unfences: bool,
    /// A node never seen is fenced.
    pub fences_at_startup: bool,
    /// More than one node may be fenced at a time.
    pub fences_concurrently: bool,
    /// This partition has a majority.
    pub is_quorate: bool,
    /// A node that ever was in a majority is known: an inquorate partition may fence itself.
    pub no_quorum: NoQuorum,
    /// Nothing is touched.
    pub maintenance: bool,
    /// Everything is to be stopped.
    pub stop_all: bool,
    /// What is not configured any more is stopped.
    pub stop_orphans: bool,
    /// One failed start bans a resource from a node.
    pub start_failure_is_fatal: bool,
    /// How capacity counts.
    pub placement: Placement,
    /// A fence of the node with the highest sum of priorities waits so many seconds, where no more than half are left.
    pub priority_fencing_delay: i64,
    /// As in Pacemaker, a resource is drawn to what avoids what avoids it.
    pub foes_of_foes_draw: bool,
    /// As in Pacemaker, nobody is fenced while no resource is managed. Of a live cluster `planner::fence` says who is.
    pub fences_for_what_is_managed: bool,
    /// As in Pacemaker, where capacity counts: resources of one priority are sorted by what they score, and the roomiest
    /// node is preferred whatever the strategy. The live cluster does neither, and plans from the midst of a transition.
    pub sorts_by_scores: bool,
    /// The time of planning, seconds since 1970.
    pub now: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            is_symmetric: true,
            fences: true,
            unfences: false,
            fences_at_startup: true,
            fences_concurrently: true,
            is_quorate: true,
            no_quorum: NoQuorum::Stop,
            maintenance: false,
            stop_all: false,
            stop_orphans: true,
            start_failure_is_fatal: true,
            placement: Placement::Default,
            priority_fencing_delay: 0,
            foes_of_foes_draw: true,
            fences_for_what_is_managed: true,
            sorts_by_scores: true,
            now: 0,
        }
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its id in the CIB.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// It can run things.
    pub is_online: bool,
    /// What it does is not known: it must be fenced before what it ran goes elsewhere.
    pub is_unclean: bool,
    /// It is coming up and can not run things yet.
    pub is_pending: bool,
    /// It was never heard of.
    pub is_unseen: bool,
    /// Nothing may run there.
    pub is_standby: bool,
    /// Nothing there is touched.
    pub is_maintenance: bool,
    /// It is asked to leave.
    pub is_shutting_down: bool,
    /// Its attributes, permanent and transient.
    pub attributes: BTreeMap<String, String>,
    /// Its capacity; reduced while resources are assigned.
    pub capacity: BTreeMap<String, i64>,
    /// How many resources were assigned to it.
    pub assigned: u32,
}

impl Node {
    /// Whether resources may be put there, scores aside.
    pub fn is_available(&self) -> bool {
        self.is_online && !self.is_shutting_down && !self.is_unclean && !self.is_standby && !self.is_maintenance
    }
}

/// One resource of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Resource {
    /// Its id; instances have `:N` behind it.
    pub id: String,
    /// The id without the instance.
    pub base: String,
    /// What it is.
    pub kind: Kind,
    /// What its history calls it, where that is another instance's name.
    pub called: Option<String>,
    /// What it is part of.
    pub parent: Option<RscIx>,
    /// `class`
    pub class: String,
    /// It is managed; if not, it is left where it is.
    pub is_managed: bool,
    /// Nothing may be done to it until a person helped.
    pub is_blocked: bool,
    /// Its last operation failed.
    pub is_failed: bool,
    /// Its failure wants it stopped, even where it stays.
    pub must_stop: bool,
    /// It is not configured any more.
    pub is_orphan: bool,
    /// Something failed, and that is to be ignored: its count does not matter.
    pub is_failure_ignored: bool,
    /// A start is under way.
    pub is_start_pending: bool,
    /// It may move while it runs.
    pub can_migrate: bool,
    /// What a start waits for.
    pub requires: Requires,
    /// What to do when it is active too often.
    pub multiple_active: MultipleActive,
    /// More important ones are placed first.
    pub priority: Score,
    /// How much it wants to stay.
    pub stickiness: Score,
    /// So many failures ban it from a node; zero never.
    pub migration_threshold: u32,
    /// Failures are forgotten after so many seconds; zero never.
    pub failure_timeout: i64,
    /// What a person wants.
    pub target: Option<Role>,
    /// What it needs of a node's capacity; copies of a model share it.
    pub utilization: Arc<BTreeMap<String, i64>>,
    /// Its `op` lines.
    pub operations: Vec<Operation>,
    /// Where alone it may be, if a constraint says that it is discovered exclusively there.
    pub discovered_on: Option<BTreeSet<NodeIx>>,
    /// It counts among this node's load already, until it is assigned itself: it runs there and is likely to stay.
    pub counted_on: Option<NodeIx>,
    /// Its start is planned there: it goes there unless a rule forbids that, whatever it would rather by now.
    pub planned_on: Option<NodeIx>,
    /// It is moved for what it scores alone: where it is as good as anywhere it stays, whatever the load.
    pub stays_among_equals: bool,

    /// What it is now.
    pub role: Role,
    /// Where it is active.
    pub active_on: Vec<NodeIx>,
    /// In which role, where that is known of a node.
    pub role_on: BTreeMap<NodeIx, Role>,
    /// Where its state is known.
    pub known_on: BTreeSet<NodeIx>,
    /// A live migration was begun: from, to.
    pub migrating: Option<(NodeIx, NodeIx)>,
    /// Left over by a migration: there it must be stopped.
    pub dangling: Vec<NodeIx>,
    /// Its definition is another than it was started with there.
    pub changed_on: BTreeMap<NodeIx, Change>,

    /// What it scores on each node.
    pub scores: Scores,
    /// Its colocations as the one that follows, strongest first.
    pub follows: Vec<usize>,
    /// Its colocations as the one that is followed.
    pub followed: Vec<usize>,
    /// Where it was assigned to, once it was.
    pub assigned: Option<NodeIx>,
    /// It was put elsewhere to make room for others.
    pub is_displaced: bool,
    /// When its move comes, among moves that make room for each other.
    pub turn: Option<usize>,
    /// It was assigned, to a node or to none.
    pub is_assigned: bool,
    /// It is being assigned now.
    pub is_assigning: bool,
    /// Its scores are being merged into another's.
    pub is_merging: bool,
    /// What it should be.
    pub next: Role,
    /// For an instance of a promotable clone: how much it wants promotion.
    pub promotion: Option<Score>,
}

/// What a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One thing that runs.
    Primitive,
    /// Several in a row.
    Group(GroupSpec),
    /// Several copies.
    Clone(CloneSpec),
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its members, first to last.
    pub members: Vec<RscIx>,
    /// They start one after another.
    pub is_ordered: bool,
    /// They run together.
    pub is_colocated: bool,
}

/// A clone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct CloneSpec {
    /// Its instances.
    pub instances: Vec<RscIx>,
    /// How many may run.
    pub max: usize,
    /// How many on one node.
    pub node_max: usize,
    /// How many must run for what depends on it.
    pub min: usize,
    /// What depends on it waits for the instance on its own node alone.
    pub is_interleaved: bool,
    /// Instances start one after another.
    pub is_ordered: bool,
    /// Instances differ.
    pub is_unique: bool,
    /// Instances hear of each other.
    pub notifies: bool,
    /// Some are promoted.
    pub promotion: Option<Promotion>,
}

/// What a promotable clone adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// How many are promoted.
    pub max: usize,
    /// How many on one node.
    pub node_max: usize,
}

/// An `op` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// start, stop, monitor, promote, demote, …
    pub name: String,
    /// Milliseconds.
    pub interval: i64,
    /// Which role it is for.
    pub role: Option<Role>,
    /// What follows its failure.
    pub on_fail: Option<OnFail>,
    /// It is done.
    pub is_enabled: bool,
    /// Parameters of its own.
    pub parameters: BTreeMap<String, String>,
}

/// `resource` is placed by where `with` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colocation {
    /// Its name.
    pub id: String,
    /// How strongly; negative keeps apart.
    pub score: Score,
    /// The one that follows.
    pub resource: RscIx,
    /// The one that is followed.
    pub with: RscIx,
    /// Only for this role of the follower.
    pub role: Option<Role>,
    /// Only for this role of the followed.
    pub with_role: Option<Role>,
    /// Same value of this attribute, instead of the same node.
    pub attribute: Option<String>,
    /// The follower influences where the followed goes.
    pub influence: bool,
}

/// One end of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderEnd {
    /// Of what.
    pub resource: RscIx,
    /// Which action.
    pub task: Task,
}

/// `first` comes before `then`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: String,
    /// What comes first.
    pub first: OrderEnd,
    /// What comes after it.
    pub then: OrderEnd,
    /// How it binds.
    pub force: OrderForce,
    /// The reverse holds for the reverse actions.
    pub is_symmetrical: bool,
    /// All instances of a clone, not any one.
    pub requires_all: bool,
}

/// A preference for a role alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Of which resource.
    pub resource: RscIx,
    /// Where.
    pub node: NodeIx,
    /// How much.
    pub score: Score,
    /// In which role.
    pub role: Role,
}

impl Model {
    /// The members of a group or the instances of a clone.
    pub fn children(&self, rsc: RscIx) -> &[RscIx] {
        match &self.resources[rsc].kind {
            Kind::Primitive => &[],
            Kind::Group(group) => &group.members,
            Kind::Clone(clone) => &clone.instances,
        }
    }

    /// The primitives in it; itself if it is one.
    pub fn primitives(&self, rsc: RscIx) -> Vec<RscIx> {
        match self.resources[rsc].kind {
            Kind::Primitive => vec![rsc],
            _ => self.children(rsc).iter().flat_map(|child| self.primitives(*child)).collect(),
        }
    }

    /// What it is part of, outermost; itself if nothing.
    pub fn uppermost(&self, rsc: RscIx) -> RscIx {
        self.resources[rsc].parent.map_or(rsc, |parent| self.uppermost(parent))
    }

    /// The clone it is an instance of, or a member of an instance of.
    pub fn clone_of(&self, rsc: RscIx) -> Option<(RscIx, &CloneSpec)> {
        match &self.resources[rsc].kind {
            Kind::Clone(clone) => Some((rsc, clone)),
            _ => self.resources[rsc].parent.and_then(|parent| self.clone_of(parent)),
        }
    }

    /// Where it runs now: the one node, or the best of several.
    pub fn current(&self, rsc: RscIx) -> Option<NodeIx> {
        let on = &self.resources[rsc].active_on;
        let is_clean = |node: &&NodeIx| self.nodes[**node].is_online && !self.nodes[**node].is_unclean;
        on.iter().find(is_clean).or_else(|| on.first()).copied()
    }

    /// Every node where any part of it is active.
    pub fn active_on(&self, rsc: RscIx) -> BTreeSet<NodeIx> {
        self.leading_parts(rsc).into_iter().flat_map(|p| self.resources[p].active_on.clone()).collect()
    }

    /// Whether a node can take resources, and the score does not forbid it.
    pub fn is_available(&self, node: NodeIx, score: Option<Score>) -> bool {
        score.is_some_and(|score| score >= Score::ZERO) && self.nodes[node].is_available()
    }

    /// Whether any node that scores can take resources.
    pub fn has_available(&self, scores: &Scores) -> bool {
        let special = scores.special().any(|(node, score)| self.is_available(node, score));
        special || (scores.usual() >= Some(Score::ZERO) && self.room.has_usual(scores))
    }
}
