//! Sets of resources within a colocation or an order, as crmsh writes them: `A B ( C D ) [ E F ] sequential=…`.

use super::constraint::{with_role, with_task};
use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::statement::Object;
use super::token::Word;
use crate::config::shorthand::{ResourceSet, WideColocation, WideOrder};
use crate::config::{InRole, OrderKind, OrderTask, boolean};
use crate::id::ResourceId;
use crate::score::Score;

/// Before two names it says that they are a set: in a colocation the second of a set follows the first.
const SET: &str = "_rsc_set_";
const OPTIONS: [&str; 2] = ["sequential", "require-all"];

/// Which constraint they are part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Colocation,
    Order,
}

/// In which role the members of a set are meant, or with which action.
type What = (Option<InRole>, OrderTask);

/// Whether what follows is more than two names.
pub(super) fn is_of_sets(cursor: &Cursor<'_, '_>) -> bool {
    let words: Vec<&Word> = cursor.rest().iter().filter(|word| !word.text.contains('=')).collect();
    let begins = |word: &&Word| word.is_bare_from(0) && word.text.starts_with(['(', '[']);
    words.len() > 2 || words.iter().any(begins) || cursor.rest().iter().any(|word| option(word).is_some())
}

/// `SET…`, after `colocation ID SCORE:`
pub(super) fn colocation(cursor: &mut Cursor<'_, '_>, id: String, score: Score) -> Parsed<Object> {
    let sets = sets(cursor, Of::Colocation)?;
    if let Some(word) = cursor.peek() {
        let what = if word.text.starts_with("node-attribute=") { "'node-attribute' is" } else { "options of sets are" };
        return Err(
            SyntaxError::not_yet(word.at, what).hint("write ( … ) for resources that do not depend on each other")
        );
    }
    Ok(Object::WideColocation(id, WideColocation { score, sets }))
}

/// `SET… [symmetrical=…]`, after `order ID KIND:`
pub(super) fn order(cursor: &mut Cursor<'_, '_>, id: String, kind: OrderKind) -> Parsed<Object> {
    let sets = sets(cursor, Of::Order)?;
    let mut symmetrical = kind.is_symmetrical_by_default();
    while let Some(word) = cursor.take() {
        symmetrical = match word.text.split_once('=').map(|(name, value)| (name, boolean(value))) {
            Some(("symmetrical", Some(symmetrical))) => symmetrical,
            _ => return Err(cursor.unexpected(word)),
        };
    }
    Ok(Object::WideOrder(id, WideOrder { kind, sets, symmetrical }))
}

/// An option of a set, and its value.
fn option(word: &Word) -> Option<(&str, &str)> {
    word.text.split_once('=').filter(|(name, _)| OPTIONS.contains(name))
}

/// `A B ( C D ) E`: what stands bare together is one set, and so is what stands in brackets.
fn sets(cursor: &mut Cursor<'_, '_>, of: Of) -> Parsed<Vec<ResourceSet>> {
    let mut sets: Vec<ResourceSet> = Vec::new();
    if cursor.peek().is_some_and(|word| word.text == SET) {
        cursor.take();
    }
    while let Some(word) = cursor.peek().filter(|word| option(word).is_some() || !word.text.contains('=')) {
        let set = match word.text.as_str() {
            "(" | "[" if word.is_bare_from(0) => bracketed(cursor, of)?,
            _ => bare(cursor, of)?,
        };
        let is_plain = |set: &ResourceSet| set.sequential && set.require_all;
        let is_same = |last: &ResourceSet| (last.role, last.task) == (set.role, set.task);
        if sets.last().is_some_and(|last| is_plain(last) && is_same(last)) && is_plain(&set) {
            let message = "two sets that depend on each other stand next to each other";
            return Err(SyntaxError::new(word.at, message).hint("leave sequential=true out: they are one set"));
        }
        sets.push(set);
    }
    Ok(sets)
}

fn empty(sequential: bool, require_all: bool) -> ResourceSet {
    ResourceSet { members: Vec::new(), sequential, require_all, role: None, task: OrderTask::Start }
}

