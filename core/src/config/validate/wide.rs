//! What stands for more than itself: do its names lead somewhere, and is each in one place?

use super::reference::exists;
use super::{Report, nearest};
use crate::config::shorthand::{Group, ResourceSet, Want, Who};
use crate::config::{AgentClass, Config};
use crate::id::ResourceId;
use crate::rule::Rule;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(config: &Config, report: &mut Report) {
    let wide = &config.shorthand;
    for (id, own) in &wide.own {
        let Some(name) = own.template.as_ref().filter(|name| !wide.templates.contains_key(*name)) else { continue };
        let names: Vec<&str> = wide.templates.keys().map(String::as_str).collect();
        let mend = match nearest(name, &names) {
            Some(near) => format!("did you mean '@{near}'?"),
            None => format!("define it with `rsc_template {name} …`"),
        };
        report.error(id, format!("there is no template '{name}'"), mend);
    }
    groups(config, report);
    for (id, members) in &wide.tags {
        all_exist(config, report, "tag", id, members);
        if let Some(tag) = members.iter().find(|member| wide.tags.contains_key(*member)) {
            report.error(id, format!("'{tag}' is a tag itself"), "name what it names");
        }
    }
    for (id, location) in &wide.locations {
        match &location.who {
            Who::One(name) => exists(config, report, "location", id, &ResourceId::from(name.as_str())),
            Who::Set(members) => all_exist(config, report, "location", id, members),
            Who::Pattern(pattern) => {
                let is_met = wide.ruled.values().flatten().any(|ruled| ruled == id)
                    || config.locations.keys().any(|part| part.starts_with(&format!("{id}/")));
                if !is_met {
                    report.warning(id, format!("no resource fits /{pattern}/"), "it has an effect once one does");
                }
            }
        }
    }
    for (id, location) in &wide.locations {
        if let Want::Rules(rules) = &location.want {
            rules.iter().for_each(|one| rule(report, id, one));
        }
    }
    for (id, colocation) in &wide.colocations {
        sets(config, report, "colocation", id, &colocation.sets);
    }
    for (id, order) in &wide.orders {
        sets(config, report, "order", id, &order.sets);
    }
}

/// What a rule asks the time.
pub(super) fn rule(report: &mut Report, id: &str, rule: &Rule) {
    for when in rule.dates() {
        if let Some(fault) = when.fault() {
            report.error(id, format!("a date in its rule: {fault}"), "write it as 2026-11-22T18:00Z");
        }
        if let Some(time) = when.without_offset() {
            let mend = format!("write {time}Z, or with an offset such as {time}+02:00");
            report.warning(id, format!("the time {time} in its rule names no offset, and is UTC"), mend);
        }
    }
}

fn groups(config: &Config, report: &mut Report) {
    let mut owners: BTreeMap<&ResourceId, &str> = BTreeMap::new();
    for (id, group) in &config.shorthand.groups {
        let kind = if group.is_clone() { "clone" } else { "group" };
        for member in &group.members {
            match config.primitives.get(member) {
                None => exists(config, report, kind, id, member),
                Some(vm) if group.is_clone() && vm.agent.class == AgentClass::Vm => {
                    let what = format!("'{member}' is a VM, and a VM has one identity: it cannot be cloned");
                    report.error(id, what, "define one primitive for each VM");
                }
                Some(device) if device.is_fence_device() => {
                    let what = format!("its member '{member}' is a fence device, which is used and never started");
                    report.error(id, what, format!("`modgroup {id} remove {member}`"));
                }
                Some(_) => {}
            }
            let inner = config.shorthand.groups.get(member.as_str());
            if let Some(inner) = inner.filter(|_| !config.primitives.contains_key(member)) {
                inside(config, report, (id, group), (member, inner));
            }
            match owners.insert(member, id) {
                Some(other) if other == id => {
                    report.error(id, format!("it names '{member}' twice"), "keep one");
                }
                Some(other) => {
                    let is_clone = config.shorthand.groups.get(other).is_some_and(Group::is_clone);
                    let kind = if is_clone { "clone" } else { "group" };
                    let what = format!("its member '{member}' is in the {kind} '{other}' too");
                    report.error(id, what, "take it out of one of them");
                }
                None => {}
            }
        }
    }
}

/// Of groups only a clone can be made of one, and not of every one.
fn inside(config: &Config, report: &mut Report, (id, outer): (&str, &Group), (member, inner): (&ResourceId, &Group)) {
    let is_vm = |part: &&ResourceId| config.primitives.get(*part).is_some_and(|it| it.agent.class == AgentClass::Vm);
    let vm = inner.members.iter().find(is_vm);
    let (what, mend) = match (outer.is_clone(), inner.is_clone(), vm) {
        (_, true, _) => (format!("'{member}' is a clone itself"), "name what it clones"),
        (false, false, _) => (format!("its member '{member}' is a group itself"), "name its members"),
        (true, false, Some(vm)) => {
            let what =
                format!("'{vm}' of the group '{member}' is a VM, and a VM has one identity: it cannot be cloned");
            (what, "take it out of the group")
        }
        (true, false, None) => return,
    };
    report.error(id, what, mend);
}

fn all_exist(config: &Config, report: &mut Report, kind: &str, id: &str, members: &[String]) {
    for member in members {
        exists(config, report, kind, id, &ResourceId::from(member.as_str()));
    }
}

fn sets(config: &Config, report: &mut Report, kind: &str, id: &str, sets: &[ResourceSet]) {
    let mut seen = BTreeSet::new();
    for member in sets.iter().flat_map(|set| &set.members) {
        exists(config, report, kind, id, &ResourceId::from(member.as_str()));
        if !seen.insert(member) {
            report.error(id, format!("this {kind} names '{member}' twice"), "keep one");
        }
    }
}
