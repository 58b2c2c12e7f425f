//! Cluster properties, quorum and the time of planning.

use super::dom::{flag, number};
use super::rule::Scene;
use super::{Reader, value};
use crate::scheduler::{NoQuorum, Options, Placement};

impl Reader<'_> {
    pub(super) fn read_options(&mut self, at: Option<i64>, clock: i64) {
        let now = at.or_else(|| number(self.root, "execution-date")).unwrap_or(clock);
        let scene = Scene { now, ..Scene::default() };
        let section = self.section(&["configuration", "crm_config"]);
        let found = section.map(|section| self.pairs(section, "cluster_property_set", &scene)).unwrap_or_default();
        let get = |names: &[&str]| names.iter().find_map(|name| found.get(*name)).map(String::as_str);
        let is_on = |names: &[&str], otherwise: bool| get(names).and_then(value::boolean).unwrap_or(otherwise);
        let fences = is_on(&["fencing-enabled", "stonith-enabled"], true);
        self.model.options = Options {
            foes_of_foes_draw: true,
            sorts_by_scores: true,
            is_symmetric: is_on(&["symmetric-cluster"], true),
            fences,
            fences_at_startup: is_on(&["startup-fencing"], true),
            fences_concurrently: is_on(&["concurrent-fencing"], true),
            is_quorate: flag(self.root, "have-quorum").unwrap_or(false),
            no_quorum: match get(&["no-quorum-policy"]) {
                Some("ignore") => NoQuorum::Ignore,
                Some("freeze") => NoQuorum::Freeze,
                Some("demote") => NoQuorum::Demote,
                Some("suicide" | "fence") if fences && flag(self.root, "no-quorum-panic") == Some(true) => {
                    NoQuorum::Suicide
                }
                _ => NoQuorum::Stop,
            },
            maintenance: is_on(&["maintenance-mode"], false),
            stop_all: is_on(&["stop-all-resources"], false),
            stop_orphans: is_on(&["stop-orphan-resources"], true),
            start_failure_is_fatal: is_on(&["start-failure-is-fatal"], true),
            placement: match get(&["placement-strategy"]) {
                Some("utilization") => Placement::Utilization,
                Some("balanced") => Placement::Balanced,
                Some("minimal") => Placement::Minimal,
                _ => Placement::Default,
            },
            now,
        };
        self.options = found;
    }
}
