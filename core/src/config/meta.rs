//! Meta attributes of a resource: their names, defaults and meaning.
//!
//! Reading never fails: what is not understood keeps its default and is reported, all at once.

use super::{Attributes, Primitive, TargetRole, boolean, validate::nearest};
use crate::grammar::duration;
use crate::id::ResourceId;
use crate::score::Score;
use std::time::Duration;

/// The meta attributes with their meaning and defaults, after `rsc_defaults`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceMeta {
    /// `target-role`, default Started.
    pub target_role: TargetRole,
    /// `is-managed`, default true.
    pub is_managed: bool,
    /// `maintenance`, default false.
    pub maintenance: bool,
    /// `resource-stickiness`, default 1: a healthy VM stays where it is.
    pub stickiness: Score,
    /// `allow-migrate`, default false: a move is a live migration, where both ends are well.
    pub allow_migrate: bool,
    /// `priority`, default 0: higher is placed first.
    pub priority: i64,
    /// `migration-threshold`, default 0: so many failures on a node forbid it; 0 (or inf) is never.
    pub migration_threshold: u32,
    /// `failure-timeout`, default zero: failures older than this are forgotten; zero is never.
    pub failure_timeout: Duration,
    /// `requires`, default unfencing: what has to be so before it starts where it may run elsewhere yet.
    pub requires: Requires,
    /// `multiple-active`, default `stop_unexpected`: what becomes of it when it is found active on more nodes than it may be.
    pub multiple_active: MultipleActive,
    /// `allow-unhealthy-nodes`, default false: how well a node is does not matter to it, as to what watches just that.
    pub allow_unhealthy_nodes: bool,
}

/// What becomes of a resource that was started beside the cluster while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipleActive {
    /// The copy that ran first is kept, the others are stopped.
    StopUnexpected,
    /// All copies are stopped, then one is started.
    StopStart,
    /// All copies are stopped, and a person says when it starts again.
    StopOnly,
    /// Nothing is done until a person has stopped all but one; not for a VM, whose disk two would write.
    Block,
}

/// What a start waits for, when a node that may have the resource is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requires {
    /// For that, and for its own node to be let to its storage by the devices that say `provides=unfencing`.
    Unfencing,
    /// For the proof that the node is dead.
    Fencing,
    /// For the majority's judgement only: the resource may be active twice, and a person said that this is all right.
    Quorum,
}

/// A meta or operation attribute that has no meaning as written, or none yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// The name is known, the value is not.
    #[error("{name}={value} is not understood: {expected}")]
    Value {
        /// Of which resource.
        resource: ResourceId,
        /// Which attribute.
        name: String,
        /// What it says.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
    /// No such name.
    #[error("there is no {kind} '{name}'{}", .near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default())]
    Unknown {
        /// Of which resource.
        resource: ResourceId,
        /// What it should have been: `meta attribute`, `operation`.
        kind: &'static str,
        /// As written.
        name: String,
        /// The nearest that exists.
        near: Option<&'static str>,
    },
    /// Beside another attribute it has no meaning.
    #[error("{name}={value} and {other} exclude each other: leave one of them out")]
    Excluded {
        /// Of which resource.
        resource: ResourceId,
        /// Which attribute.
        name: String,
        /// What it says.
        value: String,
        /// Beside which.
        other: &'static str,
    },
    /// A time that names no offset.
    #[error("{name}={value} names no offset, and is UTC")]
    NoOffset {
        /// Of which resource.
        resource: ResourceId,
        /// Which attribute.
        name: String,
        /// What it says.
        value: String,
    },
    /// Known from Pacemaker, accepted, and without effect in this version.
    #[error("{name}{} has no effect in this version", if value.is_empty() { String::new() } else { format!("={value}") })]
    NotHonoured {
        /// Of which resource.
        resource: ResourceId,
        /// Which attribute.
        name: String,
        /// What it says, where it says anything.
        value: String,
    },
}

impl MetaError {
    /// Whether the configuration may be used all the same.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::NotHonoured { .. } | Self::NoOffset { .. })
    }

    /// Whose attribute it is.
    pub fn resource(&self) -> &ResourceId {
        match self {
            Self::Value { resource, .. }
            | Self::Unknown { resource, .. }
            | Self::Excluded { resource, .. }
            | Self::NoOffset { resource, .. }
            | Self::NotHonoured { resource, .. } => resource,
        }
    }
}

impl Default for ResourceMeta {
    fn default() -> Self {
        Self {
            target_role: TargetRole::Started,
            is_managed: true,
            maintenance: false,
            stickiness: Score::new(1),
            allow_migrate: false,
            priority: 0,
            migration_threshold: 0,
            failure_timeout: Duration::ZERO,
            requires: Requires::Unfencing,
            multiple_active: MultipleActive::StopUnexpected,
            allow_unhealthy_nodes: false,
        }
    }
}

