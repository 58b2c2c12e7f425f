//! OCF resources, as far as this can be said without their agents: what those take, only their meta-data tells.

use super::Report;
use crate::config::{AgentClass, Config, Primitive, Properties, Requires, ResourceMeta};
use crate::id::ResourceId;

pub(super) fn check(config: &Config, report: &mut Report) {
    for (id, primitive) in &config.primitives {
        match primitive.agent.class {
            AgentClass::Ocf => resource(config, report, id, primitive),
            AgentClass::Vm => vm(report, id, primitive),
            AgentClass::Stonith => {}
        }
    }
}

fn resource(config: &Config, report: &mut Report, id: &ResourceId, primitive: &Primitive) {
    let (meta, _) = ResourceMeta::read(id, primitive, &config.rsc_defaults);
    if meta.requires != Requires::Fencing && Properties::read(&config.properties).0.stonith_enabled {
        let what = "it may run twice: with requires=quorum or nothing it does not wait until a lost node is proven off";
        report.warning(id, what, "leave requires out, unless two of it at once do no harm");
    }
    let monitor = primitive.operation("monitor", &config.op_defaults);
    if monitor.interval.is_zero() {
        let mend = "add `op monitor interval=10s`";
        report.warning(id, "nobody watches whether it works: it has no recurring monitor", mend);
    }
}

fn vm(report: &mut Report, id: &ResourceId, primitive: &Primitive) {
    if primitive.meta.get("requires").is_some_and(|requires| !requires.eq_ignore_ascii_case("fencing")) {
        let what = "requires has no effect: a VM never starts before a node that may run it is proven off";
        report.warning(id, what, "leave it out");
    }
}
