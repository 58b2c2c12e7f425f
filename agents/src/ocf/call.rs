//! One run of an agent: its whole environment, and what it answered.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::exit::OcfExit;
use super::{Agents, Name, OcfError};
use crate::process::{Bound, Cleared, Exit, Outcome, Spec};
use quorate_core::text::printable;

/// Stands before the exit reason on an agent's standard error.
const REASON_PREFIX: &str = "ocf-exit-reason:";
/// The feature set of Pacemaker 2.1.9.
const FEATURE_SET: &str = "3.19.7";
/// Characters of an exit reason that are kept: it goes into the log of the cluster.
const REASON_KEPT: usize = 400;

/// What an agent is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Bring it up; what it leaves running goes on.
    Start,
    /// Take it down; whatever it had running is killed after that.
    Stop,
    /// Look; with the time until it looks again, zero for a probe.
    Monitor {
        /// Between two looks.
        interval: Duration,
    },
    /// Are the parameters good on this node?
    ValidateAll,
    /// Send it to another node, where it goes on.
    MigrateTo,
    /// Take in what was sent here.
    MigrateFrom,
    /// Make it the promoted one.
    Promote,
    /// Make it one of the others again.
    Demote,
    /// Take over changed parameters without a restart, as OCF 1.1 has it.
    ReloadAgent,
    /// The same of older agents.
    Reload,
    /// Hear what is, or was, done to the clone that it is an instance of.
    Notify,
}

impl Verb {
    /// Whether what it leaves running after its success is the service: galera's database begins with its promotion.
    fn may_begin_it(self) -> bool {
        match self {
            Self::Start | Self::MigrateFrom | Self::Promote | Self::Demote | Self::ReloadAgent | Self::Reload => true,
            Self::Stop | Self::Monitor { .. } | Self::ValidateAll | Self::MigrateTo | Self::Notify => false,
        }
    }

    /// Those that may bring it into being, here or elsewhere, for as long as a process of theirs lives.
    const BRINGERS: [Self; 7] =
        [Self::Start, Self::Promote, Self::Demote, Self::Reload, Self::ReloadAgent, Self::MigrateTo, Self::MigrateFrom];

