//! What happened from a moment on, in order, from the cluster's events and from the truth.

use std::fmt;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use quorate_bed::{Auditor, Bed};
use quorate_core::state::EventKind;
use quorate_core::time::Timestamp;

use crate::cluster::Cluster;
use crate::real::bmc_log;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Moment {
    /// How long after the beginning.
    pub after: Duration,
    /// In words.
    pub text: String,
}

/// What happened, in order.
#[derive(Debug, Clone, Default)]
pub struct Timeline(pub Vec<Moment>);

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for moment in &self.0 {
            writeln!(f, "{:>7.2} s  {}", moment.after.as_secs_f64(), moment.text)?;
        }
        Ok(())
    }
}

/// What befell `victim` and the guests from `begin` on: the cluster's events, what the BMC was asked, and when guests
/// wrote again.
///
/// # Errors
/// When no host answers or the BMC's log cannot be read.
pub fn timeline(cluster: &Cluster<Bed>, auditor: &Auditor, victim: &str, begin: SystemTime) -> Result<Timeline> {
    let mut moments = Vec::new();
    let mut add = |at: SystemTime, text: String| {
        if let Ok(after) = at.duration_since(begin) {
            moments.push(Moment { after, text });
        }
    };
    for event in cluster.events()? {
        // Of what is told twice, the shorter form.
        if !matches!(event.kind, EventKind::FenceIntent | EventKind::Configured | EventKind::Planned) {
            add(time(event.at), event.text);
        }
    }
    for (at, asked) in bmc_log(&cluster.site, victim, begin)? {
        let text = match asked.as_str() {
            "get power" => format!("  the BMC of {victim} is read"),
            "set power 0" => format!("  the BMC of {victim} is told to cut the power"),
            other => format!("  the BMC of {victim} is told: {other}"),
        };
        add(at, text);
    }
    for life in auditor.lives() {
        add(life.first, format!("  {} writes to its disk from {}", life.vm, life.host));
    }
    moments.sort_by_key(|moment| moment.after);
    Ok(Timeline(moments))
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.0)
}
