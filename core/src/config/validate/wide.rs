//! What stands for more than itself: do its names lead somewhere, and is each in one place?

use super::reference::exists;
use super::{Report, nearest};
use crate::config::Config;
use crate::config::shorthand::{ResourceSet, Who};
use crate::id::ResourceId;
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
    for (id, colocation) in &wide.colocations {
        sets(config, report, "colocation", id, &colocation.sets);
    }
    for (id, order) in &wide.orders {
        sets(config, report, "order", id, &order.sets);
    }
}

fn groups(config: &Config, report: &mut Report) {
    let mut owners: BTreeMap<&ResourceId, &str> = BTreeMap::new();
    for (id, group) in &config.shorthand.groups {
        for member in &group.members {
            match config.primitives.get(member) {
                None => exists(config, report, "group", id, member),
                Some(device) if device.is_fence_device() => {
                    let what = format!("its member '{member}' is a fence device, which is used and never started");
                    report.error(id, what, format!("`modgroup {id} remove {member}`"));
                }
                Some(_) => {}
            }
            if !config.primitives.contains_key(member) && config.shorthand.groups.contains_key(member.as_str()) {
                report.error(id, format!("its member '{member}' is a group itself"), "name its members");
            }
            match owners.insert(member, id) {
                Some(other) if other == id => {
                    report.error(id, format!("it names '{member}' twice"), "keep one");
                }
                Some(other) => {
                    let what = format!("its member '{member}' is in the group '{other}' too");
                    report.error(id, what, format!("`modgroup {other} remove {member}`, or take it out here"));
                }
                None => {}
            }
        }
    }
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
