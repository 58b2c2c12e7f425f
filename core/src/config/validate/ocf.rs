//! OCF resources, as far as this can be said without their agents: what those take, only their meta-data tells.

use super::Report;
use crate::config::{AgentClass, Config, Primitive, Properties, Requires, ResourceMeta, full_unit_name};
use crate::id::ResourceId;

pub(super) fn check(config: &Config, report: &mut Report) {
    for (id, primitive) in &config.primitives {
        match primitive.agent.class {
            AgentClass::Ocf => resource(config, report, id, primitive),
            AgentClass::Systemd => {
                resource(config, report, id, primitive);
                unit(config, report, id, primitive);
            }
            AgentClass::Vm => vm(report, id, primitive),
            AgentClass::Stonith => {}
        }
    }
}

fn resource(config: &Config, report: &mut Report, id: &ResourceId, primitive: &Primitive) {
    let (meta, _) = ResourceMeta::read(id, primitive, &config.rsc_defaults);
    if meta.requires == Requires::Quorum && Properties::read(&config.properties).0.stonith_enabled {
        let what = "it may run twice: with requires=quorum or nothing it does not wait until a lost node is proven off";
        report.warning(id, what, "leave requires out, unless two of it at once do no harm");
    }
    let monitor = primitive.operation("monitor", &config.op_defaults);
    if monitor.interval.is_zero() {
        let mend = "add `op monitor interval=10s`";
        report.warning(id, "nobody watches whether it works: it has no recurring monitor", mend);
    }
}

fn unit(config: &Config, report: &mut Report, id: &ResourceId, primitive: &Primitive) {
    if let Some(name) = primitive.params.keys().next() {
        let mend = "leave params out, and write what the unit needs into the unit";
        report.error(id, format!("a unit of systemd takes no parameters, and '{name}' is one"), mend);
    }
    let is_same = |other: &Primitive| {
        other.agent.class == AgentClass::Systemd
            && full_unit_name(&other.agent.kind) == full_unit_name(&primitive.agent.kind)
    };
    // Each pair is told once.
    if let Some((first, _)) =
        config.primitives.iter().find(|(_, other)| is_same(other)).filter(|(first, _)| *first != id)
    {
        let what = format!("'{first}' is the same unit: each takes what the other runs for its own");
        report.warning(id, what, "keep one of them");
    }
    if primitive.clone_spec().is_some_and(|spec| spec.notify) {
        report.warning(id, "notify=true has no effect: a unit of systemd cannot be told anything", "leave it out");
    }
    if config.shorthand.promoted_together(id).is_some() {
        report.error(id, "a unit of systemd cannot be promoted", "leave promotable out");
    }
}

fn vm(report: &mut Report, id: &ResourceId, primitive: &Primitive) {
    let is_less = |requires: &String| !["fencing", "unfencing"].contains(&requires.to_ascii_lowercase().as_str());
    if primitive.meta.get("requires").is_some_and(is_less) {
        let what = "requires has no effect: a VM never starts before a node that may run it is proven off";
        report.warning(id, what, "leave it out");
    }
    if primitive.meta.get("multiple-active").is_some_and(|value| value.eq_ignore_ascii_case("block")) {
        let what = "multiple-active=block has no effect: of a VM that is found twice the copy that ran first is kept, for \
                    two would write its disk";
        report.warning(id, what, "leave it out, or write stop_only: both are stopped then");
    }
}
