//! A transition played action by action in the worst order that it allows: what arrives as early, what leaves as late as
//! possible. No node may be overfull in between, nor hold together what must be apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What is wrong on the way.
pub(super) fn faults(cluster: &Value, plan: &Value) -> Vec<String> {
    let empty = Vec::new();
    let actions = plan["actions"].as_array().unwrap_or(&empty);
    let order = plan["order"].as_array().unwrap_or(&empty).iter();
    let pairs: Vec<(usize, usize)> = order.filter_map(|pair| Some((place(&pair[0])?, place(&pair[1])?))).collect();
    let mut now = Now::of(cluster);
    let mut done = vec![false; actions.len()];
    for _ in 0..actions.len() {
        let is_ready = |ix: &usize| !done[*ix] && pairs.iter().all(|(first, then)| then != ix || done[*first]);
        let Some(next) = (0..actions.len()).filter(is_ready).min_by_key(|ix| (haste(&actions[*ix]), *ix)) else {
            now.faults.insert("actions wait for each other".to_owned());
            break;
        };
        done[next] = true;
        now.act(&actions[next], actions);
    }
    now.faults.into_iter().collect()
}

fn place(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// What arrives comes first.
fn haste(action: &Value) -> u8 {
    match action["op"].as_str() {
        Some("migrate_to") => 0,
        Some("start") => 1,
        Some("stop") => 3,
        _ => 2,
    }
}

struct Now<'c> {
    cluster: &'c Value,
    on: BTreeMap<String, BTreeSet<String>>,
    faults: BTreeSet<String>,
}

impl<'c> Now<'c> {
    fn of(cluster: &'c Value) -> Self {
        let resources = cluster["resources"].as_object().into_iter().flatten();
        let on = resources.filter_map(|(name, about)| {
            let node = about["on"].as_str()?;
            let is_there = cluster["nodes"][node]["state"] == "online";
            Some((name.clone(), is_there.then(|| node.to_owned()).into_iter().collect()))
        });
        Self { cluster, on: on.collect(), faults: BTreeSet::new() }
    }

    fn act(&mut self, action: &Value, all: &[Value]) {
        let text = |name: &str| action[name].as_str().unwrap_or_default().to_owned();
        let (op, resource, node) = (text("op"), text("resource"), text("node"));
        let Some(places) = self.on.get_mut(&resource) else { return };
        let node = match op.as_str() {
            "stop" => {
                places.remove(&node);
                return;
            }
            "start" => node,
            "migrate_to" => {
                let arrival = all.iter().find(|other| other["op"] == "migrate_from" && other["resource"] == *resource);
                arrival.and_then(|arrival| arrival["node"].as_str()).unwrap_or_default().to_owned()
            }
            _ => return,
        };
        places.insert(node.clone());
        self.look(&node);
    }

    fn look(&mut self, node: &str) {
        let here: Vec<&String> = self.on.iter().filter(|(_, on)| on.contains(node)).map(|(name, _)| name).collect();
        for kind in ["cpu", "memory"] {
            let used: i64 =
                here.iter().filter_map(|name| self.cluster["resources"][name.as_str()][kind].as_i64()).sum();
            if Some(used) > self.cluster["nodes"][node][kind].as_i64() {
                self.faults.insert(format!("{node} is overfull on the way"));
            }
        }
        for pair in self.cluster["anti_affinity"].as_array().into_iter().flatten() {
            let is_here = |name: &Value| here.iter().any(|here| name == here.as_str());
            if is_here(&pair[0]) && is_here(&pair[1]) {
                self.faults.insert(format!("{} and {} are together on the way", pair[0], pair[1]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster() -> Value {
        let nodes = json!({ "cpu": 2, "memory": 2, "state": "online" });
        let vm = |node: &str| json!({ "cpu": 2, "memory": 2, "on": node });
        json!({ "nodes": { "n1": nodes, "n2": nodes, "n3": nodes }, "resources": { "a": vm("n1"), "b": vm("n2") }, "anti_affinity": [["a", "b"]] })
    }

    fn step(op: &str, resource: &str, node: &str) -> Value {
        json!({ "op": op, "resource": resource, "node": node })
    }

    #[test]
    fn what_arrives_too_early_is_found() {
        let actions = [step("stop", "b", "n2"), step("migrate_to", "a", "n1"), step("migrate_from", "a", "n2")];
        let found = faults(&cluster(), &json!({ "actions": actions, "order": [[1, 2]] }));
        assert_eq!(found, ["\"a\" and \"b\" are together on the way", "n2 is overfull on the way"]);
        assert_eq!(faults(&cluster(), &json!({ "actions": actions, "order": [[0, 1], [1, 2]] })), [""; 0]);
    }

    #[test]
    fn a_circle_is_found() {
        let actions = [step("start", "a", "n3"), step("stop", "b", "n2")];
        let found = faults(&cluster(), &json!({ "actions": actions, "order": [[0, 1], [1, 0]] }));
        assert_eq!(found, ["actions wait for each other"]);
    }
}
