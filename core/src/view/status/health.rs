//! Whether all is well, in one line: the worst of what there is, so that nobody has to read on to know.

use super::{DeviceView, Role, Status};
use serde::{Deserialize, Serialize};

/// A leader's clock that is off by so much is told.
const WRONG_CLOCK: std::time::Duration = std::time::Duration::from_secs(60);

/// How well the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// For programs.
    pub level: Level,
    /// In words.
    pub text: String,
}

/// How well, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Everything is as it should be.
    #[default]
    Ok,
    /// Nothing is wrong, and something is being done.
    Working,
    /// Less than all is there, or something failed; it goes on by itself.
    Degraded,
    /// A node is being recovered from.
    Recovering,
    /// A person is needed.
    Question,
    /// Nothing can be changed: no majority confirms what is shown.
    NoQuorum,
    /// A resource runs on more than one node.
    Broken,
}

pub(super) fn judge(status: &Status) -> Health {
    let tests = [broken, no_quorum, question, recovering, degraded, working];
    let found = tests.iter().find_map(|test| test(status));
    found.unwrap_or_else(|| Health { level: Level::Ok, text: count(status) })
}

fn broken(status: &Status) -> Option<Health> {
    let disarmed = list(status.nodes.iter().filter(|node| node.disarmed.is_some()).map(|node| node.id.to_string()));
    if !disarmed.is_empty() {
        let text = format!(
            "the proof that {disarmed} was off was false, and {} may have run twice; {}",
            status.noun().many,
            count(status)
        );
        return Some(Health { level: Level::Broken, text });
    }
    let multiple = status.resources.iter().filter(|resource| resource.role == Role::Multiple);
    let names = list(multiple.map(|resource| resource.id.to_string()));
    let text = format!("{names} runs on more than one node: stop all but one now");
    (!names.is_empty()).then_some(Health { level: Level::Broken, text })
}

fn no_quorum(status: &Status) -> Option<Health> {
    let quorum = &status.quorum;
    if quorum.confirmed {
        return None;
    }
    let why = match (&quorum.leader, quorum.reachable.len(), quorum.voters.len()) {
        (_, reached, all) if reached > 0 && reached < quorum.needed => {
            format!("{} reaches {reached} of {all} voters, and {} are needed", quorum.from, quorum.needed)
        }
        (None, _, _) => format!("{} knows of no leader", quorum.from),
        (Some(leader), _, _) => format!("{} gets no word from the leader {leader}", quorum.from),
    };
    let text = format!("{why}; nothing is started, nobody is fenced, and this is what {} knew last", quorum.from);
    Some(Health { level: Level::NoQuorum, text })
}

fn question(status: &Status) -> Option<Health> {
    let nodes = list(status.questions.iter().map(|question| question.node.to_string()));
    if nodes.is_empty() {
        return None;
    }
    let mut waiting: Vec<_> = status.questions.iter().flat_map(|question| &question.waiting).collect();
    waiting.sort();
    waiting.dedup();
    let waits = match waiting.len() {
        0 => String::new(),
        count => format!(", and {} for it", status.noun().doing(count, "wait")),
    };
    let is_fenced = |node| status.fencing.iter().any(|fence| fence.target == node);
    let what = match status.questions.iter().all(|question| is_fenced(question.node.clone())) {
        true => format!("a person must say whether {nodes} is off"),
        false => format!("a person must say what is to become of {nodes}"),
    };
    Some(Health { level: Level::Question, text: format!("{what}{waits}") })
}

fn recovering(status: &Status) -> Option<Health> {
    let fenced = status.fencing.iter().filter(|fence| !fence.settling).map(|fence| &fence.target);
    let silent = |liveness: &str| matches!(liveness, "suspect" | "lost");
    let suspects = status.nodes.iter().filter(|node| silent(&node.liveness) && !node.witness).map(|node| &node.id);
    let mut nodes: Vec<String> = fenced.chain(suspects).map(ToString::to_string).collect();
    nodes.sort();
    nodes.dedup();
    let starting = status.resources.iter().filter(|resource| resource.role == Role::Starting).count();
    let is_off = status.nodes.iter().any(|node| node.liveness == "off");
    match (nodes.is_empty(), starting) {
        (false, _) => {
            let text = format!("{} {} not heard; {}", list(nodes.iter().cloned()), are(nodes.len()), count(status));
            Some(Health { level: Level::Recovering, text })
        }
        (true, 1..) if is_off => {
            let text = format!("{} after a fence; {}", status.noun().doing(starting, "start"), count(status));
            Some(Health { level: Level::Recovering, text })
        }
        _ => None,
    }
}

