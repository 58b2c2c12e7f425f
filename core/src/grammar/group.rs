//! `modgroup` and `monitor`: statements that change part of an object.

use super::apply::unknown;
use super::error::EditError;
use super::statement::GroupChange;
use crate::config::{Attributes, Config, Operation};
use crate::id::ResourceId;

/// `modgroup GROUP …`
pub(super) fn modify(
    config: &mut Config,
    line: u32,
    name: &str,
    member: &ResourceId,
    change: &GroupChange,
) -> Result<(), EditError> {
    let Some(group) = config.shorthand.groups.get_mut(name) else {
        return Err(match super::reference::find(config, name) {
            None => unknown(config, line, name),
            Some(key) => EditError::new(line, format!("'{name}' is a {}, not a group", key.keyword()), "name a group"),
        });
    };
    if group.is_clone() {
        return Err(EditError::new(line, format!("'{name}' is a clone, not a group"), "name a group"));
    }
    let place = |wanted: &ResourceId| group.members.iter().position(|id| id == wanted);
    let missing = |other: &ResourceId| {
        EditError::new(line, format!("'{other}' is no member of '{name}'"), format!("`show {name}` lists its members"))
    };
    if *change == GroupChange::Remove {
        let at = place(member).ok_or_else(|| missing(member))?;
        if group.members.len() == 1 {
            let message = format!("'{member}' is the last member of '{name}'");
            return Err(EditError::new(line, message, format!("`delete {name}` takes the group out")));
        }
        group.members.remove(at);
        return Ok(());
    }
    if place(member).is_some() {
        let message = format!("'{member}' is in '{name}' already");
        return Err(EditError::new(line, message, format!("`modgroup {name} remove {member}` first, to move it")));
    }
    let at = match change {
        GroupChange::Before(other) => place(other).ok_or_else(|| missing(other))?,
        GroupChange::After(other) => place(other).ok_or_else(|| missing(other))? + 1,
        GroupChange::Append | GroupChange::Remove => group.members.len(),
    };
    group.members.insert(at, member.clone());
    Ok(())
}

/// `monitor RSC INTERVAL[:TIMEOUT]`
pub(super) fn monitor(
    config: &mut Config,
    line: u32,
    name: &str,
    interval: String,
    timeout: Option<String>,
) -> Result<(), EditError> {
    let Some(primitive) = config.written_mut(&ResourceId::from(name)) else {
        return Err(match super::reference::find(config, name) {
            None => unknown(config, line, name),
            Some(key) => {
                let message = format!("'{name}' is a {}, and only primitives are watched", key.keyword());
                EditError::new(line, message, "name a primitive")
            }
        });
    };
    if primitive.operations.iter().any(|operation| operation.name == "monitor") {
        let message = format!("'{name}' has a monitor already");
        return Err(EditError::new(line, message, format!("`set {name}.monitor.interval {interval}` changes it")));
    }
    let mut attributes = Attributes::from([("interval".to_owned(), interval)]);
    attributes.extend(timeout.map(|timeout| ("timeout".to_owned(), timeout)));
    primitive.operations.push(Operation { name: "monitor".to_owned(), attributes });
    Ok(())
}
