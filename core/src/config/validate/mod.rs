//! Is a configuration consistent? All problems at once, never only the first.
//!
//! Errors keep a configuration out; warnings name what is accepted and may surprise. Whether a node's name is one of a
//! member, and what can run on none of them, is for who knows the members to ask, with `of_members`: they need not be
//! configured.

mod contradiction;
mod device;
mod meaning;
mod ocf;
mod reference;
mod role;
mod ruled;
mod unique;
mod vm;
mod wide;

pub(crate) use ruled::{faults, meaning};
pub use vm::one_disk;

use super::Config;
use super::shorthand::whole;
use crate::id::NodeId;
use std::collections::BTreeSet;
use std::fmt;

/// What may surprise once these are the members: nodes that are none of them, fence levels that do not fit them, and resources
/// that can run on none of them.
pub fn of_members(config: &Config, members: &BTreeSet<NodeId>) -> Vec<Problem> {
    let written = config.without_instances();
    let config = written.as_ref().unwrap_or(config);
    let mut problems = reference::unknown_nodes(config, members);
    problems.extend(device::levels_of_members(config, members));
    problems.extend(contradiction::nowhere(config, members));
    problems
}

/// Of these members those that no fence device is for; one that the configuration names is told of by [`validate`].
pub fn without_device(config: &Config, members: &BTreeSet<NodeId>) -> Vec<Problem> {
    device::without_device(config, members.iter().filter(|member| !config.nodes.contains_key(*member)))
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The id of the object, or its keyword where there is one of it.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)?;
        match self.mend.as_str() {
            "" => Ok(()),
            mend => write!(f, "\n  hint: {mend}"),
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What keeps the configuration out.
    pub errors: Vec<Problem>,
    /// What is accepted and may surprise.
    pub warnings: Vec<Problem>,
}

impl Report {
    /// Whether the configuration may be committed.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    fn error(&mut self, object: impl fmt::Display, what: impl Into<String>, mend: impl Into<String>) {
        self.errors.push(problem(object, what, mend));
    }

    fn warning(&mut self, object: impl fmt::Display, what: impl Into<String>, mend: impl Into<String>) {
        self.warnings.push(problem(object, what, mend));
    }
}

fn problem(object: impl fmt::Display, what: impl Into<String>, mend: impl Into<String>) -> Problem {
    // Of what stands for more than itself people know the whole.
    Problem { object: whole(&object.to_string()).to_owned(), what: what.into(), mend: mend.into() }
}

/// Every problem of a configuration.
pub fn validate(config: &Config) -> Report {
    let mut report = Report::default();
    unique::check(config, &mut report);
    let written = config.without_instances();
    let config = written.as_ref().unwrap_or(config);
    meaning::check(config, &mut report);
    reference::check(config, &mut report);
    wide::check(config, &mut report);
    ruled::check(config, &mut report);
    device::check(config, &mut report);
    vm::check(config, &mut report);
    ocf::check(config, &mut report);
    role::check(config, &mut report);
    contradiction::check(config, &mut report);
    report
}

/// The candidate nearest to a misspelt name, where one is near enough to be meant.
pub fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let name = name.to_ascii_lowercase();
    let distance =
        |candidate: &&'c str| (strsim::damerau_levenshtein(&name, &candidate.to_ascii_lowercase()), *candidate);
    // One slip in three characters: more, and it is another word.
    let is_near = |(distance, candidate): &(usize, &str)| *distance * 3 <= candidate.chars().count().max(3);
    let near = candidates.iter().map(distance).filter(is_near).min()?;
    Some(near.1)
}
