//! `location`, `colocation`, `order` and `fencing_topology`

use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::statement::Object;
use super::token::Word;
use super::{is_id, sets, wide};
use crate::config::{
    Colocation, FencingTopology, InRole, LevelTarget, LossPolicy, Order, OrderKind, OrderTask, TicketConstraint,
};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;

/// `location ID WHO (SCORE: NODE | rule …)`
pub(super) fn location(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let id = cursor.new_id("the constraint's id")?;
    wide::location(cursor, id)
}

/// `colocation ID SCORE: RSC WITH-RSC`
pub(super) fn colocation(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let id = cursor.new_id("the constraint's id")?;
    let score = cursor.score()?;
    if sets::is_of_sets(cursor) {
        return sets::colocation(cursor, id, score);
    }
    let (resource, role) = in_role(cursor, "the resource that follows")?;
    let (with, with_role) = in_role(cursor, "the resource it follows")?;
    if let Some(word) = cursor.peek() {
        let what = if word.text.starts_with("node-attribute=") {
            "'node-attribute' is"
        } else {
            return Err(cursor.unexpected(word));
        };
        return Err(SyntaxError::not_yet(word.at, what).hint("write one colocation for each pair"));
    }
    let colocation = Colocation { score, resource, with, role, with_role };
    Ok(Object::Colocation(id, colocation))
}

/// `order ID [KIND:] FIRST THEN [symmetrical=true|false]`
pub(super) fn order(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let id = cursor.new_id("the constraint's id")?;
    let kind = match cursor.peek().filter(|word| word.text.ends_with(':')) {
        Some(word) => {
            cursor.take();
            order_kind(word)?
        }
        None => OrderKind::Mandatory,
    };
    if sets::is_of_sets(cursor) {
        return sets::order(cursor, id, kind);
    }
    let (first, first_task) = tasked(cursor, "the resource that starts first")?;
    let (then, then_task) = tasked(cursor, "the resource that starts after it")?;
    let first_task = first_task.unwrap_or_default();
    // As in Pacemaker; where that is not meant, `verify` says so.
    let then_task = then_task.unwrap_or(first_task);
    let mut symmetrical = kind.is_symmetrical_by_default();
    while let Some(word) = cursor.take() {
        let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
        symmetrical = match (name, crate::config::boolean(value)) {
            ("symmetrical", Some(symmetrical)) => symmetrical,
            _ => return Err(cursor.unexpected(word)),
        };
    }
    let order = Order { kind, first, then, symmetrical, requires_all: true, first_task, then_task };
    Ok(Object::Order(id, order))
}

fn order_kind(word: &Word) -> Parsed<OrderKind> {
    let text = word.text.trim_end_matches(':');
    let number = text.parse::<Score>().map(|score| score.cmp(&Score::ZERO));
    match (text.to_ascii_lowercase().as_str(), number) {
        ("mandatory", _) | (_, Ok(std::cmp::Ordering::Greater)) => Ok(OrderKind::Mandatory),
        ("optional", _) | (_, Ok(std::cmp::Ordering::Equal)) => Ok(OrderKind::Optional),
        ("serialize", _) => Ok(OrderKind::Serialize),
        _ => Err(SyntaxError::new(word.at, format!("{} is no kind of order", shown(text)))
            .hint("write Mandatory:, Optional: or Serialize:")),
    }
}

/// `RSC[:ROLE]`
fn in_role(cursor: &mut Cursor<'_, '_>, what: &str) -> Parsed<(ResourceId, Option<InRole>)> {
    let word = cursor.need(what)?;
    let (id, role) = with_role(word, &word.text)?;
    Ok((ResourceId::new(cursor.id_of(word, id)?), role))
}

/// `NAME[:ROLE]`, taken apart.
pub(super) fn with_role<'t>(word: &Word, text: &'t str) -> Parsed<(&'t str, Option<InRole>)> {
    let Some((name, suffix)) = text.split_once(':') else { return Ok((text, None)) };
    Ok((name, role(word, suffix)?))
}

/// A role by its word.
pub(super) fn role(word: &Word, text: &str) -> Parsed<Option<InRole>> {
    InRole::read(text).ok_or_else(|| {
        SyntaxError::new(word.at, format!("{} is no role", shown(text))).hint("write Promoted, Unpromoted or Started")
    })
}

/// `RSC[:ACTION]`
fn tasked(cursor: &mut Cursor<'_, '_>, what: &str) -> Parsed<(ResourceId, Option<OrderTask>)> {
    let word = cursor.need(what)?;
    let (id, task) = with_task(word, &word.text)?;
    Ok((ResourceId::new(cursor.id_of(word, id)?), task))
}

