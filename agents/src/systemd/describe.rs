//! What this host's systemd says of its units, for people and before a configuration is entered.

use super::bus::error_name;
use super::{Blind, Systemd};
use crate::ocf::{MetaData, parse_metadata};
use quorate_core::config::is_unit_name;
use quorate_core::text::printable;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// systemd may take so long to answer a person.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many units are listed.
const LIST_MOST: usize = 4096;
/// So much of a unit's own words is kept.
const TEXT_MOST: usize = 400;

/// A unit as it is on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFacts {
    /// systemd has a unit of this name.
    pub exists: bool,
    /// Why it could not be started all the same.
    pub unfit: Option<String>,
    /// What it calls itself.
    pub description: String,
    /// The file that it is made from.
    pub file: String,
    /// `enabled`, `disabled`, `static` …
    pub enabled: String,
    /// systemd's own limits of a service, in microseconds; none where it waits for ever.
    pub timeout_start: Option<u64>,
    /// As above.
    pub timeout_stop: Option<u64>,
}

impl UnitFacts {
    /// Whether the host would start it by itself when it boots.
    pub fn starts_at_boot(&self) -> bool {
        matches!(self.enabled.as_str(), "enabled" | "enabled-runtime")
    }
}

impl Systemd {
    /// What is known of a unit, by its full name.
    ///
    /// # Errors
    /// When systemd cannot be asked; why, in words.
    pub async fn facts(&self, unit: &str) -> Result<UnitFacts, String> {
        if !self.is_here() {
            return Err("systemd does not run this host".to_owned());
        }
        let end = Instant::now() + PATIENCE;
        let state = match self.state(unit, end).await {
            Ok(state) => state,
            Err(Blind::Refused(error)) if error_name(&error) == Some("NoSuchUnit") => return Ok(UnitFacts::default()),
            Err(blind) => return Err(blind.text()),
        };
        let read = |link: std::sync::Arc<super::Link>| async move {
            let path = link.manager.load_unit(unit).await?;
            let proxy = link.unit(&path).await?;
            let mut facts = UnitFacts {
                exists: proxy.load_state().await? != "not-found",
                unfit: None,
                description: printable(&proxy.description().await?, TEXT_MOST),
                file: printable(&proxy.fragment_path().await?, TEXT_MOST),
                enabled: link.manager.get_unit_file_state(unit).await.unwrap_or_default(),
                ..UnitFacts::default()
            };
            if facts.exists && unit.ends_with(".service") {
                let service = link.service(&path).await?;
                let finite = |time: zbus::Result<u64>| time.ok().filter(|time| *time != u64::MAX);
                facts.timeout_start = finite(service.timeout_start().await);
                facts.timeout_stop = finite(service.timeout_stop().await);
            }
            zbus::Result::Ok(facts)
        };
        let mut facts = self.ask(end, read).await.map_err(|blind| blind.text())?;
        facts.unfit = state.why_not_startable(unit).filter(|_| facts.exists);
        Ok(facts)
    }

    /// The units that this host has files of, as they are written in a configuration.
    ///
    /// # Errors
    /// When systemd cannot be asked; why, in words.
    pub async fn list(&self) -> Result<Vec<String>, String> {
        if !self.is_here() {
            return Ok(Vec::new());
        }
        let end = Instant::now() + PATIENCE;
        let files = self.ask(end, |link| async move { link.manager.list_unit_files().await }).await;
        let files = files.map_err(|blind| blind.text())?;
        let names = files.iter().filter_map(|(path, _)| path.rsplit('/').next());
        let names = names.map(|name| name.strip_suffix(".service").unwrap_or(name)).filter(|name| is_unit_name(name));
        let is_something = |name: &&str| ![".target", ".slice"].iter().any(|kind| name.ends_with(kind));
        let mut names: Vec<String> = names.filter(is_something).take(LIST_MOST).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// What a unit would say of itself, in the words of agents that are programs.
pub fn metadata(unit: &str, facts: &UnitFacts) -> Option<MetaData> {
    let mut metadata = parse_metadata(include_str!("../builtin/systemd.xml")).ok()?;
    metadata.name = unit.to_owned();
    metadata.short.clone_from(&facts.description);
    let limit = |time: Option<u64>| match time {
        Some(time) => format!("{} s", Duration::from_micros(time).as_secs_f64()),
        None => "no limit".to_owned(),
    };
    if unit.ends_with(".service") {
        let (start, stop) = (limit(facts.timeout_start), limit(facts.timeout_stop));
        metadata.long.push_str(&format!("\nsystemd's own limits of it: start {start}, stop {stop}"));
    }
    metadata.long.push_str(&format!("\nfile: {}, {}", facts.file, facts.enabled));
    Some(metadata)
}
