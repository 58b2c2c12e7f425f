//! Fence devices and fence levels: can each do what it is there for?

use super::reference::missing;
use super::{Problem, Report, nearest, problem};
use crate::config::{Config, DEVICE_PARAMETERS, FencingTopology, HostCheck, LevelTarget, Primitive, Properties};
use crate::id::{NodeId, ResourceId};
use std::collections::BTreeSet;

pub(super) fn check(config: &Config, report: &mut Report) {
    let devices: Vec<_> = config.primitives.iter().filter(|(_, primitive)| primitive.is_fence_device()).collect();
    for (id, device) in &devices {
        targets(report, id, device);
        parameters(report, id, device);
    }
    let mut rows = BTreeSet::new();
    for row in &config.fencing_topology {
        if !rows.insert(&row.target) {
            report.error("fencing_topology", format!("there are two rows for {}", row.target), "keep one");
        }
        levels(config, report, row);
    }
    report.warnings.extend(without_device(config, config.nodes.keys()));
}

/// Nodes that no fence device is for, where one is needed.
pub(super) fn without_device<'a>(config: &Config, nodes: impl Iterator<Item = &'a NodeId>) -> Vec<Problem> {
    let (properties, _) = Properties::read(&config.properties);
    let devices = || config.primitives.values().filter(|primitive| primitive.is_fence_device());
    let is_fenced = |node: &NodeId| devices().any(|device| device.fences(node));
    let unfenced = nodes.filter(|node| properties.stonith_enabled && !is_fenced(node));
    let what = "no fence device is for this node, so it gets no resources";
    unfenced
        .map(|node| {
            problem(node, what, format!("add one: `primitive fence-{node} stonith:ipmi params target={node} …`"))
        })
        .collect()
}

fn targets(report: &mut Report, id: &ResourceId, device: &Primitive) {
    if device.fence_targets().is_empty() && device.host_check() == HostCheck::StaticList {
        let mend = format!("`set {id}.target NODE`, or pcmk_host_check=dynamic-list|status|none where it is for all");
        report.error(id, "nothing says which node this fence device is for", mend);
    }
}

/// What the built-in IPMI device takes, by fence_ipmilan's names of today and of before.
const IPMI: &[&str] = &[
    "cipher",
    "ip",
    "ipaddr",
    "ipport",
    "lanplus",
    "login",
    "passwd",
    "password",
    "privlvl",
    "system_guid",
    "target",
    "username",
];

/// What the built-in Redfish device takes, by fence_redfish's names where it has them.
const REDFISH: &[&str] = &[
    "auth",
    "ip",
    "ipaddr",
    "ipport",
    "login",
    "passwd",
    "password",
    "redfish_uri",
    "ssl",
    "ssl_ca_file",
    "ssl_fingerprint",
    "ssl_insecure",
    "system_guid",
    "systems_uri",
    "target",
    "username",
];

fn parameters(report: &mut Report, id: &ResourceId, device: &Primitive) {
    for (name, value) in &device.params {
        if name.starts_with("pcmk_") && !DEVICE_PARAMETERS.contains(&name.as_str()) {
            let mend = nearest(name, DEVICE_PARAMETERS).map(|near| format!("did you mean '{near}'?"));
            report.warning(id, format!("{name} has no effect"), mend.unwrap_or_default());
        }
        if let Some(expected) = crate::config::device::refused(name, value) {
            report.error(id, format!("{name}={value} is not understood: {expected}"), "");
        }
    }
    match device.agent.kind.as_str() {
        "ipmi" => {
            let password: &[&str] = &["password", "passwd"];
            required(report, id, device, &[&["ip", "ipaddr"], &["username", "login"], password]);
            built_in(report, id, device, IPMI, ipmi_value);
        }
        "redfish" => {
            required(report, id, device, &[&["ip", "ipaddr"], &["username", "login"], &["password", "passwd"]]);
            built_in(report, id, device, REDFISH, redfish_value);
            one_trust(report, id, device);
        }
        "fence_ipmilan" => {
            let password: &[&str] = &["password", "passwd", "password_script", "passwd_script"];
            required(report, id, device, &[&["ip", "ipaddr"], &["username", "login"], password]);
        }
        _ if device.is_watchdog() => watchdog(report, id, device, WATCHDOG),
        _ if device.is_pill() => {
            watchdog(report, id, device, PILL);
            let disks = device.pill_disks();
            if ![1, 3].contains(&disks.len()) {
                let what = format!("{} disks are named in devices, and one or three are needed", disks.len());
                report.error(id, what, "with two, the loss of one would leave no majority");
            }
            for disk in disks.iter().filter(|disk| !disk.starts_with('/')) {
                report.error(id, format!("{disk} is no path"), "such as /dev/disk/by-id/…, the same on every host");
            }
        }
        kind if kind.starts_with("fence_") || kind == "fake" => {}
        kind => {
            let what = format!("there is no fence agent 'stonith:{kind}'");
            let mend = match nearest(kind, &["ipmi", "redfish", "fake", "fence_ipmilan", "watchdog", "sbd"]) {
                Some(near) => format!("did you mean 'stonith:{near}'?"),
                None => "use stonith:ipmi, stonith:redfish, or a ClusterLabs agent: stonith:fence_…".to_owned(),
            };
            report.error(id, what, mend);
        }
    }
}

