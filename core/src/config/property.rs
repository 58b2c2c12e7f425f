//! Cluster properties: their names, defaults and meaning.

use super::{Attributes, HealthStrategy, NodeHealth};
use crate::grammar::duration;
use crate::scheduler::Placement;
use crate::score::Score;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Cluster properties with their meaning; every field is a property of the same name with dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// `stonith-enabled`: live, false only means that a lost node's VMs wait for a person.
    pub stonith_enabled: bool,
    /// `stonith-action`: what follows a verified off.
    pub stonith_action: FenceAction,
    /// `stonith-timeout`: how long one fence grant lasts.
    pub stonith_timeout: Duration,
    /// `no-quorum-policy`: a minority never starts anything, whatever it says.
    pub no_quorum_policy: NoQuorumPolicy,
    /// `maintenance-mode`: hands off everything.
    pub maintenance_mode: bool,
    /// `suspect-after`: silence until a node is Suspect and its power is read.
    pub suspect_after: Duration,
    /// `lost-after`: silence until a node whose power reads on, or does not read, is Lost.
    pub lost_after: Duration,
    /// `daemon-grace`: how long a dead daemon on a living host may take to return.
    pub daemon_grace: Duration,
    /// `join-grace`: how long a node may take to be heard that was not heard since its judge started, or since a majority
    /// returned after more than a minute, unless its power reads off: after a power failure of all, hosts come back one
    /// by one.
    pub join_grace: Duration,
    /// `away-grace`: how long a daemon that was stopped in order may stay away, until a person is asked about it.
    pub away_grace: Duration,
    /// `quarantine-after`: a node that was lost so often within `quarantine-window` gets nothing new; 0: never.
    pub quarantine_after: u32,
    /// `quarantine-window`
    pub quarantine_window: Duration,
    /// `quarantine-time`: how long it has to be steady to be released.
    pub quarantine_time: Duration,
    /// `fence-window`: in which fenced nodes are counted for the storm brake.
    pub fence_window: Duration,
    /// `fence-limit`: so many distinct nodes are sent an off in one window; 0 is what keeps a majority.
    pub fence_limit: u32,
    /// `fence-drill-interval`: how often each fence device is read for practice; 0: never.
    pub fence_drill_interval: Duration,
    /// `migration-limit`: so many live migrations at once from and to one node; -1, or none: as many as there are.
    pub migration_limit: Option<u32>,
    /// `priority-fencing-delay`: so much longer an off waits for the node with the most important resources, where no more
    /// than half of the hosts are left to fence it.
    pub priority_fencing_delay: Duration,
    /// `placement-strategy`: whether capacity counts, and which node comes first where it does.
    pub placement: Placement,
    /// `node-health-strategy`, and what its colours are worth.
    pub node_health: NodeHealth,
    /// `node-health-interval`: how often the sensors of a node are read, where its health counts; 0: never.
    pub node_health_interval: Duration,
}

/// `stonith-action`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceAction {
    /// Leave it off.
    Off,
    /// Switch it on again after the proof.
    Reboot,
}

/// `no-quorum-policy`; kept for what people bring, honoured in simulation only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoQuorumPolicy {
    /// Start and stop nothing: what a minority here always does.
    Freeze,
    /// Imported from elsewhere, with no live effect.
    Other,
}

/// A property that is unknown or has no meaning as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// No such name.
    #[error("there is no property '{name}'{}", .near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default())]
    Unknown {
        /// As written.
        name: String,
        /// The nearest that exists.
        near: Option<&'static str>,
    },
    /// No such value.
    #[error("property {name}={value} is not understood: {expected}")]
    Value {
        /// As written.
        name: String,
        /// As written.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
    /// Known from Pacemaker, accepted, and without effect in this version.
    #[error("property {name}={value} has no effect in this version")]
    NotHonoured {
        /// As written.
        name: String,
        /// As written.
        value: String,
    },
}

impl PropertyError {
    /// Whether the configuration may be used all the same.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::NotHonoured { .. })
    }
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            stonith_enabled: true,
            stonith_action: FenceAction::Off,
            stonith_timeout: Duration::from_secs(20),
            no_quorum_policy: NoQuorumPolicy::Freeze,
            maintenance_mode: false,
            suspect_after: Duration::from_millis(800),
            lost_after: Duration::from_secs(5),
            daemon_grace: Duration::from_secs(30),
            join_grace: Duration::from_secs(300),
            away_grace: Duration::from_secs(30 * 60),
            quarantine_after: 3,
            quarantine_window: Duration::from_secs(600),
            quarantine_time: Duration::from_secs(900),
            fence_window: Duration::from_secs(600),
            fence_limit: 0,
            fence_drill_interval: Duration::from_secs(3600),
            // More would only share the node's link.
            migration_limit: Some(2),
            priority_fencing_delay: Duration::ZERO,
            placement: Placement::Default,
            node_health: NodeHealth::default(),
            node_health_interval: Duration::from_secs(300),
        }
    }
}