/// `NAME[:ACTION]`, taken apart.
pub(super) fn with_task<'t>(word: &Word, text: &'t str) -> Parsed<(&'t str, Option<OrderTask>)> {
    let Some((name, suffix)) = text.split_once(':') else { return Ok((text, None)) };
    match OrderTask::read(suffix) {
        Some(task) => Ok((name, Some(task))),
        None => Err(SyntaxError::new(word.at, format!("{} is no action of an order", shown(suffix)))
            .hint("write start, stop, promote or demote")),
    }
}

/// `rsc_ticket ID TICKET: RSC[:ROLE]… [loss-policy=POLICY]`
pub(super) fn ticket(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let id = cursor.new_id("the constraint's id")?;
    let word = cursor.need("the ticket with a colon, such as east:,")?;
    let Some(name) = word.text.strip_suffix(':') else {
        let message = format!("{} is no ticket with a colon and a blank after it", shown(&word.text));
        return Err(cursor.refuse(word.at, message));
    };
    let mut constraint = TicketConstraint { ticket: cursor.id_of(word, name)?, resources: Vec::new(), loss: None };
    while let Some(word) = cursor.peek() {
        if let Some(policy) = word.text.strip_prefix("loss-policy=") {
            cursor.take();
            constraint.loss = Some(LossPolicy::read(policy).ok_or_else(|| {
                SyntaxError::new(word.at, format!("{} is no policy", shown(policy)))
                    .hint("write stop, demote, fence or freeze")
            })?);
            break;
        }
        constraint.resources.push(in_role(cursor, "a resource")?);
    }
    match constraint.resources.is_empty() {
        true => Err(cursor.refuse(word.at, "it names no resource")),
        false => Ok(Object::Ticket(id, constraint)),
    }
}

/// `fencing_topology [LEVEL…] [NODE:|attr:NAME=VALUE|pattern:REGEX LEVEL…]…`
pub(super) fn fencing_topology(cursor: &mut Cursor<'_, '_>) -> Parsed<Object> {
    let mut rows: Vec<FencingTopology> = Vec::new();
    while let Some(word) = cursor.take() {
        let row = match level_target(cursor, word)? {
            Some(target) => FencingTopology { target, levels: vec![level(cursor, word)?] },
            None if rows.is_empty() => {
                FencingTopology { target: LevelTarget::Rest, levels: vec![devices(cursor, word)?] }
            }
            None => {
                let row = rows.last_mut().expect("the arm before takes the first word");
                row.levels.push(devices(cursor, word)?);
                continue;
            }
        };
        if rows.iter().any(|earlier| earlier.target == row.target) {
            let message = format!("{} is given twice", shown(&row.target.to_string()));
            return Err(SyntaxError::new(word.at, message).hint("write all its levels after one of them"));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        cursor.need("a level")?;
    }
    Ok(Object::FencingTopology(rows))
}

/// For whom the levels are that follow this word, unless it is a level itself.
fn level_target(cursor: &Cursor<'_, '_>, word: &Word) -> Parsed<Option<LevelTarget>> {
    if let Some(attribute) = word.text.strip_prefix("attr:") {
        return match attribute.split_once('=') {
            Some((name, value)) if is_id(name) && !value.is_empty() => {
                Ok(Some(LevelTarget::Attribute(name.to_owned(), value.to_owned())))
            }
            _ => Err(SyntaxError::new(word.at, format!("{} names no attribute", shown(&word.text)))
                .hint("write attr:NAME=VALUE, such as attr:rack=1")),
        };
    }
    if let Some(pattern) = word.text.strip_prefix("pattern:") {
        return match regex_lite::Regex::new(pattern) {
            Ok(_) if !pattern.is_empty() => Ok(Some(LevelTarget::Pattern(pattern.to_owned()))),
            refused => {
                let why = refused.err().map_or_else(|| "it is empty".to_owned(), |error| error.to_string());
                let message = format!("{} is no regular expression: {why}", shown(pattern));
                Err(SyntaxError::new(word.at, message).hint("write one such as pattern:^rack1-"))
            }
        };
    }
    match word.text.strip_suffix(':') {
        Some(node) => Ok(Some(LevelTarget::Node(NodeId::new(cursor.id_of(word, node)?)))),
        None => Ok(None),
    }
}

/// The level that must follow those that it is for.
fn level(cursor: &mut Cursor<'_, '_>, target: &Word) -> Parsed<Vec<ResourceId>> {
    let next = cursor.peek();
    match next
        .filter(|word| !word.text.ends_with(':') && !["attr:", "pattern:"].iter().any(|it| word.text.starts_with(it)))
    {
        Some(word) => {
            cursor.take();
            devices(cursor, word)
        }
        None => Err(cursor.refuse(target.at, format!("{} has no level", shown(&target.text)))),
    }
}

/// `DEVICE[,DEVICE…]`
fn devices(cursor: &Cursor<'_, '_>, word: &Word) -> Parsed<Vec<ResourceId>> {
    let ids = word.text.split(',');
    ids.map(|id| cursor.id_of(word, id).map(ResourceId::new)).collect()
}
