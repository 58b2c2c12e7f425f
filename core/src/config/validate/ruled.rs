//! Attribute sets with a rule or a score: may they be there, and do their names and values mean something?

use super::Report;
use super::wide::rule;
use crate::config::{
    AgentClass, Config, MetaError, Primitive, ResourceMeta, RuledSet, Section, attribute_errors, secret,
};
use crate::grammar::is_attribute_name;
use crate::id::ResourceId;
use crate::rule::Test;

/// Meta attributes that hold whatever the time is.
const ALWAYS: &[(&str, &str)] = &[
    ("is-managed", "what was not managed has to be looked at first, which is done when that is committed"),
    ("maintenance", "what was in maintenance has to be looked at first, which is done when that is committed"),
    ("requires", "whether a proof is waived is for a person to say"),
];

pub(super) fn check(config: &Config, report: &mut Report) {
    for (id, primitive) in &config.primitives {
        let own = config.written(id).map_or(primitive, |(_, own)| own);
        sets(report, id.as_str(), &own.ruled, Some(primitive));
    }
    for (id, template) in &config.shorthand.templates {
        sets(report, id, &template.ruled, Some(template));
    }
    sets(report, "rsc_defaults", &config.rsc_rules, None);
    sets(report, "op_defaults", &config.op_rules, None);
}

fn sets(report: &mut Report, id: &str, sets: &[RuledSet], of: Option<&Primitive>) {
    for set in sets {
        set.rule.iter().for_each(|one| rule(report, id, one));
        for (what, mend) in faults(set, of.map(|primitive| primitive.agent.class)) {
            report.error(id, what, mend);
        }
        for error in meaning(id, set) {
            match error.is_warning() {
                true => report.warning(id, error.to_string(), ""),
                false => report.error(id, error.to_string(), ""),
            }
        }
        for name in set.pairs.keys().filter(|name| !is_attribute_name(name)) {
            let mend = "use letters, digits, '-', '_', '.', ':', '/' and '#'";
            report.error(id, format!("'{name}' cannot be the name of an attribute"), mend);
        }
    }
}

/// What of its names and values means nothing.
pub(crate) fn meaning(id: &str, set: &RuledSet) -> Vec<MetaError> {
    let owner = ResourceId::from(id);
    match set.section {
        Section::Params => Vec::new(),
        Section::Meta => ResourceMeta::default().overlay(&owner, &set.pairs),
        Section::Operation => attribute_errors(&owner, AgentClass::Vm, "", &set.pairs),
    }
}

/// Why a set cannot be there, and how to mend it; of defaults there is no class.
pub(crate) fn faults(set: &RuledSet, class: Option<AgentClass>) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut add = |what: String, mend: &str| faults.push((what, mend.to_owned()));
    let asks = |what: fn(&Test) -> bool| set.rule.as_ref().is_some_and(|rule| rule.tests.iter().any(what));
    if class.is_some() && asks(|test| matches!(test, Test::Agent { .. })) {
        add("a rule on what runs it: that is known of it".to_owned(), "write it in rsc_defaults, or plainly");
    }
    if set.section != Section::Operation && asks(|test| matches!(test, Test::Operation { .. })) {
        add("a rule on operations: only op_defaults are about those".to_owned(), "write it in op_defaults");
    }
    match (set.section, class) {
        (Section::Operation, _) => {
            if asks(|test| matches!(test, Test::Attribute { .. } | Test::Date(_))) {
                let what = "operations with a rule on attributes of nodes or on dates: they are the same everywhere and always";
                add(what.to_owned(), "ask for `resource CLASS:PROVIDER:TYPE` or `op NAME`");
            }
            if set.pairs.contains_key("interval") {
                let what = "interval cannot stand in a set with a rule or a score: it says which operation is meant";
                add(what.to_owned(), "write it in the operation");
            }
        }
        (Section::Params, Some(AgentClass::Ocf)) => {
            if asks(|test| matches!(test, Test::Date(_))) {
                let what = "parameters with a rule on dates: what runs keeps what it was started with";
                add(what.to_owned(), "ask for attributes of nodes, such as #uname");
            }
            for name in set.pairs.keys().filter(|name| secret::is_secret(name)) {
                add(
                    format!("{name} cannot stand in a set with a rule or a score: it would be shown"),
                    "write it plainly",
                );
            }
        }
        (Section::Params, class) => {
            let why = match class {
                Some(AgentClass::Vm) => {
                    "what a VM is does not depend on where it runs: it may be moved there while it runs"
                }
                Some(AgentClass::Systemd) => "a unit of systemd takes none",
                Some(_) => "a fence device is the same for whoever uses it",
                None => "defaults have none",
            };
            add(format!("parameters with a rule or a score: {why}"), "write plain NAME=VALUE pairs");
        }
        (Section::Meta, _) => {
            if asks(|test| matches!(test, Test::Attribute { .. })) {
                let what = "meta attributes with a rule on attributes of nodes: they hold wherever it runs";
                add(what.to_owned(), "ask for dates, or write a location with the rule");
            }
            for (name, why) in ALWAYS.iter().filter(|(name, _)| set.pairs.contains_key(*name)) {
                add(format!("{name} cannot stand in a set with a rule or a score: {why}"), "write it plainly");
            }
        }
    }
    faults
}
