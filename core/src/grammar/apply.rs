//! Carries statements out on a configuration: all of them or none.

use super::error::EditError;
use super::group::{modify, monitor};
use super::print::{Key, keys};
use super::reference::{find, referrers, remove, remove_mention, rename_mentions};
use super::set::{set, unset};
use super::statement::{Object, Statement, Verb};
use crate::config::validate::nearest;
use crate::config::{Config, LevelTarget, RuledSet};
use crate::id::ResourceId;
use std::collections::BTreeMap;

/// What becomes of objects that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Defining one again is refused.
    Add,
    /// Everything goes first.
    Replace,
    /// One that is defined again is as it says now; the others stay.
    Update,
}

/// Carries statements out in their order; nothing is changed when one is refused. Properties and defaults are set
/// over what is there, and a row of `fencing_topology` replaces that of the same nodes, in every mode.
///
/// # Errors
/// Every statement that cannot be carried out. That references lead somewhere is `config::validate`'s to see.
pub fn apply_statements(config: &mut Config, statements: Vec<Statement>, mode: Mode) -> Result<(), Vec<EditError>> {
    let mut edit = Edit {
        config: if mode == Mode::Replace { Config::default() } else { config.clone() },
        mode,
        defined: BTreeMap::new(),
        errors: Vec::new(),
    };
    for statement in statements {
        edit.carry_out(statement);
    }
    if !edit.errors.is_empty() {
        return Err(edit.errors);
    }
    edit.config.expand();
    *config = edit.config;
    Ok(())
}

struct Edit {
    config: Config,
    mode: Mode,
    /// Ids that these statements defined, and on which line.
    defined: BTreeMap<String, u32>,
    errors: Vec<EditError>,
}

impl Edit {
    fn carry_out(&mut self, Statement { line, verb }: Statement) {
        let done = match verb {
            Verb::Define(object) => self.define(line, object),
            Verb::Delete { ids, force } => {
                self.delete(line, &ids, force);
                Ok(())
            }
            Verb::Set { path, value } => set(&mut self.config, line, &path, value),
            Verb::ModGroup { group, member, change } => modify(&mut self.config, line, &group, &member, &change),
            Verb::Monitor { resource, interval, timeout } => {
                monitor(&mut self.config, line, &resource, interval, timeout)
            }
            Verb::Rename { from, to } => self.rename(line, &from, &to),
        };
        self.errors.extend(done.err());
    }

    fn define(&mut self, line: u32, object: Object) -> Result<(), EditError> {
        if let Some(key) = key(&object) {
            self.may_define(line, &key)?;
            self.defined.insert(key.id().to_owned(), line);
            // Of its kind it may have had the other form.
            remove(&mut self.config, &key);
        }
        let config = &mut self.config;
        match object {
            Object::Node(id, node) => _ = config.nodes.insert(id, node),
            Object::Primitive(id, own) => {
                config.primitives.insert(id.clone(), own.primitive.clone());
                if own.template.is_some() {
                    config.shorthand.own.insert(id, own);
                }
            }
            Object::Template(id, template) => _ = config.shorthand.templates.insert(id, template),
            Object::Group(id, group) | Object::Clone(id, group) => _ = config.shorthand.groups.insert(id, group),
            Object::Tag(id, members) => _ = config.shorthand.tags.insert(id, members),
            Object::WideLocation(id, it) => _ = config.shorthand.locations.insert(id, it),
            Object::WideColocation(id, it) => _ = config.shorthand.colocations.insert(id, it),
            Object::WideOrder(id, it) => _ = config.shorthand.orders.insert(id, it),
            Object::Location(id, location) => _ = config.locations.insert(id, location),
            Object::Colocation(id, colocation) => _ = config.colocations.insert(id, colocation),
            Object::Order(id, order) => _ = config.orders.insert(id, order),
            Object::Ticket(id, ticket) => _ = config.shorthand.tickets.insert(id, ticket),
            Object::FencingTopology(rows) => {
                let replaced = |target: &LevelTarget| rows.iter().any(|row| row.target == *target);
                config.fencing_topology.retain(|row| !replaced(&row.target));
                config.fencing_topology.extend(rows);
                config.fencing_topology.sort_by(|a, b| a.target.cmp(&b.target));
            }
            Object::Property(pairs) => config.properties.extend(pairs),
            Object::RscDefaults(pairs, ruled) => {
                config.rsc_defaults.extend(pairs);
                ruled.into_iter().for_each(|set| define_rule(&mut config.rsc_rules, set));
            }
            Object::OpDefaults(pairs, ruled) => {
                config.op_defaults.extend(pairs);
                ruled.into_iter().for_each(|set| define_rule(&mut config.op_rules, set));
            }
        }
        Ok(())
    }

