//! Statements by their keyword. All errors at once: one for each statement that has any.

use super::attributes::{attribute_set, attributes};
use super::constraint::{colocation, fencing_topology, location, order, ticket};
use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::object::{IS_PROMOTABLE, NOT_PROMOTABLE, clone, group, node, primitive, tag, template};
use super::statement::{GroupChange, Object, Statement, Verb};
use super::token::{Word, statements};
use super::{Expand, duration, error::Position};
use crate::config::validate::nearest;
use crate::config::{Attributes, Section};
use crate::id::ResourceId;
use crate::score::Score;

/// Longer texts are refused before they are read; a configuration of a thousand VMs is a tenth of it.
const LONGEST_TEXT: usize = 64 << 20;

/// Reads text; `expand` gives the content of the file that `xml=@FILE` names.
///
/// # Errors
/// Every statement that is not understood, once.
pub fn parse(text: &str, expand: Expand<'_>) -> Result<Vec<Statement>, Vec<SyntaxError>> {
    if text.len() > LONGEST_TEXT {
        let at = Position { line: 1, column: 1 };
        let message = format!("the text has {} bytes; {LONGEST_TEXT} are allowed", text.len());
        return Err(vec![SyntaxError::new(at, message)]);
    }
    let (read, unreadable) = statements(text);
    let mut parsed = Vec::new();
    let mut errors = Vec::new();
    for words in &read {
        match statement(words, expand) {
            Ok(verb) => parsed.push(Statement { line: words[0].at.line, verb }),
            Err(error) => errors.push(error),
        }
    }
    errors.extend(unreadable);
    if errors.is_empty() { Ok(parsed) } else { Err(errors) }
}

fn statement(words: &[Word], expand: Expand<'_>) -> Parsed<Verb> {
    let keyword = &words[0];
    let Some((_, usage)) = USAGE.iter().find(|(name, _)| *name == keyword.text) else {
        return Err(unknown(keyword));
    };
    let mut cursor = Cursor::new(words, usage, expand);
    let verb = match keyword.text.as_str() {
        "node" => Verb::Define(node(&mut cursor)?),
        "primitive" => Verb::Define(primitive(&mut cursor)?),
        "rsc_template" => Verb::Define(template(&mut cursor)?),
        "group" => Verb::Define(group(&mut cursor)?),
        "clone" => Verb::Define(clone(&mut cursor, NOT_PROMOTABLE)?),
        "ms" => Verb::Define(clone(&mut cursor, IS_PROMOTABLE)?),
        "tag" => Verb::Define(tag(&mut cursor)?),
        "modgroup" => modgroup(&mut cursor)?,
        "monitor" => monitor(&mut cursor)?,
        "location" => Verb::Define(location(&mut cursor)?),
        "colocation" => Verb::Define(colocation(&mut cursor)?),
        "order" => Verb::Define(order(&mut cursor)?),
        "rsc_ticket" => Verb::Define(ticket(&mut cursor)?),
        "fencing_topology" => Verb::Define(fencing_topology(&mut cursor)?),
        "property" => Verb::Define(Object::Property(set_of_pairs(&mut cursor)?)),
        "rsc_defaults" => Verb::Define(defaults(&mut cursor, Section::Meta)?),
        "op_defaults" => Verb::Define(defaults(&mut cursor, Section::Operation)?),
        "delete" => delete(&mut cursor)?,
        "set" => set(&mut cursor)?,
        _ => Verb::Rename { from: cursor.id("an id")?, to: cursor.new_id("the new id")? },
    };
    cursor.end()?;
    Ok(verb)
}

