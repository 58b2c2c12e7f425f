//! What systemd says of a unit at one moment, and what that says of the resource.

use super::bus::{Link, UnitProcess, error_name};
use crate::ocf::Found;
use quorate_core::text::printable;
use std::fmt::Write as _;

/// So much of what a unit says of itself is kept.
const TEXT_MOST: usize = 200;
/// So many processes are named.
const NAMED: usize = 3;

/// systemd's `ActiveState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Active {
    /// It works, for all that systemd knows.
    Up,
    /// It runs, and takes over its configuration or its extensions.
    Reloading,
    Inactive,
    /// It is down, and did not end well.
    Failed,
    Activating,
    Deactivating,
    /// It is down, and its directories are being cleaned.
    Maintenance,
    /// A word of a newer systemd.
    Other(String),
}

impl From<&str> for Active {
    fn from(word: &str) -> Self {
        match word {
            "active" => Self::Up,
            "reloading" | "refreshing" => Self::Reloading,
            "inactive" => Self::Inactive,
            "failed" => Self::Failed,
            "activating" => Self::Activating,
            "deactivating" => Self::Deactivating,
            "maintenance" => Self::Maintenance,
            other => Self::Other(printable(other, TEXT_MOST)),
        }
    }
}

impl Active {
    /// Its main process is gone, for all that systemd knows.
    pub(super) fn is_down(&self) -> bool {
        matches!(self, Self::Inactive | Self::Failed)
    }
}

/// A unit at one moment.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) active: Active,
    word: String,
    sub: String,
    load: String,
    /// A job is queued or runs.
    has_job: bool,
    condition: bool,
    /// How a service ended.
    result: Option<(String, i32)>,
    /// Those in its cgroup, where it is down.
    pub(super) processes: Vec<UnitProcess>,
}

impl State {
    /// Asks for all of it.
    pub(super) async fn read(link: &Link, name: &str) -> zbus::Result<Self> {
        let path = link.manager.load_unit(name).await?;
        let unit = link.unit(&path).await?;
        let word = unit.active_state().await?;
        let active = Active::from(word.as_str());
        let (sub, load) = (unit.sub_state().await?, unit.load_state().await?);
        let (job, _) = unit.job().await?;
        let condition = unit.condition_result().await.unwrap_or(true);
        let (mut processes, mut result) = (Vec::new(), None);
        if active.is_down() {
            processes = match link.manager.get_unit_processes(name).await {
                Err(error) if error_name(&error) == Some("NoSuchUnit") => Vec::new(),
                answer => answer?,
            };
            if name.ends_with(".service") && load != "not-found" {
                let service = link.service(&path).await?;
                result = match (service.result().await, service.exec_main_status().await) {
                    (Ok(result), Ok(status)) => Some((result, status)),
                    _ => None,
                };
            }
        }
        // It was read in steps: what came up meanwhile is not down.
        let (word, active) = match unit.active_state().await? {
            again if again != word => (again.clone(), Active::from(again.as_str())),
            _ => (word, active),
        };
        Ok(Self { active, word, sub, load, has_job: job != 0, condition, result, processes })
    }

    /// It will be something else soon.
    pub(super) fn is_under_way(&self) -> bool {
        match self.active {
            Active::Activating | Active::Deactivating | Active::Maintenance => true,
            Active::Inactive | Active::Failed => self.has_job,
            Active::Up | Active::Reloading | Active::Other(_) => false,
        }
    }

    /// What that says of the resource: nothing more hopeful than systemd.
    pub(super) fn found(&self) -> Found {
        match &self.active {
            Active::Up | Active::Reloading => Found::Running,
            Active::Inactive | Active::Failed if self.processes.is_empty() && !self.has_job => Found::Stopped,
            Active::Other(_) => {
                Found::Unknown(format!("systemd says what this release does not know: {}", self.text()))
            }
            // There, at least in part: it has to be stopped before it may be anywhere.
            _ => Found::Failed(self.text()),
        }
    }

    /// Why a start would be in vain on this host.
    pub(super) fn why_not_startable(&self, unit: &str) -> Option<String> {
        match self.load.as_str() {
            "loaded" | "merged" | "stub" => None,
            "not-found" => Some(format!("there is no unit {unit} on this node")),
            "masked" => Some(format!("{unit} is masked on this node: `systemctl unmask {unit}`")),
            other => {
                let word = printable(other, TEXT_MOST);
                Some(format!("systemd cannot load {unit} ({word}): `systemctl status {unit}` says why"))
            }
        }
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        let mut text =
            format!("the unit is {} ({})", printable(&self.word, TEXT_MOST), printable(&self.sub, TEXT_MOST));
        if let Some((result, status)) = self.result.as_ref().filter(|(result, _)| result != "success") {
            let _ = write!(text, ", result {}, exit status {status}", printable(result, TEXT_MOST));
        }
        if self.active == Active::Inactive && !self.condition {
            text.push_str(", since a condition of it does not hold");
        }
        if self.has_job {
            text.push_str(", with a job under way");
        }
        if !self.processes.is_empty() {
            let named = self.processes.iter().take(NAMED);
            let named: Vec<String> =
                named.map(|(_, pid, line)| format!("{pid} {}", printable(line, TEXT_MOST / NAMED))).collect();
            let _ = write!(text, ", and {} of its processes live: {}", self.processes.len(), named.join("; "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(word: &str) -> State {
        State {
            active: Active::from(word),
            word: word.to_owned(),
            sub: "x".to_owned(),
            load: "loaded".to_owned(),
            has_job: false,
            condition: true,
            result: None,
            processes: Vec::new(),
        }
    }

    #[test]
    fn stopped_is_said_of_what_is_down_without_a_process_and_a_job() {
        let found = |state: &State| match state.found() {
            Found::Failed(_) => "failed",
            Found::Unknown(_) => "unknown",
            Found::Running => "running",
            Found::Stopped => "stopped",
            Found::Promoted => "promoted",
        };
        for (word, wanted, under_way) in [
            ("active", "running", false),
            ("reloading", "running", false),
            ("refreshing", "running", false),
            ("inactive", "stopped", false),
            ("failed", "stopped", false),
            ("activating", "failed", true),
            ("deactivating", "failed", true),
            ("maintenance", "failed", true),
            ("resting", "unknown", false),
            ("", "unknown", false),
        ] {
            let mut it = state(word);
            assert_eq!((found(&it), it.is_under_way()), (wanted, under_way), "{word}");
            it.has_job = true;
            if wanted == "stopped" {
                assert_eq!((found(&it), it.is_under_way()), ("failed", true), "{word} with a job");
                it.has_job = false;
                it.processes.push(("/x".to_owned(), 7, "sleep".to_owned()));
                assert_eq!(found(&it), "failed", "{word} with a process");
                assert!(it.text().contains("1 of its processes live: 7 sleep"), "{}", it.text());
            }
        }
    }

    #[test]
    fn what_cannot_be_started_says_why() {
        for (load, wanted) in [
            ("loaded", None),
            ("not-found", Some("no unit")),
            ("masked", Some("unmask")),
            ("bad-setting", Some("bad-setting")),
        ] {
            let it = State { load: load.to_owned(), ..state("inactive") };
            let why = it.why_not_startable("web.service");
            assert_eq!(why.is_some(), wanted.is_some(), "{load}");
            assert!(wanted.is_none_or(|wanted| why.is_some_and(|why| why.contains(wanted))), "{load}");
        }
    }
}
