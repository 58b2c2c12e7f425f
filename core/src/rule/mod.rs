//! Rules on node attributes and on dates: what they say, and whether they hold. Pacemaker's meaning; `cib` compares by
//! the same words. What a rule is written as is `grammar`'s.

pub mod date;

use crate::cib;
use crate::config::InRole;
use crate::grammar::duration;
use crate::score::Score;
use crate::time::Timestamp;
use date::When;
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
    /// Of a location: in which role it is worth that.
    pub role: Option<InRole>,
}

/// What a rule is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleScore {
    /// The same everywhere.
    Number(Score),
    /// What this attribute of the node says.
    Attribute(String),
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Test {
    /// To an attribute of a node.
    Attribute {
        /// Which.
        attribute: String,
        /// `eq`, `ne`, `lt`, `gt`, `lte`, `gte`, `defined` or `not_defined`.
        operation: String,
        /// As what both sides are compared: `string`, `number`, `integer`, `version`, or nothing.
        kind: String,
        /// With what; of `defined` and `not_defined` nothing.
        value: Option<String>,
    },
    /// To the time.
    Date(When),
    /// To what runs a resource; what is absent is any. Only defaults ask that.
    Agent {
        /// `ocf`, `vm` or `stonith`.
        class: Option<String>,
        /// Such as `heartbeat`.
        provider: Option<String>,
        /// Such as `IPaddr2`.
        kind: Option<String>,
    },
    /// To an operation. Only defaults of operations ask that.
    Operation {
        /// Its name.
        name: String,
        /// How often it is done; absent: however often.
        interval: Option<String>,
    },
}

/// What stands for an agent and an operation among the attributes that a rule is asked about; no node has such.
pub const CLASS: &str = "#agent:class";
/// Its provider.
pub const PROVIDER: &str = "#agent:provider";
/// Its type.
pub const KIND: &str = "#agent:type";
/// The name of an operation.
pub const OPERATION: &str = "#operation:name";
/// Its interval in milliseconds.
pub const INTERVAL: &str = "#operation:interval";

/// Operations that compare with a value.
pub const COMPARISONS: &[&str] = &["eq", "ne", "lt", "gt", "lte", "gte"];
/// Operations that do not.
pub const PRESENCES: &[&str] = &["defined", "not_defined"];
/// What both sides may be compared as.
pub const KINDS: &[&str] = &["string", "number", "integer", "version"];

/// So many changes of single tests are followed to find one of the whole rule.
const MOST_STEPS: usize = 64;

impl Rule {
    /// What it is worth on a node with these attributes at this time; `None` where it does not hold.
    pub fn worth(&self, attributes: &BTreeMap<String, String>, now: Timestamp) -> Option<Score> {
        self.holds(attributes, now).then(|| match &self.score {
            RuleScore::Number(score) => *score,
            RuleScore::Attribute(name) => attributes.get(name).map_or(Score::NEG_INFINITY, |text| cib::score(text)),
        })
    }

    /// Whether it holds for a node with these attributes at this time.
    pub fn holds(&self, attributes: &BTreeMap<String, String>, now: Timestamp) -> bool {
        let now = seconds(now);
        let mut tests = self.tests.iter().map(|one| match one {
            Test::Attribute { attribute, operation, kind, value } => {
                test(attributes.get(attribute).map(String::as_str), operation, kind, value.as_deref())
            }
            Test::Date(when) => when.holds(now),
            Test::Agent { .. } | Test::Operation { .. } => one.is_about(attributes),
        });
        if self.any { tests.any(|holds| holds) } else { tests.all(|holds| holds) }
    }

    /// What it asks the time, if anything.
    pub fn dates(&self) -> impl Iterator<Item = &When> {
        self.tests.iter().filter_map(|test| match test {
            Test::Date(when) => Some(when),
            _ => None,
        })
    }

    /// Whether the time is as it wants it; one that asks no time does not want it otherwise.
    pub fn is_in_time(&self, now: Timestamp) -> bool {
        self.are_dates_so(seconds(now))
    }

    /// Whether it may hold for this agent, whatever the time is.
    pub fn may_concern(&self, agent: &BTreeMap<String, String>) -> bool {
        self.any || self.tests.iter().all(|test| !matches!(test, Test::Agent { .. }) || test.is_about(agent))
    }

    fn are_dates_so(&self, now: i64) -> bool {
        let mut dates = self.dates().map(|when| when.holds(now)).peekable();
        if dates.peek().is_none() {
            return true;
        }
        if self.any { dates.any(|holds| holds) } else { dates.all(|holds| holds) }
    }

    /// When the time alone makes another rule of it, or when that has to be looked for again.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let first = seconds(now);
        let holds = self.are_dates_so(first);
        let mut at = first;
        for _ in 0..MOST_STEPS {
            at = self.dates().filter_map(|when| when.next_change(at)).min()?;
            if self.are_dates_so(at) != holds {
                break;
            }
        }
        Some(Timestamp(u64::try_from(at).ok()?.saturating_mul(1000)))
    }
}

impl Test {
    fn is_about(&self, facts: &BTreeMap<String, String>) -> bool {
        let is = |fact: &str, wanted: &Option<String>| wanted.is_none() || facts.get(fact) == wanted.as_ref();
        match self {
            Self::Agent { class, provider, kind } => is(CLASS, class) && is(PROVIDER, provider) && is(KIND, kind),
            Self::Operation { name, interval } => {
                let millis = |text: &String| duration(text).map(|interval| interval.as_millis().to_string());
                facts.get(OPERATION) == Some(name)
                    && interval.as_ref().is_none_or(|text| facts.get(INTERVAL) == millis(text).as_ref())
            }
            Self::Attribute { .. } | Self::Date(_) => false,
        }
    }
}

fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.0 / 1000).unwrap_or(i64::MAX)
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