/// Names up to the next bracket or to another role or action, or with their options.
fn bare(cursor: &mut Cursor<'_, '_>, of: Of) -> Parsed<ResourceSet> {
    let mut set = empty(true, true);
    while let Some(word) = cursor.peek() {
        let is_bracket = word.is_bare_from(0) && ["(", "["].contains(&word.text.as_str());
        if is_bracket || word.text.contains('=') {
            break;
        }
        let (name, what) = member(cursor, word, of)?;
        if set.members.is_empty() {
            (set.role, set.task) = what;
        } else if (set.role, set.task) != what {
            break;
        }
        cursor.take();
        set.members.push(name);
    }
    options(cursor, &mut set, of)?;
    Ok(set)
}

/// `( … )` and `[ … ]`
fn bracketed(cursor: &mut Cursor<'_, '_>, of: Of) -> Parsed<ResourceSet> {
    let open = cursor.need("a set")?;
    let (close, require_all) = if open.text == "(" { (")", true) } else { ("]", false) };
    if !require_all && of == Of::Colocation {
        let error = SyntaxError::new(open.at, "a colocation is with all of a set, and never with any of it");
        return Err(error.hint("write ( … ) for resources that do not depend on each other"));
    }
    let mut set = empty(false, require_all);
    loop {
        options(cursor, &mut set, of)?;
        match cursor.take() {
            None => {
                let message = format!("this {} is never closed, with blanks around it", open.text);
                return Err(cursor.refuse(open.at, message));
            }
            Some(word) if word.is_bare_from(0) && word.text == close => {
                return match set.members.is_empty() {
                    true => Err(cursor.refuse(word.at, "the set is empty")),
                    false => Ok(set),
                };
            }
            Some(word) => {
                let (name, what) = member(cursor, word, of)?;
                if set.members.is_empty() {
                    (set.role, set.task) = what;
                } else if (set.role, set.task) != what {
                    let error = SyntaxError::new(word.at, "a set in brackets is of one role, or of one action");
                    return Err(error.hint("write brackets for each"));
                }
                set.members.push(name);
            }
        }
    }
}

fn options(cursor: &mut Cursor<'_, '_>, set: &mut ResourceSet, of: Of) -> Parsed<()> {
    while let Some((word, (name, value))) = cursor.peek().and_then(|word| Some((word, option(word)?))) {
        cursor.take();
        if set.members.is_empty() {
            return Err(cursor.unexpected(word));
        }
        let Some(value) = boolean(value) else {
            return Err(
                SyntaxError::new(word.at, format!("{name} cannot be {}", shown(value))).hint("write true or false")
            );
        };
        match name {
            "sequential" => set.sequential = value,
            _ if of == Of::Colocation => {
                let error = SyntaxError::new(word.at, "a colocation is with all of a set, and never with any of it");
                return Err(error.hint("leave require-all out"));
            }
            _ => set.require_all = value,
        }
    }
    Ok(())
}

/// `RSC[:WORD]`; without a word what is started is meant.
fn member(cursor: &Cursor<'_, '_>, word: &Word, of: Of) -> Parsed<(String, What)> {
    let (name, what) = match of {
        Of::Colocation => {
            let (name, role) = with_role(word, &word.text)?;
            (name, (role, OrderTask::Start))
        }
        Of::Order => {
            let (name, task) = with_task(word, &word.text)?;
            (name, (None, task.unwrap_or_default()))
        }
    };
    Ok((cursor.id_of(word, name)?, what))
}

/// A resource in a role, as it is written.
pub(super) fn print_in_role(name: &ResourceId, role: Option<InRole>) -> String {
    print_member(name.as_str(), (role, OrderTask::Start))
}

fn print_member(name: &str, what: What) -> String {
    match what {
        (Some(role), _) => format!("{name}:{}", role.word()),
        (None, OrderTask::Start) => name.to_owned(),
        (None, task) => format!("{name}:{}", task.word()),
    }
}

/// Sets as they are written.
pub(super) fn print(sets: &[ResourceSet]) -> String {
    let one = |set: &ResourceSet| {
        let members: Vec<String> = set.members.iter().map(|name| print_member(name, (set.role, set.task))).collect();
        let members = members.join(" ");
        match (set.sequential, set.require_all) {
            (true, true) => members,
            (false, true) => format!("( {members} )"),
            (false, false) => format!("[ {members} ]"),
            (true, false) => format!("[ {members} sequential=true ]"),
        }
    };
    let all = sets.iter().map(one).collect::<Vec<_>>().join(" ");
    let is_bare = sets.iter().all(|set| set.sequential && set.require_all);
    match sets.iter().map(|set| set.members.len()).sum() {
        // Two names alone are no set.
        2 if is_bare => format!("{SET} {all}"),
        _ => all,
    }
}
