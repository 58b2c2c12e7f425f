//! What location constraints say of a resource on a node, by the ids that people gave them; and when time alone makes them say
//! something else.

use super::survey::Survey;
use crate::config::InRole;
use crate::config::shorthand::{Want, whole};
use crate::id::{NodeId, ResourceId};
use crate::rule::Rule;
use crate::score::Score;
use crate::state::ClusterState;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A rule that asks the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateRule {
    /// Of which constraint or attribute set: `location l1`.
    pub rule: String,
    /// Whether the time is as it wants it.
    pub holds: bool,
    /// When that changes next; absent: never again.
    pub changes: Option<Timestamp>,
}

impl DateRule {
    fn of(name: &str, rule: &Rule, now: Timestamp) -> Option<Self> {
        rule.dates().next()?;
        Some(Self { rule: name.to_owned(), holds: rule.is_in_time(now), changes: rule.next_change(now) })
    }
}

/// The rules that ask the time where a resource may run, and what its meta attributes are.
pub(super) fn date_rules(state: &ClusterState, resource: &ResourceId) -> Vec<DateRule> {
    let wide = &state.config.shorthand;
    let mut found = Vec::new();
    for id in wide.ruled.get(resource).into_iter().flatten() {
        let Some(Want::Rules(rules)) = wide.locations.get(id).map(|location| &location.want) else { continue };
        let name = format!("location {id}");
        found.extend(rules.iter().filter_map(|rule| DateRule::of(&name, rule, state.now)));
    }
    let primitive = state.config.primitives.get(resource);
    let own = primitive.into_iter().flat_map(|primitive| &primitive.ruled);
    let agent = primitive.map(|primitive| primitive.agent.facts()).unwrap_or_default();
    let own = own.map(|set| (format!("meta of {resource}"), set));
    for (name, set) in own.chain(state.config.rsc_rules.iter().map(|set| ("rsc_defaults".to_owned(), set))) {
        let names: Vec<&str> = set.pairs.keys().map(String::as_str).collect();
        let name = format!("{name} ({})", names.join(", "));
        let rule = set.rule.as_ref().filter(|rule| rule.may_concern(&agent));
        found.extend(rule.and_then(|rule| DateRule::of(&name, rule, state.now)));
    }
    found
}

/// When the first of all rules changes by time alone.
pub(super) fn next_date(state: &ClusterState) -> Option<Timestamp> {
    let config = &state.config;
    let locations = config.shorthand.locations.values().flat_map(|location| match &location.want {
        Want::Rules(rules) => rules.as_slice(),
        Want::Node(..) => &[],
    });
    let sets = config.primitives.values().flat_map(|primitive| &primitive.ruled).chain(&config.rsc_rules);
    let rules = locations.chain(sets.filter_map(|set| set.rule.as_ref()));
    rules.filter_map(|rule| rule.next_change(state.now)).min()
}

/// Every location that says something, whatever the role, and how much.
pub(super) fn locations<'s>(state: &'s Survey<'_>, resource: &ResourceId, node: &NodeId) -> Vec<(&'s str, Score)> {
    in_role(state, resource, node, None)
}

/// Every location that says something of where a promotable clone is promoted, and how much.
pub(super) fn promotion_locations<'s>(
    state: &'s Survey<'_>,
    resource: &ResourceId,
    node: &NodeId,
) -> Vec<(&'s str, Score)> {
    in_role(state, resource, node, Some(InRole::Promoted))
}

fn in_role<'s>(
    state: &'s Survey<'_>,
    resource: &ResourceId,
    node: &NodeId,
    role: Option<InRole>,
) -> Vec<(&'s str, Score)> {
    let plain = state.plain_locations(resource).iter().filter(|(_, it)| it.node == *node && it.role == role);
    let mut found: Vec<(&str, Score)> = plain.map(|(id, it)| (whole(id), it.score)).collect();
    let wide = &state.config.shorthand;
    let Some(ruled) = wide.ruled.get(resource) else { return found };
    let attributes = state.attributes_of(node);
    for id in ruled {
        let Some((id, location)) = wide.locations.get_key_value(id) else { continue };
        let Want::Rules(rules) = &location.want else { continue };
        let rules = rules.iter().filter(|rule| rule.role.or(location.role) == role);
        found.extend(rules.filter_map(|rule| Some((id.as_str(), rule.worth(&attributes, state.now)?))));
    }
    found
}