/// What a watchdog takes.
const WATCHDOG: &[&str] = &["pcmk_host_list", "proves_off", "target", "timeout", "window"];

/// What a watchdog takes whose host reads slots on shared disks.
const PILL: &[&str] = &["devices", "pcmk_host_list", "proves_off", "target", "timeout", "window"];

fn watchdog(report: &mut Report, id: &ResourceId, device: &Primitive, known: &[&str]) {
    for (name, value) in &device.params {
        let is_time = crate::grammar::duration(value)
            .is_some_and(|time| time.as_secs() >= 1 && time <= crate::config::WATCHDOG_LONGEST);
        if ["timeout", "window"].contains(&name.as_str()) && !is_time {
            report.error(id, format!("{name}={value} is not understood: a time from 1s to 5m"), "");
        } else if !known.contains(&name.as_str()) && !DEVICE_PARAMETERS.contains(&name.as_str()) {
            let mend = nearest(name, known).map(|near| format!("did you mean '{near}'?"));
            let mend = mend.unwrap_or_else(|| format!("it has {}", known.join(", ")));
            report.error(id, format!("{} has no parameter '{name}'", device.agent.text()), mend);
        }
    }
}

/// Of each group of names one must have a value.
fn required(report: &mut Report, id: &ResourceId, device: &Primitive, groups: &[&[&str]]) {
    let given = |name: &&str| device.params.get(*name).is_some_and(|value| !value.is_empty());
    for group in groups.iter().filter(|group| !group.iter().any(given)) {
        let agent = device.agent.text();
        report.error(
            id,
            format!("{agent} needs the parameter '{}'", group[0]),
            format!("`set {id}.{} VALUE`", group[0]),
        );
    }
}

/// What a value should have been, where it is not that.
type Refused = fn(&str, &str) -> Option<&'static str>;

fn built_in(report: &mut Report, id: &ResourceId, device: &Primitive, known: &[&str], refused: Refused) {
    let ours = |name: &str| name.starts_with("pcmk_") || DEVICE_PARAMETERS.contains(&name);
    for (name, value) in &device.params {
        if !ours(name) && !known.contains(&name.as_str()) {
            let mend = match nearest(name, known) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("it has {}", known.join(", ")),
            };
            report.error(id, format!("{} has no parameter '{name}'", device.agent.text()), mend);
        }
        if let Some(expected) = refused(name, value) {
            report.error(id, format!("{name} is not understood: {expected}"), format!("`set {id}.{name} VALUE`"));
        }
    }
}

/// Of how a certificate is judged, one way is enough, and two would hide which.
fn one_trust(report: &mut Report, id: &ResourceId, device: &Primitive) {
    let says = |name: &&&str| device.params.get(**name).is_some_and(|value| !value.is_empty());
    let insecure = device.params.get("ssl_insecure").is_some_and(|value| crate::config::boolean(value) == Some(true));
    let given = ["ssl_ca_file", "ssl_fingerprint"].iter().filter(says).count() + usize::from(insecure);
    if given > 1 {
        let what = "ssl_ca_file, ssl_fingerprint and ssl_insecure contradict each other";
        report.error(id, what, "keep one of them");
    }
}

/// Values are not repeated: one of them is the password.
fn redfish_value(name: &str, value: &str) -> Option<&'static str> {
    let is_path =
        value.starts_with('/') && !value.starts_with("//") && value.bytes().all(|byte| byte.is_ascii_graphic());
    let (fits, expected) = match name {
        "auth" => (["basic", "session", ""].contains(&value), "basic or session"),
        "ssl" => (crate::config::boolean(value) != Some(false), "1, for only HTTPS is spoken here"),
        "ssl_insecure" => (value.is_empty() || crate::config::boolean(value).is_some(), "true or false"),
        "ssl_fingerprint" => {
            let mut digits = value.bytes().filter(|byte| *byte != b':');
            (digits.clone().count() == 64 && digits.all(|byte| byte.is_ascii_hexdigit()), "64 hexadecimal digits")
        }
        "redfish_uri" | "systems_uri" => (value.is_empty() || is_path, "a path, such as /redfish/v1/Systems/1"),
        "ipport" | "system_guid" => return ipmi_value(name, value),
        _ => return None,
    };
    (!fits).then_some(expected)
}

