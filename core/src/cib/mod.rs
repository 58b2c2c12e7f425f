//! Reads a Pacemaker CIB, configuration and status, into the scheduler's `Model`. Pure.
//!
//! The format is Pacemaker's own (its `pacemaker-3.*` and `4.*` schemas); option and role names of older releases are
//! taken as well. What is not understood is refused with its line and column, all mistakes at once.

mod attributes;
mod bundle;
mod constraint;
mod container;
mod digest;
mod dom;
mod failure;
mod history;
mod instance;
mod lock;
mod migration;
mod node;
mod operation;
mod option;
mod remote;
mod resource;
mod rule;
mod schema;
mod set;
mod status;
mod ticket;
mod value;

pub(crate) use rule::fields;
pub(crate) use value::score;
pub use value::{moment, usual};

use crate::scheduler::{Model, NodeIx, RscIx};
use roxmltree::Document;
use status::History;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

/// Where and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
    /// What, and how to mend it.
    pub text: String,
}

/// A CIB that cannot be planned with, and all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CibError {
    /// In the file's order.
    pub problems: Vec<Problem>,
}

impl fmt::Display for CibError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            let end = if place == 0 { "" } else { "\n" };
            write!(f, "{end}line {}, column {}: {}", problem.line, problem.column, problem.text)?;
        }
        Ok(())
    }
}

/// One element of the CIB.
type Element<'a> = roxmltree::Node<'a, 'a>;

/// What is known while a CIB is read.
struct Reader<'a> {
    root: Element<'a>,
    model: Model,
    /// Elements that others refer to by `id-ref`.
    ids: BTreeMap<&'a str, Element<'a>>,
    nodes: BTreeMap<String, NodeIx>,
    resources: BTreeMap<String, RscIx>,
    /// Meta attributes and operations by resource, as they hold for it.
    meta: BTreeMap<RscIx, BTreeMap<String, String>>,
    params: BTreeMap<RscIx, BTreeMap<String, String>>,
    /// Cluster properties, as they are given.
    options: BTreeMap<String, String>,
    /// `<tag>`: names for several things.
    tags: BTreeMap<String, Vec<String>>,
    problems: Vec<Problem>,
    /// The recorded operations, in the file's order.
    histories: Rc<[History<'a>]>,
    /// Which of them are of a node.
    histories_on: BTreeMap<NodeIx, Vec<usize>>,
}

/// Reads a CIB as it was at `at`, seconds since 1970; without it, at the time the file itself names, else at `clock`.
///
/// # Errors
/// What is no CIB, or refers to what is not there.
pub fn read(text: &str, at: Option<i64>, clock: i64) -> Result<Model, CibError> {
    let document = Document::parse(text).map_err(|error| {
        let position = error.pos();
        let text = format!("this is no XML: {error}");
        CibError { problems: vec![Problem { line: position.row, column: position.col, text }] }
    })?;
    let root = document.root_element();
    let mut reader = Reader {
        root,
        model: Model::default(),
        ids: dom::referred(root),
        nodes: BTreeMap::new(),
        resources: BTreeMap::new(),
        meta: BTreeMap::new(),
        params: BTreeMap::new(),
        options: BTreeMap::new(),
        tags: BTreeMap::new(),
        problems: Vec::new(),
        histories: Rc::new([]),
        histories_on: BTreeMap::new(),
    };
    if let Some(problem) = depth(root) {
        reader.problems.push(problem);
    } else if root.has_tag_name("cib") {
        reader.all(at, clock);
    } else {
        reader.problem(root, format!("this is <{}>, and a CIB begins with <cib>", root.tag_name().name()));
    }
    reader.problems.sort_by_key(|problem| (problem.line, problem.column));
    if reader.problems.is_empty() { Ok(reader.model) } else { Err(CibError { problems: reader.problems }) }
}

/// Where elements stand so deep in each other that nobody may read them, checked or not.
pub(crate) fn depth(root: Element<'_>) -> Option<Problem> {
    let element = dom::too_deep(root)?;
    let place = element.document().text_pos_at(element.range().start);
    let text = format!("elements stand more than {} deep here: take some out", dom::DEEPEST);
    Some(Problem { line: place.row, column: place.col, text })
}

/// What has another form than a configuration has; nothing of one that nobody is to check (`validate-with="none"`).
pub(crate) fn faults(root: Element<'_>, configuration: Element<'_>) -> Vec<Problem> {
    let is_checked = root.attribute("validate-with").is_none_or(|schema| !schema.eq_ignore_ascii_case("none"));
    if is_checked { schema::faults(configuration) } else { Vec::new() }
}

impl<'a> Reader<'a> {
    fn all(&mut self, at: Option<i64>, clock: i64) {
        self.read_options(at, clock);
        self.read_nodes();
        self.read_node_states();
        self.read_tags();
        self.read_resources();
        self.find_histories();
        self.read_histories();
        self.read_constraints();
        self.read_health();
        self.read_failures();
        self.read_locks();
        self.model.asked = dom::asked(self.root);
        self.judge();
    }

    /// What has another form than a CIB has. Of what is told of one place already nothing more is said.
    fn judge(&mut self) {
        let told: BTreeSet<(u32, u32)> = self.problems.iter().map(|problem| (problem.line, problem.column)).collect();
        match self.section(&["configuration"]) {
            Some(configuration) => {
                let faults = faults(self.root, configuration).into_iter();
                self.problems.extend(faults.filter(|problem| !told.contains(&(problem.line, problem.column))));
            }
            None => {
                self.problem(self.root, "this CIB has no <configuration>: `cibadmin --query` prints a whole one".into())
            }
        }
        for name in ["have-quorum", "no-quorum-panic"] {
            if let Some(text) = self.root.attribute(name).filter(|text| value::boolean(text).is_none()) {
                self.problem(self.root, format!("{name}={text:?}: write 1 or 0"));
            }
        }
    }

    /// An element below `<configuration>` or `<status>`, by its path.
    fn section(&self, path: &[&str]) -> Option<Element<'a>> {
        path.iter().try_fold(self.root, |at, name| at.children().find(|child| child.has_tag_name(*name)))
    }

    fn problem(&mut self, at: Element<'_>, text: String) {
        let place = at.document().text_pos_at(at.range().start);
        self.problems.push(Problem { line: place.row, column: place.col, text });
    }
}