    fn may_define(&self, line: u32, key: &Key) -> Result<(), EditError> {
        let id = key.id();
        if let Some(earlier) = self.defined.get(id) {
            let message = format!("'{id}' was defined on line {earlier} already");
            return Err(EditError::new(line, message, "keep one, or choose another id"));
        }
        match find(&self.config, id) {
            None => Ok(()),
            Some(other) if other != *key => {
                let message = format!("'{id}' is a {} already", other.keyword());
                Err(EditError::new(line, message, "choose another id"))
            }
            Some(_) if self.mode == Mode::Update => Ok(()),
            Some(_) => {
                let message = format!("{} '{id}' exists already", key.keyword());
                let hint = format!("change it with `set {id}.NAME VALUE` or `load update`, or delete it first");
                Err(EditError::new(line, message, hint))
            }
        }
    }

    fn delete(&mut self, line: u32, ids: &[String], force: bool) {
        let mut gone = Vec::new();
        for id in ids {
            match find(&self.config, id) {
                Some(key) => gone.push(key),
                None if id.contains('.') => self.errors.extend(unset(&mut self.config, line, id).err()),
                None => self.errors.push(unknown(&self.config, line, id)),
            }
        }
        for key in &gone {
            if matches!(key, Key::Primitive(_) | Key::Group(_) | Key::Clone(_) | Key::Template(_) | Key::Tag(_)) {
                let referrers = referrers(&self.config, key.id()).into_iter();
                let left: Vec<Key> = referrers.filter(|referrer| !gone.contains(referrer)).collect();
                let needs = |referrer: &Key| matches!((key, referrer), (Key::Template(_), Key::Primitive(_)));
                if let Some(made) = left.iter().find(|referrer| needs(referrer)) {
                    let message = format!("'{}' is the template of '{}'", key.id(), made.id());
                    let hint = format!("write what it says into '{}' first, or delete both", made.id());
                    self.errors.push(EditError::new(line, message, hint));
                    continue;
                }
                if force {
                    self.cascade(key.id(), &left);
                } else if !left.is_empty() {
                    self.errors.push(still_used(line, key.id(), &left));
                    continue;
                }
            }
            remove(&mut self.config, key);
            self.defined.remove(key.id());
        }
    }

    /// What names it loses the name, or goes where it is nothing without it, and so on.
    fn cascade(&mut self, name: &str, referrers: &[Key]) {
        for referrer in referrers {
            if remove_mention(&mut self.config, referrer, name) {
                let further = super::reference::referrers(&self.config, referrer.id());
                remove(&mut self.config, referrer);
                if matches!(referrer, Key::Group(_) | Key::Clone(_) | Key::Tag(_)) {
                    self.cascade(referrer.id(), &further);
                }
            }
        }
    }

