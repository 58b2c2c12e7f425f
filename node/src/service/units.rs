//! Units of systemd in a configuration before it is entered: on which nodes are there such units, and would a host start
//! them by itself? Every member that is reached says so of its own host.

use super::edit::OcfResource;
use super::ocf::{hasty, lines, problem};
use crate::daemon::cluster::Cluster;
use futures::future::join_all;
use quorate_agents::systemd::describe::{UnitFacts, metadata};
use quorate_api::{Fault, Reason};
use quorate_core::config::validate::nearest;
use quorate_core::config::{AgentClass, Attributes, full_unit_name};
use quorate_core::id::NodeId;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a member is asked by its peers.
pub const UNIT_CALL: &str = "unit";
/// A host that takes longer to say what units it has is not waited for.
const PATIENCE: Duration = Duration::from_secs(6);

/// What one host says of a unit.
type Said = Result<UnitFacts, String>;

/// Answers a peer: the unit's full name is asked for, and what is known of it here is told.
///
/// # Errors
/// When the question is not understood.
pub async fn answer(cluster: &Cluster, body: &[u8]) -> Result<Vec<u8>, String> {
    let unit: String = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let said: Said = cluster.systemd.facts(&unit).await;
    serde_json::to_vec(&said).map_err(|error| error.to_string())
}

/// What every host that can be units' says of one, this one first.
async fn asked(cluster: &Cluster, unit: &str) -> Vec<(String, Said)> {
    let members = cluster.state(|state| {
        let hosts = state.members.values().filter(|member| !state.is_witness(&member.name));
        hosts.map(|member| (member.name.clone(), member.raft_id.0)).collect::<Vec<_>>()
    });
    let ask = |(name, raft_id): (NodeId, u64)| async move {
        if name == cluster.me.node {
            return (name.to_string(), cluster.systemd.facts(unit).await);
        }
        let body = serde_json::to_vec(unit).unwrap_or_default();
        let answer = cluster.replica.call(raft_id, UNIT_CALL, body, PATIENCE).await;
        let said = match answer {
            Ok(body) => serde_json::from_slice::<Said>(&body).unwrap_or_else(|error| Err(error.to_string())),
            Err(error) => Err(error.to_string()),
        };
        (name.to_string(), said)
    };
    join_all(members.into_iter().map(ask)).await
}

/// Warnings about units that are new or changed.
///
/// # Errors
/// When there is no such unit on any host, or it is another resource already, unless that is forced.
pub(super) async fn check(
    cluster: &Cluster,
    resources: &[OcfResource],
    op_defaults: &Attributes,
    force: bool,
) -> Result<Vec<String>, Fault> {
    let (mut refused, mut warnings) = (Vec::new(), Vec::new());
    let all = || resources.iter().filter(|it| it.primitive.agent.class == AgentClass::Systemd);
    for resource in all().filter(|it| it.is_changed) {
        let unit = full_unit_name(&resource.primitive.agent.kind);
        let is_twin = |it: &&OcfResource| it.id != resource.id && full_unit_name(&it.primitive.agent.kind) == unit;
        // Of a pair that is new each would be told of the other; where it is forced the configuration's own warning says it.
        let twin = all().find(is_twin).filter(|twin| !force && (!twin.is_changed || twin.id < resource.id));
        if let Some(twin) = twin {
            let what = format!("{} is the same unit: each would start, stop and count what the other runs", twin.id);
            refused.push(problem(resource, what, "keep one of them"));
        }
        let said = asked(cluster, &unit).await;
        let with = |fits: fn(&Said) -> bool| -> Vec<&str> {
            said.iter().filter(|(_, said)| fits(said)).map(|(name, _)| name.as_str()).collect()
        };
        let here = with(|said| said.as_ref().is_ok_and(|facts| facts.exists));
        let without = with(|said| said.as_ref().is_ok_and(|facts| !facts.exists));
        if here.is_empty() {
            let unasked = said.iter().filter_map(|(name, said)| Some(format!("{name}: {}", said.as_ref().err()?)));
            let unasked: BTreeSet<String> = unasked.collect();
            let mut what = format!("no node has a unit {unit}");
            if !unasked.is_empty() {
                what = format!(
                    "{what}, as far as nodes could be asked ({})",
                    unasked.into_iter().collect::<Vec<_>>().join("; ")
                );
            }
            let found = problem(resource, what, suggestion(cluster, &resource.primitive.agent.kind).await);
            if force { &mut warnings } else { &mut refused }.push(found);
            continue;
        }
        if !without.is_empty() {
            let what = format!("there is no unit {unit} on {}: it cannot run there", without.join(", "));
            warnings.push(problem(resource, what, "install it there, or write a location that keeps it away"));
        }
        for (name, why) in said.iter().filter_map(|(name, said)| Some((name, said.as_ref().ok()?.unfit.as_ref()?))) {
            warnings.push(problem(resource, format!("{name}: {why}"), "mend it there"));
        }
        let at_boot = with(|said| said.as_ref().is_ok_and(UnitFacts::starts_at_boot));
        if !at_boot.is_empty() {
            let what =
                format!("{unit} is started at boot by systemd itself on {}: it may run twice", at_boot.join(", "));
            warnings.push(problem(resource, what, format!("run `systemctl disable {unit}` there")));
        }
        let advice =
            said.iter().find_map(|(_, said)| metadata(&unit, said.as_ref().ok().filter(|facts| facts.exists)?));
        warnings.extend(advice.iter().flat_map(|advice| hasty(advice, resource, op_defaults)));
    }
    if !refused.is_empty() {
        return Err(Fault::new(Reason::Refused, lines(&refused))
            .hint("mend it, or say with --force that it is entered all the same"));
    }
    Ok(warnings.iter().map(ToString::to_string).collect())
}

/// The unit that was meant, where one is near.
async fn suggestion(cluster: &Cluster, kind: &str) -> String {
    let all = cluster.systemd.list().await.unwrap_or_default();
    match nearest(kind, &all.iter().map(String::as_str).collect::<Vec<_>>()) {
        Some(near) => format!("did you mean systemd:{near}?"),
        None => "`qrm ra list systemd` lists what is here".to_owned(),
    }
}
