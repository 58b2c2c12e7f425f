//! Turns the configuration of a Pacemaker CIB into ours, and tells of all that it could not take.
//!
//! Nothing is lost silently: every element and attribute that is read is marked as taken, and what is left unmarked
//! at the end is told by itself. Nothing here judges what the live cluster can do: that is `config`'s reading of each
//! value, and `config::validate`. Files are read by the caller.

mod check;
mod constraint;
mod fencing;
mod node;
mod operation;
mod options;
mod primitive;
mod resource;
mod rule;
mod set;
mod take;
mod ticket;
mod told;
mod vm;

pub use told::{Fate, Told};

use crate::cib::{self, CibError, Problem};
use crate::config::Config;
use crate::id::{NodeId, ResourceId};
use crate::state::Intent;
use roxmltree::Document;
use std::collections::{BTreeMap, BTreeSet};

/// One element of the CIB.
type Element<'a> = roxmltree::Node<'a, 'a>;

/// Gives the content of a file that the CIB names, or says why there is none.
pub type Bring<'b> = &'b mut dyn FnMut(&str) -> Result<String, String>;

/// What came of a CIB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The configuration in the grammar's words; `xml=@FILE` stands for each file that is still to be brought.
    pub text: String,
    /// What was not taken, or not as it was, in the file's order.
    pub told: Vec<Told>,
    /// Files that the text names and that were not there.
    pub missing: Vec<String>,
    /// Nodes that are to be taken out of service, and how: that is said to a member, and is no configuration.
    pub intents: Vec<(NodeId, Intent)>,
    /// Tickets that the site holds by the CIB's status, and whether each is on standby: that is said to a member, too.
    pub tickets: Vec<(String, bool)>,
}

struct Import<'a, 'b> {
    root: Element<'a>,
    bring: Bring<'b>,
    /// Everything in the configuration that has an id.
    ids: BTreeMap<&'a str, Element<'a>>,
    /// Which attributes of which elements were read; the element itself under no name.
    taken: BTreeSet<(usize, &'a str)>,
    told: Vec<Told>,
    /// Blocks of attributes that were taken with their rules.
    ruled: BTreeSet<usize>,
    config: Config,
    intents: Vec<(NodeId, Intent)>,
    /// The files of VMs that were not there.
    missing: BTreeMap<ResourceId, String>,
}

/// Reads a CIB's configuration.
///
/// # Errors
/// What is no CIB, and what has not the form of one: the same that `cib::read` refuses.
pub fn import(text: &str, bring: Bring<'_>) -> Result<Imported, CibError> {
    let refuse = |line, column, text| CibError { problems: vec![Problem { line, column, text }] };
    let document = Document::parse(text).map_err(|error| {
        let position = error.pos();
        refuse(position.row, position.col, format!("this is no XML: {error}"))
    })?;
    let root = document.root_element();
    let found = match root.tag_name().name() {
        "configuration" => Some(root),
        "cib" => root.children().find(|child| child.has_tag_name("configuration")),
        _ => None,
    };
    let Some(root) = found else {
        let place = document.text_pos_at(root.range().start);
        let name = root.tag_name().name();
        let text = format!("this is <{name}> without a <configuration>; `cibadmin --query` prints a whole CIB");
        return Err(refuse(place.row, place.col, text));
    };
    let whole = document.root_element();
    let problems = cib::depth(whole).map_or_else(|| cib::faults(whole, root), |problem| vec![problem]);
    if !problems.is_empty() {
        return Err(CibError { problems });
    }
    let ids = root.descendants().filter(|at| !at.has_tag_name("obj_ref") && !at.has_tag_name("resource_ref"));
    let mut import = Import {
        root,
        bring,
        ids: ids.filter_map(|at| Some((at.attribute("id")?, at))).collect(),
        taken: BTreeSet::new(),
        told: Vec::new(),
        ruled: BTreeSet::new(),
        config: Config::default(),
        intents: Vec::new(),
        missing: BTreeMap::new(),
    };
    import.all();
    let tickets = ticket::held(document.root_element());
    Ok(Imported { tickets, ..import.finish() })
}

impl Import<'_, '_> {
    fn all(&mut self) {
        self.see(self.root);
        for section in self.root.children().filter(roxmltree::Node::is_element) {
            self.see(section);
            match section.tag_name().name() {
                "crm_config" => self.properties(section),
                "rsc_defaults" => self.rsc_defaults(section),
                "op_defaults" => self.op_defaults(section),
                "nodes" => self.nodes(section),
                "resources" => self.resources(section),
                "fencing-topology" => self.fencing_topology(section),
                // Read once all resources are.
                "constraints" | "tags" => {}
                "alerts" => {
                    self.lose_each(section, "nobody is alerted here", "`qrm events --follow` tells what happens")
                }
                "acls" => self.lose_each(
                    section,
                    "who may do what is said by certificates here",
                    "see `qrm cluster certificate`",
                ),
                _ => _ = self.taken.remove(&(section.id().get_usize(), "")),
            }
        }
        for section in self.root.children().filter(|child| child.has_tag_name("tags")) {
            self.tags(section);
        }
        for section in self.root.children().filter(|child| child.has_tag_name("constraints")) {
            self.constraints(section);
        }
        self.check();
        self.tell_leftovers();
    }

    fn finish(self) -> Imported {
        let mut text = crate::grammar::print(&self.config);
        for file in self.missing.values() {
            text = text.replace(&format!("\"{}\"", vm::stand_in(file)), &format!("@{file}"));
        }
        let mut told = self.told;
        told.sort_by_key(|one| (one.fate, one.line));
        let missing = self.missing.into_values().collect();
        Imported { text, told, missing, intents: self.intents, tickets: Vec::new() }
    }
}