    fn rename(&mut self, line: u32, from: &str, to: &str) -> Result<(), EditError> {
        let config = &mut self.config;
        let key = find(config, from).ok_or_else(|| unknown(config, line, from))?;
        if let Some(other) = find(config, to) {
            let message = format!("'{to}' is a {} already", other.keyword());
            return Err(EditError::new(line, message, "choose another id"));
        }
        match key {
            Key::Primitive(id) => {
                let to = ResourceId::new(to);
                if let Some(primitive) = config.primitives.remove(&id) {
                    config.primitives.insert(to.clone(), primitive);
                }
                if let Some(own) = config.shorthand.own.remove(&id) {
                    config.shorthand.own.insert(to, own);
                }
            }
            Key::Template(id) => move_entry(&mut config.shorthand.templates, &id, to),
            Key::Group(id) | Key::Clone(id) => move_entry(&mut config.shorthand.groups, &id, to),
            Key::Tag(id) => move_entry(&mut config.shorthand.tags, &id, to),
            Key::Location(id) => {
                move_entry(&mut config.locations, &id, to);
                move_entry(&mut config.shorthand.locations, &id, to);
            }
            Key::Colocation(id) => {
                move_entry(&mut config.colocations, &id, to);
                move_entry(&mut config.shorthand.colocations, &id, to);
            }
            Key::Order(id) => {
                move_entry(&mut config.orders, &id, to);
                move_entry(&mut config.shorthand.orders, &id, to);
            }
            Key::Ticket(id) => move_entry(&mut config.shorthand.tickets, &id, to),
            Key::Node(_) => {
                let message = format!("'{from}' is a node, and a node's name is the one it joined with");
                return Err(EditError::new(line, message, "remove the node and join it under the other name"));
            }
            single => {
                let message = format!("there is one {}, and it cannot be renamed", single.keyword());
                return Err(EditError::new(line, message, "rename resources and constraints"));
            }
        }
        rename_mentions(config, from, to);
        Ok(())
    }
}

/// A set with the same rule and score is as it says now.
fn define_rule(sets: &mut Vec<RuledSet>, set: RuledSet) {
    match sets.iter_mut().find(|known| known.rule == set.rule && known.score == set.score) {
        Some(known) => known.pairs.extend(set.pairs),
        None => sets.push(set),
    }
}

fn move_entry<V>(map: &mut BTreeMap<String, V>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}

fn key(object: &Object) -> Option<Key> {
    match object {
        Object::Node(id, _) => Some(Key::Node(id.clone())),
        Object::Primitive(id, _) => Some(Key::Primitive(id.clone())),
        Object::Template(id, _) => Some(Key::Template(id.clone())),
        Object::Group(id, _) => Some(Key::Group(id.clone())),
        Object::Clone(id, _) => Some(Key::Clone(id.clone())),
        Object::Tag(id, _) => Some(Key::Tag(id.clone())),
        Object::Location(id, _) | Object::WideLocation(id, _) => Some(Key::Location(id.clone())),
        Object::Colocation(id, _) | Object::WideColocation(id, _) => Some(Key::Colocation(id.clone())),
        Object::Order(id, _) | Object::WideOrder(id, _) => Some(Key::Order(id.clone())),
        Object::Ticket(id, _) => Some(Key::Ticket(id.clone())),
        Object::FencingTopology(_) | Object::Property(_) | Object::RscDefaults(..) | Object::OpDefaults(..) => None,
    }
}

fn still_used(line: u32, id: &str, referrers: &[Key]) -> EditError {
    let name = |key: &Key| match key {
        Key::FencingTopology => key.keyword().to_owned(),
        key => format!("{} '{}'", key.keyword(), key.id()),
    };
    let names: Vec<String> = referrers.iter().map(name).collect();
    EditError::new(
        line,
        format!("'{id}' is used by {}", names.join(", ")),
        format!("delete these first, or with it: `delete --force {id}`"),
    )
}

/// Nothing has this id.
pub(super) fn unknown(config: &Config, line: u32, id: &str) -> EditError {
    let keys = keys(config);
    let ids: Vec<&str> = keys.iter().map(Key::id).collect();
    let hint = match nearest(id, &ids) {
        Some(near) => format!("did you mean '{near}'?"),
        None => "`show` lists what there is".to_owned(),
    };
    EditError::new(line, format!("there is no '{id}'"), hint)
}