    /// As the agent is given it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Monitor { .. } => "monitor",
            Self::ValidateAll => "validate-all",
            Self::MigrateTo => "migrate_to",
            Self::MigrateFrom => "migrate_from",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::ReloadAgent => "reload-agent",
            Self::Reload => "reload",
            Self::Notify => "notify",
        }
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Call {
    /// Names its cgroup: of its own for each run.
    pub action: String,
    /// Which agent.
    pub name: Name,
    /// The resource.
    pub instance: String,
    /// What it is to do.
    pub verb: Verb,
    /// The resource's parameters.
    pub params: BTreeMap<String, String>,
    /// Attributes of the operation, handed over as `CRM_meta_…`; `OCF_CHECK_LEVEL` as it is.
    pub operation: BTreeMap<String, String>,
    /// What else it is told as `CRM_meta_…`: of a clone, what the clone says.
    pub meta: BTreeMap<String, String>,
    /// This node.
    pub node: String,
    /// When it is killed.
    pub timeout: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exit(OcfExit),
    /// By a signal that was not ours.
    Signal(i32),
    /// Killed at its deadline.
    Deadline,
    /// Killed, since it had so much and wanted more. Whatever it answered is not believed.
    Limited(Bound),
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// Why, in the agent's words.
    pub reason: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// What is known of its processes.
    pub cleared: Cleared,
    /// What it printed, in part.
    pub stdout: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            End::Exit(exit) => write!(f, "{exit}")?,
            End::Signal(signal) => write!(f, "killed by signal {signal}")?,
            End::Deadline => write!(f, "no answer within {:.1} s, killed", self.took.as_secs_f64())?,
            End::Limited(bound) => write!(f, "it ran into its {bound}, killed")?,
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

impl Agents {
    /// Runs an agent to its end or its deadline.
    ///
    /// # Errors
    /// When it never ran. That the agent is not there is its exit code 5.
    pub async fn run(&self, call: &Call) -> Result<Report, OcfError> {
        let program = self.path_of(&call.name);
        if !program.is_file() {
            return Ok(Report {
                end: End::Exit(OcfExit::NotInstalled),
                reason: Some(format!("there is no agent {} on this node, in {}", call.name, program.display())),
                took: Duration::ZERO,
                cleared: Cleared::Empty,
                stdout: String::new(),
            });
        }
        let mut spec = Spec::new(&call.action, program, call.timeout).args([call.verb.word()]);
        spec.env.extend(self.environment(call)?);
        if let Some(helpers) = &self.helpers {
            let directory = helpers.directory.to_string_lossy().into_owned();
            for (_, path) in spec.env.iter_mut().filter(|(name, _)| name == "PATH") {
                *path = format!("{directory}:{path}");
            }
            // Many agents name them by this directory, and nothing else by it.
            spec.env.push(("HA_SBIN_DIR".to_owned(), directory));
            spec.env.push(("QRM_SOCKET".to_owned(), helpers.socket.to_string_lossy().into_owned()));
        }
        let service = self.service_of(&call.instance);
        if call.verb.may_begin_it() {
            spec.keep = Some(service.clone());
        }
        let outcome = self.processes.run(spec).await.map_err(OcfError::from)?;
        let mut report = report(&outcome);
        let is_down = matches!(report.end, End::Exit(OcfExit::Success | OcfExit::NotRunning));
        if call.verb == Verb::Stop && is_down && !self.processes.end_service(&service).await {
            report.cleared = Cleared::Remains;
        }
        let says_down = match call.verb {
            Verb::Stop => is_down,
            Verb::Monitor { .. } => matches!(report.end, End::Exit(OcfExit::NotRunning)),
            _ => false,
        };
        if says_down && let Some(action) = self.survivor_of(&call.instance).await {
            tracing::warn!(
                resource = call.instance,
                action,
                "it is said to be down, but an action of it survives its SIGKILL"
            );
            report.cleared = Cleared::Remains;
        }
        tracing::debug!(resource = call.instance, action = call.verb.word(), %report, stderr = outcome.stderr.text(), "ran");
        Ok(report)
    }

    /// contained: an earlier action, of this daemon or one before it, that could not be killed and may bring it back.
    async fn survivor_of(&self, instance: &str) -> Option<String> {
        let start = format!("ocf-{}-", super::file_name(instance));
        let is_meant = |action: &str| {
            let rest = action.strip_prefix(&start).and_then(|rest| rest.rsplit_once('-'));
            rest.is_some_and(|(word, _)| Verb::BRINGERS.iter().any(|verb| verb.word() == word))
        };
        self.processes.survivors(is_meant).await.into_iter().next()
    }

    /// Everything an agent is told, beside `PATH`: nothing is inherited.
    fn environment(&self, call: &Call) -> Result<Vec<(String, String)>, OcfError> {
        let fixed = [
            ("OCF_ROOT", self.root.to_string_lossy().into_owned()),
            ("OCF_RA_VERSION_MAJOR", "1".to_owned()),
            ("OCF_RA_VERSION_MINOR", "1".to_owned()),
            ("OCF_RESOURCE_INSTANCE", call.instance.clone()),
            ("OCF_RESOURCE_PROVIDER", call.name.provider().to_owned()),
            ("OCF_RESOURCE_TYPE", call.name.kind().to_owned()),
            ("OCF_EXIT_REASON_PREFIX", REASON_PREFIX.to_owned()),
            ("HA_debug", "0".to_owned()),
            ("HA_logfacility", "none".to_owned()),
            ("HA_LOGD", "no".to_owned()),
            ("HA_RSCTMP", super::TEMPORARY.to_owned()),
            ("HA_cluster_type", "quorate".to_owned()),
            ("HA_mcp", "true".to_owned()),
            ("HA_quorum_type", "quorate".to_owned()),
            // What the helper commands are like: agents ask it before they use what is new.
            ("OCF_RESKEY_crm_feature_set", FEATURE_SET.to_owned()),
            ("PCMK_service", "quorate".to_owned()),
            ("OCF_RESKEY_CRM_meta_name", call.verb.word().to_owned()),
            ("OCF_RESKEY_CRM_meta_timeout", call.timeout.as_millis().to_string()),
            ("OCF_RESKEY_CRM_meta_on_node", call.node.clone()),
            ("OCF_RESKEY_CRM_meta_on_node_uuid", call.node.clone()),
        ];
        let mut all: BTreeMap<String, String> =
            fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let interval = if let Verb::Monitor { interval } = call.verb { interval } else { Duration::ZERO };
        all.insert("OCF_RESKEY_CRM_meta_interval".to_owned(), interval.as_millis().to_string());
        if call.verb == (Verb::Monitor { interval: Duration::ZERO }) {
            // What a probe expects to hear.
            all.insert("OCF_RESKEY_CRM_meta_op_target_rc".to_owned(), "7".to_owned());
        }
        for (name, value) in &call.meta {
            all.insert(format!("OCF_RESKEY_CRM_meta_{}", name.replace('-', "_")), value.clone());
        }
        for (name, value) in &call.operation {
            match name.as_str() {
                "OCF_CHECK_LEVEL" => _ = all.insert(name.clone(), value.clone()),
                "interval" | "timeout" => {}
                _ => _ = all.insert(format!("OCF_RESKEY_CRM_meta_{}", name.replace('-', "_")), value.clone()),
            }
        }
        for (name, value) in &call.params {
            all.insert(format!("OCF_RESKEY_{name}"), value.clone());
        }
        let unfit = |text: &str| text.contains('\0');
        if let Some((name, _)) = all.iter().find(|(name, value)| unfit(name) || unfit(value) || name.contains('=')) {
            return Err(OcfError::Unfit { name: name.escape_default().to_string() });
        }
        Ok(all.into_iter().collect())
    }
}

fn report(outcome: &Outcome) -> Report {
    let end = match outcome.exit {
        Exit::Code(code) => End::Exit(OcfExit::from(code)),
        Exit::Signal(signal) => End::Signal(signal),
        Exit::Deadline => End::Deadline,
        Exit::Limited(bound) => End::Limited(bound),
    };
    Report {
        end,
        reason: exit_reason(&outcome.stderr.text()),
        took: outcome.took,
        cleared: outcome.cleared,
        stdout: printable(&outcome.stdout.text(), 4 * REASON_KEPT),
    }
}

/// The last reason an agent gave, cut and made printable.
pub fn exit_reason(stderr: &str) -> Option<String> {
    let reason = stderr.lines().rev().find_map(|line| line.split_once(REASON_PREFIX).map(|(_, reason)| reason))?;
    Some(printable(reason.trim(), REASON_KEPT)).filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reason_counts_cut_and_printable() {
        let rows = [
            ("", None),
            ("ERROR: something\n", None),
            ("ocf-exit-reason:no such file\n", Some("no such file")),
            ("ocf-exit-reason:first\nnoise\nERROR: ocf-exit-reason:second \nmore", Some("second")),
            ("ocf-exit-reason:   \n", None),
            ("ocf-exit-reason:a\u{1b}[31mred\u{7}\n", Some("a\u{fffd}[31mred\u{fffd}")),
        ];
        for (stderr, wanted) in rows {
            assert_eq!(exit_reason(stderr).as_deref(), wanted, "{stderr:?}");
        }
        let long = exit_reason(&format!("ocf-exit-reason:{}", "ü".repeat(5000))).expect("a reason");
        assert_eq!(long.chars().count(), REASON_KEPT + 1);
    }
}
