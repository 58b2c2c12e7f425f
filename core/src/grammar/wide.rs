//! Constraints of several resources: sets, patterns and rules.

use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::is_attribute_name;
use super::statement::Object;
use super::token::Word;
use crate::config::shorthand::{ResourceSet, Want, Who, WideColocation, WideLocation, WideOrder};
use crate::config::{Location, OrderKind, boolean};
use crate::id::{NodeId, ResourceId};
use crate::rule::{COMPARISONS, KINDS, PRESENCES, Rule, RuleScore, Test};
use crate::score::Score;

/// `location ID WHO (SCORE: NODE | rule …)`, after the id
pub(super) fn location(cursor: &mut Cursor<'_, '_>, id: String) -> Parsed<Object> {
    let who = who(cursor)?;
    let mut rules = Vec::new();
    while let Some(word) = cursor.peek() {
        match word.text.as_str() {
            "rule" if word.is_bare_from(0) => {
                cursor.take();
                rules.push(rule(cursor)?);
            }
            option if option.starts_with("role=") => {
                return Err(SyntaxError::not_yet(word.at, "roles are").hint("leave it out: what is started is meant"));
            }
            option if option.starts_with("resource-discovery=") => {
                let error = SyntaxError::not_yet(word.at, "'resource-discovery' is");
                return Err(error.hint("leave it out: every node is looked at, for safety"));
            }
            _ => break,
        }
    }
    if !rules.is_empty() {
        let want = Want::Rules(rules);
        return Ok(Object::WideLocation(id, WideLocation { who, want }));
    }
    let score = cursor.score()?;
    let node = NodeId::new(cursor.id("the node")?);
    match who {
        Who::One(name) => Ok(Object::Location(id, Location { resource: ResourceId::new(name), score, node })),
        who => Ok(Object::WideLocation(id, WideLocation { who, want: Want::Node(score, node) })),
    }
}

fn who(cursor: &mut Cursor<'_, '_>) -> Parsed<Who> {
    let word = cursor.need("the resource")?;
    if let Some(rest) = word.text.strip_prefix('/') {
        let Some(pattern) = rest.strip_suffix('/').filter(|pattern| !pattern.is_empty()) else {
            let error = SyntaxError::new(word.at, format!("the pattern {} has no / at its end", shown(&word.text)));
            return Err(error.hint("write /PATTERN/, in quotes where it holds blanks"));
        };
        if let Err(error) = regex_lite::Regex::new(pattern.trim_start_matches('!')) {
            let message = format!("{} is no regular expression: {error}", shown(pattern));
            return Err(SyntaxError::new(word.at, message).hint("write one such as /^vm-/"));
        }
        return Ok(Who::Pattern(pattern.to_owned()));
    }
    if word.text != "{" || !word.is_bare_from(0) {
        return cursor.id_of(word, &word.text).map(Who::One);
    }
    let mut members = Vec::new();
    loop {
        match cursor.need("the } of the set")? {
            end if end.text == "}" && members.is_empty() => return Err(cursor.unexpected(end)),
            end if end.text == "}" => return Ok(Who::Set(members)),
            member => members.push(cursor.id_of(member, &member.text)?),
        }
    }
}

/// `[$id=ID] SCORE: TEST {and|or TEST}`, after `rule`
fn rule(cursor: &mut Cursor<'_, '_>) -> Parsed<Rule> {
    while let Some(word) = cursor.peek().filter(|word| word.text.starts_with('$')) {
        if !word.text.starts_with("$id=") {
            let what = if word.text.starts_with("$role=") { "roles are" } else { "rules that refer to others are" };
            return Err(SyntaxError::not_yet(word.at, what).hint("write rule SCORE: EXPRESSION"));
        }
        cursor.take();
    }
    let word = cursor.need("a score, such as 100: or inf:,")?;
    let score = match word.text.strip_suffix(':') {
        Some(number) if number.parse::<Score>().is_ok() => RuleScore::Number(number.parse().expect("it was just read")),
        Some(attribute) if is_attribute_name(attribute) => RuleScore::Attribute(attribute.to_owned()),
        _ => {
            let message = format!("{} is no score with a colon and a blank after it", shown(&word.text));
            return Err(cursor.refuse(word.at, message));
        }
    };
    let mut rule = Rule { score, any: false, tests: vec![test(cursor)?] };
    while let Some(word) = cursor.peek().filter(|word| ["and", "or"].contains(&word.text.as_str())) {
        cursor.take();
        let any = word.text == "or";
        if rule.tests.len() > 1 && rule.any != any {
            let error = SyntaxError::new(word.at, "a rule joins its tests by 'and' or by 'or', not by both");
            return Err(error.hint("write two rules: where both hold, their scores add up"));
        }
        rule.any = any;
        rule.tests.push(test(cursor)?);
    }
    Ok(rule)
}

/// `ATTRIBUTE [KIND:]OPERATION VALUE`, `defined ATTRIBUTE`
fn test(cursor: &mut Cursor<'_, '_>) -> Parsed<Test> {
    let word = cursor.need("a test, such as #uname eq NODE,")?;
    if PRESENCES.contains(&word.text.as_str()) {
        let attribute = named(cursor.need("an attribute of nodes")?)?;
        return Ok(Test { attribute, operation: word.text.clone(), kind: String::new(), value: None });
    }
    if word.text == "date" {
        let error = SyntaxError::not_yet(word.at, "rules on dates are");
        return Err(error.hint("a move or ban with a lifetime ends by itself: `qrm resource ban RSC NODE LIFETIME`"));
    }
    let attribute = named(word)?;
    let word = cursor.need("eq, ne, lt, gt, lte or gte")?;
    let (kind, operation) = word.text.split_once(':').unwrap_or(("", &word.text));
    if !COMPARISONS.contains(&operation) || !(kind.is_empty() || KINDS.contains(&kind)) {
        let error = SyntaxError::new(word.at, format!("{} is no comparison", shown(&word.text)));
        return Err(error
            .hint("write eq, ne, lt, gt, lte or gte, with string:, number: or version: before it where it matters"));
    }
    let value = cursor.need("a value to compare with")?.text.clone();
    Ok(Test { attribute, operation: operation.to_owned(), kind: kind.to_owned(), value: Some(value) })
}