fn degraded(status: &Status) -> Option<Health> {
    let nodes = status.nodes.iter().filter(|node| node.liveness != "online");
    let absent: Vec<String> = nodes.map(|node| format!("{} is {}", node.id, node.liveness)).collect();
    let mut why: Vec<String> = absent;
    let count_of = |found: usize, one: &str, many: &str| (found > 0).then(|| number(found, one, many));
    let failed = status.resources.iter().filter(|resource| !resource.failures.is_empty()).count();
    let dead_devices = status.devices.iter().filter(|device| device.error.is_some()).count();
    let failed_drill = |device: &&DeviceView| device.drills.iter().any(|drill| drill.problem.is_some());
    let undrilled = status.devices.iter().filter(|device| device.error.is_none()).filter(failed_drill).count();
    let unarmed = status.nodes.iter().filter(|node| !node.is_armed && !node.witness).count();
    let locked_out = status.nodes.iter().filter(|node| node.locked_out.is_some() && node.liveness == "online").count();
    why.extend(count_of(locked_out, "node is not unfenced", "nodes are not unfenced"));
    let unwell = status.nodes.iter().filter(|node| !node.health.is_empty()).count();
    why.extend(count_of(unwell, "node is not well", "nodes are not well"));
    let full = status.nodes.iter().filter(|node| node.store.as_ref().is_some_and(|store| store.is_full));
    why.extend(full.map(|node| format!("the disk under the store of {} is full: make room", node.id)));
    let distrusted = status.devices.iter().filter(|device| device.distrusted.is_some()).count();
    let quarantined = status.nodes.iter().filter(|node| node.quarantine.is_some()).count();
    let noun = status.noun();
    let blocked = status.blocked.len();
    why.extend((blocked > 0).then(|| format!("{} {} blocked", noun.counted(blocked), are(blocked))));
    why.extend((failed > 0).then(|| format!("{} failed", noun.counted(failed))));
    why.extend(count_of(dead_devices, "fence device does not answer", "fence devices do not answer"));
    why.extend(count_of(undrilled, "fence device failed its drill", "fence devices failed their drill"));
    let unseen = status.resources.iter().filter(|resource| resource.role == Role::Started);
    let unseen = unseen.filter(|resource| resource.places.iter().any(|place| place.why.is_some())).count();
    why.extend((unseen > 0).then(|| format!("{} cannot be looked at", noun.counted(unseen))));
    let found: usize = status.nodes.iter().map(|node| node.findings.len()).sum();
    why.extend(count_of(found, "thing on a host needs a hand", "things on hosts need a hand"));
    why.extend(count_of(distrusted, "fence device is distrusted", "fence devices are distrusted"));
    why.extend(count_of(quarantined, "node is in quarantine", "nodes are in quarantine"));
    why.extend(wrong_clock(status.cluster.clock_ahead_ms));
    if !status.cluster.fencing_enabled {
        why.push("fencing is disabled".to_owned());
    } else if !status.resources.is_empty() {
        why.extend(count_of(unarmed, "node is not armed", "nodes are not armed"));
    }
    if status.cluster.maintenance {
        why.push("maintenance-mode is on".to_owned());
    }
    (!why.is_empty()).then(|| Health { level: Level::Degraded, text: format!("{}; {}", why.join(", "), count(status)) })
}

/// leader stamps: the cluster's time goes on evenly; a clock that differs much is for people to set.
fn wrong_clock(ahead_ms: i64) -> Option<String> {
    let off = std::time::Duration::from_millis(ahead_ms.unsigned_abs());
    let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let minutes = off.as_secs() / 60;
    (off >= WRONG_CLOCK).then(|| format!("the leader's clock is {minutes} min {side} the cluster's time: look at NTP"))
}

fn working(status: &Status) -> Option<Health> {
    let busy = status.resources.iter().filter(|resource| !resource.doing.is_empty()).count();
    let text = format!("{} {} worked on; {}", status.noun().counted(busy), are(busy), count(status));
    (busy > 0).then_some(Health { level: Level::Working, text })
}

fn count(status: &Status) -> String {
    let online = status.nodes.iter().filter(|node| node.liveness == "online").count();
    let wanted = status.resources.iter().filter(|resource| resource.target_role == "started");
    let running = wanted.clone().filter(|resource| resource.role == Role::Started).count();
    let wanted = status.noun().counted(wanted.count());
    format!("{online} of {} nodes online, {running} of {wanted} running", status.nodes.len())
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn number(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