impl Properties {
    /// Reads the written properties; what is not understood keeps its default and is reported, all at once.
    pub fn read(written: &Attributes) -> (Self, Vec<PropertyError>) {
        let mut properties = Self::default();
        let errors = written.iter().filter_map(|(name, value)| properties.set(name, value).err()).collect();
        (properties, errors)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), PropertyError> {
        let bad = |expected| PropertyError::Value { name: name.to_owned(), value: value.to_owned(), expected };
        let time = || duration(value).ok_or_else(|| bad("a time such as 800ms, 5s or 10m"));
        let score = || value.parse::<Score>().map_err(|_| bad("a whole number, inf or -inf"));
        let yes = || super::boolean(value).ok_or_else(|| bad("true or false"));
        match name {
            "stonith-enabled" => self.stonith_enabled = yes()?,
            "maintenance-mode" => self.maintenance_mode = yes()?,
            "stonith-timeout" => self.stonith_timeout = time()?,
            "suspect-after" => self.suspect_after = time()?,
            "lost-after" => self.lost_after = time()?,
            "daemon-grace" => self.daemon_grace = time()?,
            "join-grace" => self.join_grace = time()?,
            "away-grace" => self.away_grace = time()?,
            "quarantine-after" => self.quarantine_after = value.parse().map_err(|_| bad("a whole number"))?,
            "quarantine-time" => self.quarantine_time = time()?,
            "quarantine-window" => self.quarantine_window = time()?,
            "fence-window" => self.fence_window = time()?,
            "fence-drill-interval" => self.fence_drill_interval = time()?,
            "priority-fencing-delay" => self.priority_fencing_delay = time()?,
            "fence-limit" => self.fence_limit = value.parse().map_err(|_| bad("a whole number"))?,
            "migration-limit" => {
                let limit: i64 = value.parse().map_err(|_| bad("a whole number; -1 is no limit"))?;
                self.migration_limit = u32::try_from(limit).ok().filter(|limit| *limit > 0);
            }
            "placement-strategy" => {
                self.placement = match value {
                    "default" => Placement::Default,
                    "utilization" => Placement::Utilization,
                    "minimal" => Placement::Minimal,
                    "balanced" => Placement::Balanced,
                    _ => return Err(bad("default, utilization, minimal or balanced")),
                }
            }
            "node-health-strategy" => {
                let strategy = HealthStrategy::of(value);
                self.node_health.strategy =
                    strategy.ok_or_else(|| bad("none, migrate-on-red, only-green, progressive or custom"))?;
            }
            "node-health-interval" => self.node_health_interval = time()?,
            "node-health-base" => self.node_health.base = score()?,
            "node-health-green" => self.node_health.green = score()?,
            "node-health-yellow" => self.node_health.yellow = score()?,
            "node-health-red" => self.node_health.red = score()?,
            "stonith-action" => {
                self.stonith_action = match value {
                    "off" => FenceAction::Off,
                    "reboot" => FenceAction::Reboot,
                    _ => return Err(bad("off or reboot")),
                }
            }
            "no-quorum-policy" => {
                self.no_quorum_policy = match value {
                    "freeze" => NoQuorumPolicy::Freeze,
                    "stop" | "ignore" | "suicide" | "demote" => NoQuorumPolicy::Other,
                    _ => return Err(bad("freeze, stop, ignore, demote or suicide")),
                }
            }
            _ if NOT_HONOURED.contains(&name) => {
                return Err(PropertyError::NotHonoured { name: name.to_owned(), value: value.to_owned() });
            }
            _ if is_agents_property(name) => {}
            _ => {
                return Err(PropertyError::Unknown {
                    name: name.to_owned(),
                    near: super::validate::nearest(name, PROPERTY_NAMES),
                });
            }
        }
        Ok(())
    }
}

/// What agents keep of the whole cluster (`redis_REPL_INFO`), and nothing here reads: no property has an underscore, and what
/// is nearly one is taken for it.
pub fn is_agents_property(name: &str) -> bool {
    name.contains('_') && super::validate::nearest(name, PROPERTY_NAMES).is_none()
}

/// Every property there is.
pub const PROPERTY_NAMES: &[&str] = &[
    "away-grace",
    "daemon-grace",
    "fence-drill-interval",
    "fence-limit",
    "fence-window",
    "join-grace",
    "lost-after",
    "maintenance-mode",
    "migration-limit",
    "no-quorum-policy",
    "node-health-base",
    "node-health-green",
    "node-health-interval",
    "node-health-red",
    "node-health-strategy",
    "node-health-yellow",
    "placement-strategy",
    "priority-fencing-delay",
    "quarantine-after",
    "quarantine-time",
    "quarantine-window",
    "stonith-action",
    "stonith-enabled",
    "stonith-timeout",
    "suspect-after",
];

/// Properties that configurations made for Pacemaker bring along: accepted, without effect so far.
const NOT_HONOURED: &[&str] = &[
    "batch-limit",
    "cluster-delay",
    "cluster-infrastructure",
    "cluster-ipc-limit",
    "cluster-name",
    "cluster-recheck-interval",
    "concurrent-fencing",
    "dc-deadtime",
    "dc-version",
    "election-timeout",
    "enable-acl",
    "enable-startup-probes",
    "fence-reaction",
    "have-watchdog",
    "last-lrm-refresh",
    "load-threshold",
    "node-action-limit",
    "pe-error-series-max",
    "pe-input-series-max",
    "pe-warn-series-max",
    "remove-after-stop",
    "shutdown-escalation",
    "shutdown-lock",
    "shutdown-lock-limit",
    "start-failure-is-fatal",
    "startup-fencing",
    "stonith-max-attempts",
    "stonith-watchdog-timeout",
    "stop-all-resources",
    "stop-orphan-actions",
    "stop-orphan-resources",
    "symmetric-cluster",
];