/// `[SETID:] [SCORE:] [rule EXPRESSION] NAME=VALUE…`
fn defaults(cursor: &mut Cursor<'_, '_>, section: Section) -> Parsed<Object> {
    let is_name = |word: &Word| {
        word.text.strip_suffix(':').is_some_and(|name| !name.contains('=') && name.parse::<Score>().is_err())
    };
    if cursor.peek().is_some_and(is_name) {
        cursor.take();
    }
    let (mut plain, mut ruled) = (Attributes::new(), Vec::new());
    attribute_set(cursor, section, &mut plain, &mut ruled, &[])?;
    if plain.is_empty() && ruled.is_empty() {
        cursor.need("NAME=VALUE")?;
    }
    Ok(match section {
        Section::Operation => Object::OpDefaults(plain, ruled),
        Section::Meta | Section::Params => Object::RscDefaults(plain, ruled),
    })
}

/// `[SETID:] NAME=VALUE…`
fn set_of_pairs(cursor: &mut Cursor<'_, '_>) -> Parsed<Attributes> {
    // There is one set here; the name that crmsh gives it says nothing.
    let is_name = |word: &Word| word.text.ends_with(':') && !word.text.contains('=');
    if cursor.peek().is_some_and(is_name) {
        cursor.take();
    }
    let mut pairs = Attributes::new();
    attributes(cursor, &mut pairs, &[])?;
    if pairs.is_empty() {
        cursor.need("NAME=VALUE")?;
    }
    Ok(pairs)
}

fn delete(cursor: &mut Cursor<'_, '_>) -> Parsed<Verb> {
    let mut ids = Vec::new();
    let mut force = false;
    while let Some(word) = cursor.take() {
        match word.text.as_str() {
            "--force" | "-f" => force = true,
            id => ids.push(id.to_owned()),
        }
    }
    if ids.is_empty() {
        cursor.need("an id")?;
    }
    Ok(Verb::Delete { ids, force })
}

fn set(cursor: &mut Cursor<'_, '_>) -> Parsed<Verb> {
    let word = cursor.need("ID.NAME")?;
    if !word.text.contains('.') {
        return Err(cursor.refuse(word.at, format!("{} is not of the form ID.NAME", shown(&word.text))));
    }
    let path = word.text.clone();
    let word = cursor.need("the value")?;
    let value = match path.rsplit('.').next() {
        Some("xml") => super::attributes::expanded(cursor, word, 0)?,
        _ => word.text.clone(),
    };
    Ok(Verb::Set { path, value })
}

/// `modgroup GROUP add MEMBER [after|before OTHER]`, `modgroup GROUP remove MEMBER`
fn modgroup(cursor: &mut Cursor<'_, '_>) -> Parsed<Verb> {
    let group = cursor.id("the group")?;
    let word = cursor.need("add or remove")?;
    let is_added = match word.text.as_str() {
        "add" => true,
        "remove" => false,
        other => return Err(cursor.refuse(word.at, format!("{} is neither add nor remove", shown(other)))),
    };
    let member = ResourceId::new(cursor.id("the member")?);
    let change = match cursor.take() {
        None if is_added => GroupChange::Append,
        None => GroupChange::Remove,
        Some(word) if is_added && word.text == "after" => {
            GroupChange::After(ResourceId::new(cursor.id("the member before it")?))
        }
        Some(word) if is_added && word.text == "before" => {
            GroupChange::Before(ResourceId::new(cursor.id("the member after it")?))
        }
        Some(word) => return Err(cursor.unexpected(word)),
    };
    Ok(Verb::ModGroup { group, member, change })
}

/// `monitor RSC INTERVAL[:TIMEOUT]`
fn monitor(cursor: &mut Cursor<'_, '_>) -> Parsed<Verb> {
    let word = cursor.need("the resource")?;
    if word.text.contains(':') {
        let error = SyntaxError::not_yet(word.at, "monitors of a role are");
        return Err(error.hint("write monitor RSC INTERVAL[:TIMEOUT]"));
    }
    let resource = cursor.id_of(word, &word.text)?;
    let word = cursor.need("the interval")?;
    let (interval, timeout) = word.text.split_once(':').map_or((word.text.as_str(), None), |(i, t)| (i, Some(t)));
    for time in [Some(interval), timeout].into_iter().flatten() {
        if duration(time).is_none_or(|time| time.is_zero()) {
            return Err(cursor.refuse(word.at, format!("{} is no time above zero such as 10s", shown(time))));
        }
    }
    Ok(Verb::Monitor { resource, interval: interval.to_owned(), timeout: timeout.map(ToOwned::to_owned) })
}

