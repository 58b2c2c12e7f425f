//! Cluster properties, quorum and the time of planning.

use super::dom::{flag, number};
use super::rule::Scene;
use super::{Reader, value};
use crate::scheduler::{NoQuorum, Options, Placement};

impl Reader<'_> {
    /// Whether a fence device has to let nodes to their storage.
    fn has_unfencing(&self) -> bool {
        let Some(resources) = self.section(&["configuration", "resources"]) else { return false };
        let devices = resources.descendants().filter(|it| it.attribute("class") == Some("stonith"));
        let mut meta = devices.flat_map(|device| device.descendants().filter(|it| it.has_tag_name("nvpair")));
        meta.any(|pair| pair.attribute("name") == Some("provides") && pair.attribute("value") == Some("unfencing"))
    }

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
            fences_for_what_is_managed: true,
            sorts_by_scores: true,
            is_symmetric: is_on(&["symmetric-cluster"], true),
            fences,
            unfences: fences && self.has_unfencing(),
            fences_at_startup: is_on(&["startup-fencing"], true),
            fences_concurrently: is_on(&["concurrent-fencing"], false),
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
            priority_fencing_delay: get(&["priority-fencing-delay"]).and_then(value::milliseconds).unwrap_or(0) / 1000,
            now,
        };
        self.options = found;
    }
}