fn named(word: &Word) -> Parsed<String> {
    match is_attribute_name(&word.text) {
        true => Ok(word.text.clone()),
        false => Err(SyntaxError::new(word.at, format!("{} cannot be the name of an attribute", shown(&word.text)))
            .hint("write a test such as #uname eq NODE, or defined ATTRIBUTE")),
    }
}

/// Whether what follows is more than two names.
pub(super) fn is_of_sets(cursor: &Cursor<'_, '_>) -> bool {
    let words: Vec<&Word> = cursor.rest().iter().filter(|word| !word.text.contains('=')).collect();
    words.len() > 2 || words.iter().any(|word| word.is_bare_from(0) && word.text.starts_with(['(', '[']))
}

pub(super) fn colocation(cursor: &mut Cursor<'_, '_>, id: String, score: Score) -> Parsed<Object> {
    let sets = sets(cursor, "Started", "roles are")?;
    if let Some(word) = cursor.peek() {
        let what = if word.text.starts_with("node-attribute=") { "'node-attribute' is" } else { "options of sets are" };
        return Err(
            SyntaxError::not_yet(word.at, what).hint("write ( … ) for resources that do not depend on each other")
        );
    }
    Ok(Object::WideColocation(id, WideColocation { score, sets }))
}

pub(super) fn order(cursor: &mut Cursor<'_, '_>, id: String, kind: OrderKind) -> Parsed<Object> {
    let sets = sets(cursor, "start", "orders of other actions than start are")?;
    let mut symmetrical = kind.is_symmetrical_by_default();
    while let Some(word) = cursor.take() {
        symmetrical = match word.text.split_once('=').map(|(name, value)| (name, boolean(value))) {
            Some(("symmetrical", Some(symmetrical))) => symmetrical,
            _ => return Err(cursor.unexpected(word)),
        };
    }
    Ok(Object::WideOrder(id, WideOrder { kind, sets, symmetrical }))
}

/// `A B ( C D ) E`: what stands bare together is one set, and so is what stands in parentheses.
fn sets(cursor: &mut Cursor<'_, '_>, default: &str, refused: &str) -> Parsed<Vec<ResourceSet>> {
    let mut sets: Vec<ResourceSet> = Vec::new();
    let mut open: Option<&Word> = None;
    while let Some(word) = cursor.peek().filter(|word| !word.text.contains('=')) {
        cursor.take();
        let is_bare = word.is_bare_from(0);
        match word.text.as_str() {
            "(" if is_bare && open.is_none() => {
                open = Some(word);
                sets.push(ResourceSet { members: Vec::new(), sequential: false });
            }
            ")" if is_bare && open.is_some() => {
                if sets.last().is_some_and(|set| set.members.is_empty()) {
                    return Err(cursor.refuse(word.at, "the set is empty"));
                }
                open = None;
            }
            text if is_bare && text.starts_with('[') => {
                let error = SyntaxError::not_yet(word.at, "sets of which any member suffices are");
                return Err(error.hint("write ( … ): all of them are needed"));
            }
            text => {
                let (name, suffix) = text.split_once(':').unwrap_or((text, default));
                if !suffix.eq_ignore_ascii_case(default) {
                    return Err(SyntaxError::not_yet(word.at, refused).hint(format!("write {} alone", shown(name))));
                }
                let name = cursor.id_of(word, name)?;
                match sets.last_mut().filter(|set| open.is_some() || set.sequential) {
                    Some(set) => set.members.push(name),
                    None => sets.push(ResourceSet { members: vec![name], sequential: true }),
                }
            }
        }
    }
    match open {
        Some(word) => Err(cursor.refuse(word.at, "this ( is never closed, with blanks around it")),
        None => Ok(sets),
    }
}

/// A set as it is written.
pub(super) fn print_sets(sets: &[ResourceSet]) -> String {
    let one = |set: &ResourceSet| match set.sequential {
        true => set.members.join(" "),
        false => format!("( {} )", set.members.join(" ")),
    };
    sets.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Whom a location is about, as it is written.
pub(super) fn print_who(who: &Who) -> String {
    match who {
        Who::One(name) => name.clone(),
        Who::Pattern(pattern) => super::token::quote(&format!("/{pattern}/")),
        Who::Set(members) => format!("{{ {} }}", members.join(" ")),
    }
}

/// A rule as it is written.
pub(super) fn print_rule(rule: &Rule) -> String {
    use super::token::quote;
    let score = match &rule.score {
        RuleScore::Number(score) => score.to_string(),
        RuleScore::Attribute(name) => name.clone(),
    };
    let tests = rule.tests.iter().map(|test| match &test.value {
        None => format!("{} {}", test.operation, quote(&test.attribute)),
        Some(value) => {
            let kind = if test.kind.is_empty() { String::new() } else { format!("{}:", test.kind) };
            format!("{} {kind}{} {}", quote(&test.attribute), test.operation, quote(value))
        }
    });
    let joined = tests.collect::<Vec<_>>().join(if rule.any { " or " } else { " and " });
    format!("rule {score}: {joined}")
}
