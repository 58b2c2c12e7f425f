//! Attribute sets that hold only where or when a rule does, or that come before others by a score: how they come to one
//! value for each name. Whether a set may be there at all is `validate`'s to say.

use super::{Attributes, Primitive, ResourceMeta};
use crate::id::ResourceId;
use crate::rule::Rule;
use crate::score::Score;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// `[SCORE:] [rule EXPRESSION] NAME=VALUE…`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledSet {
    /// Of what it is a part.
    pub section: Section,
    /// Of several that name the same, the one with the highest counts; what is plain has 0, and comes last of those.
    pub score: Score,
    /// When or where it holds; absent: always.
    pub rule: Option<Rule>,
    /// What it says.
    pub pairs: Attributes,
}

/// What an attribute set may be part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Section {
    /// `params`
    Params,
    /// `meta`, and `rsc_defaults`
    Meta,
    /// `op_defaults`
    Operation,
}

impl Section {
    /// Its word in the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Meta => "meta",
            Self::Operation => "op_defaults",
        }
    }
}

/// What plain attributes and the sets of a section say together, on a node with these attributes at this time.
pub(super) fn merged<'a>(
    plain: &'a Attributes,
    sets: &[RuledSet],
    section: Section,
    node: &BTreeMap<String, String>,
    now: Timestamp,
) -> Cow<'a, Attributes> {
    let holds = |set: &&RuledSet| set.section == section && set.rule.as_ref().is_none_or(|rule| rule.holds(node, now));
    let mut sets: Vec<&RuledSet> = sets.iter().filter(holds).collect();
    if sets.is_empty() {
        return Cow::Borrowed(plain);
    }
    sets.sort_by_key(|set| Reverse(set.score));
    let (before, after): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| set.score >= Score::ZERO);
    let all = before.into_iter().map(|set| &set.pairs).chain([plain]).chain(after.into_iter().map(|set| &set.pairs));
    let mut found = Attributes::new();
    for (name, value) in all.flatten() {
        found.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Cow::Owned(found)
}

impl Primitive {
    /// As it is on a node with these attributes at this time: its parameters are plain.
    pub fn on(&self, node: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let params = merged(&self.params, &self.ruled, Section::Params, node, now).into_owned();
        let ruled = self.ruled.iter().filter(|set| set.section != Section::Params).cloned().collect();
        Self { params, ruled, ..self.clone() }
    }

    /// Every parameter that it may have anywhere, each with one of its values: for who asks what is said at all.
    pub fn with_all_params(&self) -> Self {
        let mut all = self.clone();
        let sets = self.ruled.iter().filter(|set| set.section == Section::Params);
        for (name, value) in sets.flat_map(|set| &set.pairs) {
            all.params.entry(name.clone()).or_insert_with(|| value.clone());
        }
        all
    }
}

impl ResourceMeta {
    /// Reads a primitive's meta attributes over the defaults, as they are at this time.
    pub fn at(
        id: &ResourceId,
        primitive: &Primitive,
        (defaults, ruled_defaults): (&Attributes, &[RuledSet]),
        now: Timestamp,
    ) -> Self {
        // What a meta attribute is may not depend on a node: where it would be asked is what it decides.
        let nowhere = BTreeMap::new();
        let mut meta = Self::default();
        // Defaults may ask what runs it.
        let agent = if ruled_defaults.is_empty() { BTreeMap::new() } else { primitive.agent.facts() };
        meta.overlay(id, &merged(defaults, ruled_defaults, Section::Meta, &agent, now));
        meta.overlay(id, &merged(&primitive.meta, &primitive.ruled, Section::Meta, &nowhere, now));
        meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar;

    #[test]
    fn the_highest_score_counts_and_what_is_plain_comes_last_of_its_own() {
        let config = grammar::read(
            "primitive r ocf:a:b params x=plain y=plain z=plain params 3: rule #uname eq n1 x=three \
             params rule #uname eq n1 y=none params 5: y=five params -1: z=less w=less\n",
            &mut |_| Err(String::new()),
        );
        let config = config.expect("it is valid");
        let primitive = &config.primitives[&ResourceId::from("r")];
        let check = |node: &str, wanted: &str| {
            let node = BTreeMap::from([("#uname".to_owned(), node.to_owned())]);
            let on = primitive.on(&node, Timestamp(0));
            let said: Vec<String> = on.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(said.join(" "), wanted);
            assert!(on.ruled.is_empty());
        };
        check("n1", "w=less x=three y=five z=plain");
        check("n2", "w=less x=plain y=five z=plain");
    }
}
