//! Rules on node attributes: what they say, and whether they hold. Pacemaker's meaning; `cib` compares by the same
//! words. What a rule is written as is `grammar`'s.

use crate::cib;
use crate::score::Score;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// `rule SCORE: TEST {and|or TEST}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// How much it is worth where it holds.
    pub score: RuleScore,
    /// Whether one of the tests is enough.
    pub any: bool,
    /// What it asks.
    pub tests: Vec<Test>,
}

/// What a rule is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleScore {
    /// The same everywhere.
    Number(Score),
    /// What this attribute of the node says.
    Attribute(String),
}

/// One question to an attribute of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Which.
    pub attribute: String,
    /// `eq`, `ne`, `lt`, `gt`, `lte`, `gte`, `defined` or `not_defined`.
    pub operation: String,
    /// As what both sides are compared: `string`, `number`, `integer`, `version`, or nothing.
    pub kind: String,
    /// With what; of `defined` and `not_defined` nothing.
    pub value: Option<String>,
}

/// Operations that compare with a value.
pub const COMPARISONS: &[&str] = &["eq", "ne", "lt", "gt", "lte", "gte"];
/// Operations that do not.
pub const PRESENCES: &[&str] = &["defined", "not_defined"];
/// What both sides may be compared as.
pub const KINDS: &[&str] = &["string", "number", "integer", "version"];

impl Rule {
    /// What it is worth on a node with these attributes; `None` where it does not hold.
    pub fn worth(&self, attributes: &BTreeMap<String, String>) -> Option<Score> {
        let mut tests = self.tests.iter().map(|one| {
            let actual = attributes.get(&one.attribute).map(String::as_str);
            test(actual, &one.operation, &one.kind, one.value.as_deref())
        });
        let holds = if self.any { tests.any(|holds| holds) } else { tests.all(|holds| holds) };
        holds.then(|| match &self.score {
            RuleScore::Number(score) => *score,
            RuleScore::Attribute(name) => attributes.get(name).map_or(Score::NEG_INFINITY, |text| cib::score(text)),
        })
    }
}

/// Whether a value is as a test wants it.
pub(crate) fn test(actual: Option<&str>, operation: &str, kind: &str, wanted: Option<&str>) -> bool {
    let ordering = || compare(actual?, wanted?, kind, operation);
    match operation {
        "defined" => actual.is_some(),
        "not_defined" => actual.is_none(),
        "eq" => ordering() == Some(Ordering::Equal),
        "ne" => ordering() != Some(Ordering::Equal),
        "lt" => ordering() == Some(Ordering::Less),
        "gt" => ordering() == Some(Ordering::Greater),
        "lte" => ordering().is_some_and(Ordering::is_le),
        "gte" => ordering().is_some_and(Ordering::is_ge),
        _ => false,
    }
}

/// As strings, unless the rule says numbers; without a type, order is by number where both are numbers.
fn compare(left: &str, right: &str, kind: &str, operation: &str) -> Option<Ordering> {
    let numbers = || {
        let read = |text: &str| text.trim().parse::<f64>().ok();
        read(left)?.partial_cmp(&read(right)?)
    };
    let words = || left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase());
    match kind {
        "number" => Some(numbers().unwrap_or_else(words)),
        "integer" => {
            let whole = |text: &str| text.trim().split('.').next()?.parse::<i64>().ok();
            Some(whole(left).zip(whole(right)).map_or_else(words, |(left, right)| left.cmp(&right)))
        }
        "version" => Some(versions(left, right)),
        "" if !matches!(operation, "eq" | "ne") => Some(numbers().unwrap_or_else(words)),
        _ => Some(words()),
    }
}

fn versions(left: &str, right: &str) -> Ordering {
    let fields = |text: &str| text.split('.').map(|field| field.parse().unwrap_or(0)).collect::<Vec<u64>>();
    fields(left).cmp(&fields(right))
}
