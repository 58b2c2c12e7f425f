//! Cluster properties and defaults: those that mean something here, by our names.

use super::{Element, Fate, Import};
use crate::config::{AgentClass, Attributes, Properties, PropertyError, ResourceMeta, Section, attribute_errors};
use crate::id::ResourceId;

/// Properties by another name.
const RENAMED: &[(&str, &str)] = &[
    ("fencing-action", "stonith-action"),
    ("fencing-enabled", "stonith-enabled"),
    ("fencing-timeout", "stonith-timeout"),
];

/// Properties that the cluster writes itself, or that only say what it is made of.
const OF_THE_CLUSTER: &[&str] =
    &["cluster-infrastructure", "cluster-name", "dc-version", "have-watchdog", "last-lrm-refresh", "cib-last-written"];

/// What to do instead, where there is something.
const INSTEAD: &[(&str, &str)] = &[
    ("symmetric-cluster", "resources may run on every node here: forbid with `location ID RSC -inf: NODE`"),
    ("maintenance-mode", "`qrm configure property maintenance-mode=true`"),
    ("stop-all-resources", "set `rsc_defaults target-role=Stopped`"),
    ("concurrent-fencing", "nodes are fenced at the same time, up to fence-limit"),
    ("start-failure-is-fatal", "a failed start keeps a resource from that node until `qrm resource cleanup`"),
    (
        "stonith-watchdog-timeout",
        "name the hosts that have one: `primitive dog stonith:watchdog params pcmk_host_list=\"NODES\"`; its wait follows from that",
    ),
    ("cluster-recheck-interval", "what is due is done when it is due"),
];

impl<'a> Import<'a, '_> {
    pub(super) fn properties(&mut self, section: Element<'a>) {
        const OWNER: &str = "property";
        let mut properties = Attributes::new();
        for (at, name, value) in self.pairs(OWNER, &[section], "cluster_property_set") {
            if OF_THE_CLUSTER.contains(&name.as_str()) {
                self.tell(Fate::LeftOut, &name, at, format!("{name}={value} is a cluster's own note of itself"), "");
                continue;
            }
            let renamed = RENAMED.iter().find(|(there, _)| *there == name).map(|(_, here)| *here);
            let here = renamed.unwrap_or(&name).to_owned();
            let value = if here == "stonith-action" && value == "poweroff" { "off".to_owned() } else { value };
            let (_, errors) = Properties::read(&Attributes::from([(here.clone(), value.clone())]));
            match errors.first() {
                None => {
                    if renamed.is_some() {
                        self.tell(Fate::Changed, &name, at, format!("it is called {here} here"), "");
                    }
                    properties.entry(here).or_insert(value);
                }
                Some(error) => {
                    let mend = INSTEAD.iter().find(|(name, _)| *name == here).map_or("", |(_, mend)| *mend);
                    let what = match error {
                        PropertyError::Unknown { .. } => format!("property {name}={value} is not known here"),
                        error => error.to_string(),
                    };
                    self.tell(Fate::LeftOut, &name, at, what, mend);
                }
            }
        }
        if !properties.contains_key("stonith-action") {
            let what = "stonith-action is not set, and a fenced node stays off here, where Pacemaker reboots it";
            self.tell(
                Fate::Note,
                "stonith-action",
                section,
                what,
                "`qrm configure property stonith-action=reboot` does so too",
            );
        }
        self.config.properties = properties;
    }

    pub(super) fn rsc_defaults(&mut self, section: Element<'a>) {
        const OWNER: &str = "rsc_defaults";
        self.config.rsc_rules = self.ruled_sets(OWNER, &[section], ("meta_attributes", Section::Meta), None);
        let pairs = self.pairs(OWNER, &[section], "meta_attributes");
        self.config.rsc_defaults = self.sound(OWNER, pairs, |name, value| meta_fault(OWNER, name, value));
    }

    pub(super) fn op_defaults(&mut self, section: Element<'a>) {
        const OWNER: &str = "op_defaults";
        self.config.op_rules = self.ruled_sets(OWNER, &[section], ("meta_attributes", Section::Operation), None);
        let pairs = self.pairs(OWNER, &[section], "meta_attributes");
        self.config.op_defaults = self.sound(OWNER, pairs, |name, value| {
            let pair = Attributes::from([(name.to_owned(), value.to_owned())]);
            let errors = attribute_errors(&ResourceId::from(OWNER), AgentClass::Vm, "", &pair);
            errors.first().map(|error| (error.to_string(), String::new()))
        });
    }
}

/// Why a meta attribute is not taken, and what to do.
pub(super) fn meta_fault(owner: &str, name: &str, value: &str) -> Option<(String, String)> {
    if name == "remote-node" {
        let what = format!(
            "remote-node={value}: it is a guest node, and there are none here; it is taken as what it is itself"
        );
        return Some((what, "run on the hosts what was to run in it".to_owned()));
    }
    let pair = Attributes::from([(name.to_owned(), value.to_owned())]);
    let errors = ResourceMeta::default().overlay(&ResourceId::from(owner), &pair);
    errors
        .first()
        .map(|error| (format!("meta attribute {error}").replace("meta attribute there is", "there is"), String::new()))
}