impl ResourceMeta {
    /// Reads a primitive's meta attributes over `rsc_defaults`.
    pub fn read(id: &ResourceId, primitive: &Primitive, rsc_defaults: &Attributes) -> (Self, Vec<MetaError>) {
        let mut meta = Self::default();
        let mut errors = meta.overlay(id, rsc_defaults);
        errors.extend(meta.overlay(id, &primitive.meta));
        (meta, errors)
    }

    /// Sets what these attributes say; the errors are of the object named `id`.
    pub(crate) fn overlay(&mut self, id: &ResourceId, written: &Attributes) -> Vec<MetaError> {
        written.iter().filter_map(|(name, value)| self.set(id, name, value).err()).collect()
    }

    fn set(&mut self, id: &ResourceId, name: &str, value: &str) -> Result<(), MetaError> {
        let bad = |expected| MetaError::Value {
            resource: id.clone(),
            name: name.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let yes = || boolean(value).ok_or_else(|| bad("true or false"));
        let score = || {
            let read = value.parse::<Score>();
            read.map_err(|_| bad("a whole number, inf or -inf"))
        };
        match name {
            "target-role" => self.target_role = role(value).ok_or_else(|| bad("Started, Stopped or Unpromoted"))?,
            "is-managed" => self.is_managed = yes()?,
            "maintenance" => self.maintenance = yes()?,
            "allow-migrate" => self.allow_migrate = yes()?,
            "allow-unhealthy-nodes" => self.allow_unhealthy_nodes = yes()?,
            "resource-stickiness" => self.stickiness = score()?,
            "priority" => self.priority = score()?.value(),
            "migration-threshold" => {
                let read = threshold(value);
                self.migration_threshold = read.ok_or_else(|| bad("a whole number or inf"))?;
            }
            "failure-timeout" => {
                let read = duration(value);
                self.failure_timeout = read.ok_or_else(|| bad("a time such as 30s or 10m"))?;
            }
            "requires" => {
                self.requires = match value.to_ascii_lowercase().as_str() {
                    "unfencing" => Requires::Unfencing,
                    "fencing" => Requires::Fencing,
                    // Nothing ever starts without a majority here.
                    "quorum" | "nothing" => Requires::Quorum,
                    _ => return Err(bad("unfencing, fencing, quorum or nothing")),
                }
            }
            "multiple-active" => {
                self.multiple_active = match value.to_ascii_lowercase().as_str() {
                    "stop_unexpected" => MultipleActive::StopUnexpected,
                    "stop_start" => MultipleActive::StopStart,
                    "stop_only" => MultipleActive::StopOnly,
                    "block" => MultipleActive::Block,
                    _ => return Err(bad("block, stop_only, stop_start or stop_unexpected")),
                }
            }
            // Of a fence device; read where it is asked for.
            "provides" if value.trim().eq_ignore_ascii_case("unfencing") => {}
            "provides" => return Err(bad("unfencing")),
            _ if NOT_HONOURED.contains(&name) => {
                return Err(MetaError::NotHonoured {
                    resource: id.clone(),
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
            }
            _ => {
                return Err(MetaError::Unknown {
                    resource: id.clone(),
                    kind: "meta attribute",
                    name: name.to_owned(),
                    near: nearest(name, META_NAMES).or_else(|| nearest(name, NOT_HONOURED)),
                });
            }
        }
        Ok(())
    }
}

fn role(value: &str) -> Option<TargetRole> {
    match value.to_ascii_lowercase().as_str() {
        "started" => Some(TargetRole::Started),
        "stopped" => Some(TargetRole::Stopped),
        // Promoted is what Started is: the scores say where.
        "promoted" | "master" => Some(TargetRole::Started),
        "unpromoted" | "slave" => Some(TargetRole::Unpromoted),
        _ => None,
    }
}

fn threshold(value: &str) -> Option<u32> {
    match value.parse::<Score>().ok()? {
        Score::INFINITY => Some(0),
        finite => u32::try_from(finite.value()).ok(),
    }
}

/// Every meta attribute with an effect.
pub const META_NAMES: &[&str] = &[
    "allow-migrate",
    "allow-unhealthy-nodes",
    "failure-timeout",
    "is-managed",
    "maintenance",
    "migration-threshold",
    "multiple-active",
    "priority",
    "provides",
    "requires",
    "resource-stickiness",
    "target-role",
];

/// Meta attributes that configurations made for Pacemaker bring along: accepted, without effect so far.
const NOT_HONOURED: &[&str] = &[
    "container-attribute-target",
    "critical",
    "remote-addr",
    "remote-allow-migrate",
    "remote-connect-timeout",
    "remote-node",
    "remote-port",
];
