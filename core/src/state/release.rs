//! Which daemons a cluster is made of, and what all of them understand.
//!
//! A daemon says in its hello up to which feature level it understands the log. The cluster's level is the least of
//! its members', and never falls; an entry of a higher level is refused until every member can read it.

use super::ActionKind;
use super::command::Command;
use serde::{Deserialize, Serialize};

/// The layout of entries and states, which are written positionally. It is raised with every change of one of their types;
/// a daemon refuses what has another number.
///
/// 1: the first log. 2: parameters that rules decide, clones with roles, reloads. 3: orders after any of a set, constraints with
/// roles, unfencing, watchdogs, units of systemd. 4: notices, instances by number,
/// tickets, sensors of BMCs.
pub const SCHEMA: u16 = 4;

/// What this program understands.
///
/// 1: the first log. 2: removal of members, and hosts that say goodbye. 3: overdue claims.
/// 4: clones. 5: reloads. 6: failure counts that are set. 7: promotable clones, and plans that are woken by attributes.
/// 8: orders after any of a set. 9: the timeline tells of fences that wait. 10: constraints with roles. 11: unfencing.
/// 12: agents that migrate what they run. 13: rules in defaults on agents and operations.
/// 14: watchdogs. 15: units of systemd. 16: notices to the instances of clones.
/// 17: groups that are promoted, instances that differ, `multiple-active`. 21: tickets, `resource-discovery`.
/// 22: sensors of BMCs. 23: poison pills. 24: nodes are armed by drills. 26: attributes of tickets.
/// 27: fence levels by pattern or attribute. 28: what comes to no rest is left where it is.
pub const FEATURE_LEVEL: u16 = 28;
/// From here on changed parameters are taken over by a reload.
pub const RELOAD_LEVEL: u16 = 5;
/// From here on there are promotable clones, and attributes wake the planner.
pub(super) const PROMOTION_LEVEL: u16 = 7;
/// From here on the timeline tells of fences that wait for a delay.
pub(super) const DELAY_LEVEL: u16 = 9;
/// From here on constraints speak of roles.
const ROLE_LEVEL: u16 = 10;

/// From here on agents may send what runs to another node.
pub const AGENTS_MIGRATE_LEVEL: u16 = 12;
/// From here on hosts arm their watchdogs.
pub const WATCHDOG_LEVEL: u16 = 14;
/// From here on the instances of clones are told what is done to their clone.
pub const NOTIFY_LEVEL: u16 = 16;

/// From here on groups are promoted, and what is active twice is marked.
pub(super) const TOGETHER_LEVEL: u16 = 17;
/// From here on there are tickets, and not everything is looked for everywhere.
const TICKET_LEVEL: u16 = 21;
/// From here on arbitrators keep something with tickets.
const TICKET_ATTRIBUTES_LEVEL: u16 = 26;
/// From here on what the sensors of a node's BMC say is known.
pub const HEALTH_LEVEL: u16 = 22;
/// From here on pills are left on shared disks.
pub const PILL_LEVEL: u16 = 23;
/// From here on nodes are armed by drills of their fence devices.
pub const ARMING_LEVEL: u16 = 24;
/// From here on fence levels are for nodes by pattern or attribute.
const LEVEL_TARGETS_LEVEL: u16 = 27;
/// From here on it is known where resources have been since anything else changed.
pub(super) const TRAIL_LEVEL: u16 = 28;

/// The program that a daemon runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its version, for people.
    pub version: String,
    /// The highest feature level it takes part in.
    pub level: u16,
}

impl Release {
    /// This program.
    pub fn this() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), level: FEATURE_LEVEL }
    }

    /// This program, held back: it takes part in no higher level, so that an older program can take its place again.
    pub fn held_at(level: u16) -> Self {
        Self { level: level.clamp(1, FEATURE_LEVEL), ..Self::this() }
    }
}

impl Command {
    /// The feature level that a reader of this command needs.
    pub fn level(&self) -> u16 {
        match self {
            Self::Notices(_) | Self::Noticed(_) => NOTIFY_LEVEL,
            Self::Remove { .. } | Self::Leave { .. } | Self::Goodbye(_) => 2,
            Self::Overdue { .. } => 3,
            Self::Configure { patch, .. } if patch.has_level_targets() => LEVEL_TARGETS_LEVEL,
            Self::Configure { patch, .. } if patch.has_pills() => PILL_LEVEL,
            Self::Arm { disks, .. } if !disks.is_empty() => PILL_LEVEL,
            Self::PillGone(_) => PILL_LEVEL,
            Self::Configure { patch, .. } if patch.has_tickets() => TICKET_LEVEL,
            Self::Configure { patch, .. } if patch.has_discovery() => TICKET_LEVEL,
            Self::SetTicket { attributes, .. } if !attributes.is_empty() => TICKET_ATTRIBUTES_LEVEL,
            Self::SetTicket { .. } => TICKET_LEVEL,
            Self::Configure { patch, .. } if patch.has_promoted_together() || patch.has_unique() => TOGETHER_LEVEL,
            Self::Configure { patch, .. } if patch.has_units() => 15,
            Self::Configure { patch, .. } if patch.has_rules_of_defaults() => 13,
            Self::Configure { patch, .. } if patch.has_unfencing() => 11,
            Self::Unfenced(_) => 11,
            Self::Sensors(_) => HEALTH_LEVEL,
            Self::Drilled(_) => ARMING_LEVEL,
            Self::Configure { patch, .. } if patch.has_roles() => ROLE_LEVEL,
            Self::Configure { patch, .. } if patch.has_any_of() => 8,
            Self::Configure { patch, .. } if patch.has_promotable() => PROMOTION_LEVEL,
            Self::Configure { patch, .. } if patch.has_clones() => 4,
            Self::Plan { add, .. } if add.iter().any(|new| new.kind == ActionKind::Reload) => RELOAD_LEVEL,
            Self::Plan { add, .. } if add.iter().any(|new| new.kind == ActionKind::Notify) => NOTIFY_LEVEL,
            Self::SetFailures(_) => 6,
            Self::Arm { .. } | Self::Disarm(_) | Self::WatchdogWaited { .. } => WATCHDOG_LEVEL,
            _ => 1,
        }
    }
}
