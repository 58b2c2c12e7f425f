//! `<op>` lines: intervals, roles and what follows a failure.

use super::dom::{named, text};
use super::rule::Scene;
use super::{Element, Reader, value};
use crate::scheduler::{OnFail, Operation, Role};
use std::collections::BTreeMap;

impl<'a> Reader<'a> {
    /// The operations of these primitive-like elements (itself, then its template), the first definition of each.
    pub(super) fn read_operations(&self, definitions: &[Element<'a>], scene: &Scene<'_>) -> Vec<Operation> {
        let mut found: Vec<Operation> = Vec::new();
        for definition in definitions {
            for block in named(*definition, "operations").map(|block| self.resolve(block)) {
                for op in named(block, "op").map(|op| self.resolve(op)) {
                    let operation = self.read_operation(op, scene);
                    let is_same =
                        |known: &Operation| known.name == operation.name && known.interval == operation.interval;
                    if !found.iter().any(is_same) {
                        found.push(operation);
                    }
                }
            }
        }
        found
    }

    fn read_operation(&self, op: Element<'a>, scene: &Scene<'_>) -> Operation {
        let name = text(op, "name");
        let interval = op.attribute("interval").and_then(value::milliseconds).unwrap_or_default();
        let scene = Scene { operation: Some((name, interval)), ..*scene };
        // What stands on the line itself counts most.
        let (mut known, mut parameters) = (BTreeMap::new(), BTreeMap::new());
        if op.has_children() {
            known = self.pairs(op, "meta_attributes", &scene);
            parameters = self.pairs(op, "instance_attributes", &scene);
            known.extend(parameters.clone());
        }
        let get = |name: &str| op.attribute(name).or_else(|| known.get(name).map(String::as_str));
        Operation {
            name: name.to_owned(),
            interval,
            role: get("role").and_then(value::role),
            on_fail: get("on-fail").and_then(on_fail).or_else(|| self.default_on_fail(&scene)),
            is_enabled: get("enabled").and_then(value::boolean).unwrap_or(true),
            parameters,
        }
    }

    /// What `op_defaults` says of this operation.
    pub(super) fn op_defaults(&self, scene: &Scene<'_>) -> BTreeMap<String, String> {
        let section = self.section(&["configuration", "op_defaults"]);
        section.map(|section| self.pairs(section, "meta_attributes", scene)).unwrap_or_default()
    }

    pub(super) fn default_on_fail(&self, scene: &Scene<'_>) -> Option<OnFail> {
        on_fail(self.op_defaults(scene).get("on-fail")?)
    }

    /// What follows when this operation of a resource fails.
    pub(super) fn consequence(&self, rsc: usize, task: &str, interval: i64, role: Role) -> OnFail {
        let resource = &self.model.resources[rsc];
        let fits = |op: &&Operation| op.name == task && op.interval == interval;
        let configured = resource.operations.iter().find(fits).and_then(|op| op.on_fail);
        let scene = Scene { now: self.model.options.now, operation: Some((task, interval)), ..Scene::default() };
        let configured = configured.or_else(|| self.default_on_fail(&scene));
        let fences = self.model.options.fences;
        let fence_or_block = if fences { OnFail::Fence } else { OnFail::Block };
        let is_within = self.container(rsc).is_some();
        let lost = self.connection_lost(rsc, task, interval, configured.is_some());
        match (task, configured) {
            (_, Some(OnFail::RestartContainer)) if !is_within => OnFail::Restart,
            (_, Some(OnFail::RestartContainer)) => OnFail::RestartContainer,
            (_, None) if is_within => OnFail::RestartContainer,
            _ if lost.is_some() => lost.unwrap_or(OnFail::ResetRemote),
            ("stop", Some(OnFail::Block | OnFail::Ignore)) => configured.unwrap_or(OnFail::Block),
            ("stop", _) => fence_or_block,
            ("demote", None) => {
                let promoted = |op: &&Operation| {
                    op.is_enabled && op.name == "monitor" && op.interval > 0 && op.role == Some(Role::Promoted)
                };
                resource.operations.iter().find(promoted).and_then(|op| op.on_fail).unwrap_or(OnFail::Restart)
            }
            (_, Some(OnFail::Fence)) if !fences => OnFail::Stop,
            (_, Some(OnFail::Demote)) if task != "promote" && role != Role::Promoted => OnFail::Restart,
            (_, Some(configured)) => configured,
            (_, None) => OnFail::Restart,
        }
    }
}

fn on_fail(text: &str) -> Option<OnFail> {
    match text.to_ascii_lowercase().as_str() {
        "ignore" | "nothing" => Some(OnFail::Ignore),
        "demote" => Some(OnFail::Demote),
        "restart" => Some(OnFail::Restart),
        "restart-container" => Some(OnFail::RestartContainer),
        "migrate" => Some(OnFail::Ban),
        "block" => Some(OnFail::Block),
        "stop" => Some(OnFail::Stop),
        "standby" => Some(OnFail::Standby),
        "fence" => Some(OnFail::Fence),
        _ => None,
    }
}