fn unknown(keyword: &Word) -> SyntaxError {
    let known: Vec<&'static str> = USAGE.iter().map(|(name, _)| *name).collect();
    let name = keyword.text.as_str();
    if NOT_YET.contains(&name) {
        let objects: Vec<_> = known.iter().filter(|name| !EDITS.contains(*name)).copied().collect();
        return SyntaxError::not_yet(keyword.at, format!("'{name}' is"))
            .hint(format!("this version knows {}", objects.join(", ")));
    }
    let error = SyntaxError::new(keyword.at, format!("{} does not begin a statement", shown(name)));
    match nearest(name, &known) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error.hint(format!("a statement begins with one of {}", known.join(", "))),
    }
}

/// Keywords, and how each goes on.
const USAGE: &[(&str, &str)] = &[
    ("node", "node NAME [attributes NAME=VALUE…] [utilization NAME=NUMBER…]"),
    (
        "primitive",
        "primitive ID (CLASS:[PROVIDER:]TYPE|@TEMPLATE) [params NAME=VALUE…] [meta NAME=VALUE…] [utilization NAME=NUMBER…] [op NAME NAME=VALUE…]…",
    ),
    ("rsc_template", "rsc_template ID CLASS:[PROVIDER:]TYPE, and on as a primitive"),
    ("group", "group ID MEMBER… [meta NAME=VALUE…]"),
    ("clone", "clone ID RSC|GROUP [meta NAME=VALUE…]"),
    ("ms", "ms ID RSC [meta NAME=VALUE…]"),
    ("tag", "tag ID RSC…"),
    (
        "location",
        "location ID WHO SCORE: NODE, or location ID WHO rule SCORE: EXPRESSION…, where WHO is RSC, GROUP, TAG, /PATTERN/ or { RSC… }",
    ),
    ("colocation", "colocation ID SCORE: RSC WITH-RSC, or colocation ID SCORE: RSC… ( RSC… )…"),
    (
        "order",
        "order ID [Mandatory:|Optional:|Serialize:] FIRST THEN [symmetrical=true|false]; more than two make sets: ( RSC… ) of those that do not wait for each other, [ RSC… ] where any one suffices",
    ),
    ("rsc_ticket", "rsc_ticket ID TICKET: RSC[:ROLE]… [loss-policy=stop|demote|fence|freeze]"),
    (
        "fencing_topology",
        "fencing_topology [LEVEL…] [NODE:|attr:NAME=VALUE|pattern:REGEX LEVEL…]…, where a LEVEL is DEVICE[,DEVICE…]",
    ),
    ("property", "property NAME=VALUE…"),
    ("rsc_defaults", "rsc_defaults [SCORE:] [rule EXPRESSION] NAME=VALUE…"),
    ("op_defaults", "op_defaults [SCORE:] [rule EXPRESSION] NAME=VALUE…"),
    ("delete", "delete ID… [--force]"),
    ("set", "set ID.[OP.][INTERVAL.]NAME VALUE"),
    ("rename", "rename ID NEW-ID"),
    ("modgroup", "modgroup GROUP add MEMBER [after|before OTHER], or modgroup GROUP remove MEMBER"),
    ("monitor", "monitor RSC INTERVAL[:TIMEOUT]"),
];

const EDITS: &[&str] = &["delete", "set", "rename", "modgroup", "monitor"];

/// The rest of crmsh's grammar.
const NOT_YET: &[&str] =
    &["acl_group", "acl_target", "alert", "bundle", "erase", "filter", "master", "role", "user", "xml"];