/// Values are not repeated: one of them is the password.
fn ipmi_value(name: &str, value: &str) -> Option<&'static str> {
    let lower = value.to_ascii_lowercase();
    let (fits, expected) = match name {
        "ipport" => (value.parse::<u16>().is_ok_and(|port| port > 0), "a port from 1 to 65535"),
        "cipher" => (["3", "17", ""].contains(&value), "3 or 17"),
        "privlvl" => {
            (["administrator", "admin", "operator", ""].contains(&lower.as_str()), "administrator or operator")
        }
        "lanplus" => (crate::config::boolean(value) != Some(false), "1, for only IPMI 2.0 is spoken here"),
        "username" | "login" => (value.len() <= 16, "IPMI has 16 bytes for it"),
        "system_guid" => {
            let digits = lower.bytes().filter(|byte| *byte != b'-');
            (
                digits.clone().count() == 32 && digits.clone().all(|byte| byte.is_ascii_hexdigit()),
                "32 hexadecimal digits",
            )
        }
        "password" | "passwd" => (value.len() <= 20, "IPMI has 20 bytes for it"),
        _ => return None,
    };
    (!fits).then_some(expected)
}

const OBJECT: &str = "fencing_topology";

/// Levels that members have by an attribute, a pattern, or as the rest, with devices that are not for them; and rows that
/// are for no member.
pub(super) fn levels_of_members(config: &Config, members: &BTreeSet<NodeId>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let has_row = |row: &FencingTopology| members.iter().any(|node| config.fencing_row(node) == Some(row));
    for row in config.fencing_topology.iter().filter(|row| !matches!(row.target, LevelTarget::Node(_))) {
        if row.target != LevelTarget::Rest && !has_row(row) {
            problems.push(problem(
                OBJECT,
                format!("the levels for {} are for no node of this cluster", row.target),
                "of several rows that fit a node its own counts, then the first that `configure show` lists",
            ));
        }
        for node in members.iter().filter(|node| config.fencing_row(node) == Some(row)) {
            let is_for_it = |id: &&ResourceId| config.primitives.get(*id).is_none_or(|device| device.fences(node));
            let others: BTreeSet<_> = row.levels.iter().flatten().filter(|id| !is_for_it(id)).collect();
            problems.extend(others.into_iter().map(|id| {
                let what = format!("{node} has the levels for {}, and '{id}' in them is not for that node", row.target);
                problem(OBJECT, what, format!("add {node} to the targets of '{id}', or give {node} levels of its own"))
            }));
        }
    }
    problems
}

fn levels(config: &Config, report: &mut Report, row: &FencingTopology) {
    let whose = &row.target;
    if row.levels.iter().any(Vec::is_empty) || row.levels.is_empty() {
        report.error(OBJECT, format!("a level for {whose} is empty"), "name a device, or take the level out");
    }
    for id in row.levels.iter().flatten() {
        let is_device = |id: &ResourceId| config.primitives.get(id).is_some_and(Primitive::is_fence_device);
        match config.primitives.get(id) {
            None => {
                let what = format!("a level for {whose} names '{id}', which does not exist");
                report.error(OBJECT, what, missing(config, id, is_device));
            }
            Some(device) if !device.is_fence_device() => {
                let what = format!("a level for {whose} names '{id}', which is no fence device");
                report.error(OBJECT, what, format!("it is {}; name a stonith: primitive", device.agent.text()));
            }
            Some(device) if device.is_watchdog() => {
                let what = format!("a level for {whose} names '{id}', which is a watchdog");
                report.error(OBJECT, what, "take it out: a watchdog is waited for beside all levels");
            }
            Some(device)
                if device.is_pill() && row.levels.iter().any(|level| level.len() > 1 && level.contains(id)) =>
            {
                let what = format!("a level for {whose} names '{id}' beside another device");
                report.error(OBJECT, what, "give it a level of its own: what it leaves is waited for");
            }
            Some(device) => {
                if let LevelTarget::Node(node) = &row.target
                    && !device.fences(node)
                {
                    let what = format!("a level for {node} names '{id}', which is not for that node");
                    let mend = format!("add {node} to the targets of '{id}', or take it out of the level");
                    report.error(OBJECT, what, mend);
                }
            }
        }
    }
}
