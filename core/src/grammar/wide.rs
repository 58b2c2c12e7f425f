//! Constraints of several resources, or with rules; sets are in `sets`.

use super::constraint;
use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::is_attribute_name;
use super::statement::Object;
use super::token::Word;
use crate::config::shorthand::{Want, Who, WideLocation};
use crate::config::{Discovery, Location};
use crate::id::{NodeId, ResourceId};
use crate::rule::{COMPARISONS, KINDS, PRESENCES, Rule, RuleScore, Test};
use crate::score::Score;

/// `location ID WHO (SCORE: NODE | rule …)`, after the id
pub(super) fn location(cursor: &mut Cursor<'_, '_>, id: String) -> Parsed<Object> {
    let who = who(cursor)?;
    let (mut rules, mut role, mut discovery) = (Vec::new(), None, Discovery::Always);
    let mut said = None;
    while let Some(word) = cursor.peek() {
        match word.text.as_str() {
            "rule" if word.is_bare_from(0) => {
                cursor.take();
                rules.push(rule(cursor)?);
            }
            option if option.starts_with("role=") => {
                cursor.take();
                role = constraint::role(word, &option["role=".len()..])?;
            }
            option if option.starts_with("resource-discovery=") => {
                cursor.take();
                let text = &option["resource-discovery=".len()..];
                discovery = Discovery::read(text).ok_or_else(|| {
                    SyntaxError::new(word.at, format!("{} is no way to look for something", shown(text)))
                        .hint("write always, never or exclusive")
                })?;
                said = Some(word.at);
            }
            _ => break,
        }
    }
    if !rules.is_empty() {
        if let Some(at) = said.filter(|_| discovery != Discovery::Always) {
            let error = SyntaxError::not_yet(at, "'resource-discovery' with a rule is");
            return Err(error.hint("write one location for each node: resource-discovery=never -inf: NODE"));
        }
        let want = Want::Rules(rules);
        return Ok(Object::WideLocation(id, WideLocation { who, want, role, discovery }));
    }
    let score = cursor.score()?;
    let node = NodeId::new(cursor.id("the node")?);
    match who {
        Who::One(name) => {
            Ok(Object::Location(id, Location { resource: ResourceId::new(name), score, node, role, discovery }))
        }
        who => Ok(Object::WideLocation(id, WideLocation { who, want: Want::Node(score, node), role, discovery })),
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

/// `[$id=ID] [$role=ROLE] SCORE: TEST {and|or TEST}`, after `rule`
fn rule(cursor: &mut Cursor<'_, '_>) -> Parsed<Rule> {
    let mut role = None;
    while let Some(word) = cursor.peek().filter(|word| word.text.starts_with('$')) {
        if let Some(text) = word.text.strip_prefix("$role=") {
            role = constraint::role(word, text)?;
        } else if !word.text.starts_with("$id=") {
            let error = SyntaxError::not_yet(word.at, "rules that refer to others are");
            return Err(error.hint("write rule SCORE: EXPRESSION"));
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
    Ok(Rule { role, ..condition(cursor, score, test)? })
}

/// `[$id=ID] [SCORE:] TEST {and|or TEST}`, after the `rule` of an attribute set; the score is that of the set.
pub(super) fn of_attributes(cursor: &mut Cursor<'_, '_>) -> Parsed<Rule> {
    let is_number = |text: &str| text.strip_suffix(':').is_some_and(|number| number.parse::<Score>().is_ok());
    while cursor.peek().is_some_and(|word| word.text.starts_with("$id=") || is_number(&word.text)) {
        cursor.take();
    }
    condition(cursor, RuleScore::Number(Score::ZERO), test_of_set)
}

/// What stands in a rule.
type Tested = fn(&mut Cursor<'_, '_>) -> Parsed<Test>;

fn condition(cursor: &mut Cursor<'_, '_>, score: RuleScore, test: Tested) -> Parsed<Rule> {
    let mut rule = Rule { score, any: false, tests: vec![test(cursor)?], role: None };
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

/// `resource [CLASS]:[PROVIDER]:[TYPE]` and `op NAME [interval=TIME]`, which only defaults ask; else as in a location.
fn test_of_set(cursor: &mut Cursor<'_, '_>) -> Parsed<Test> {
    let next = cursor.rest().get(1).map_or("", |word| word.text.as_str());
    let is_compared = COMPARISONS.contains(&next.rsplit(':').next().unwrap_or(next));
    match cursor.peek().filter(|word| word.is_bare_from(0) && !is_compared).map(|word| word.text.as_str()) {
        Some("resource") => {
            cursor.take();
            agent(cursor)
        }
        Some("op") => {
            cursor.take();
            let word = cursor.need("an operation, such as start,")?;
            let name = cursor.id_of(word, &word.text)?;
            let interval = cursor.peek().and_then(|word| word.text.strip_prefix("interval="));
            if let Some(text) = interval {
                let at = cursor.take().map(|word| word.at).unwrap_or(word.at);
                if super::duration(text).is_none() {
                    return Err(
                        SyntaxError::new(at, format!("{} is no time", shown(text))).hint("write one such as 10s")
                    );
                }
            }
            Ok(Test::Operation { name, interval: interval.map(str::to_owned) })
        }
        _ => test(cursor),
    }
}

fn agent(cursor: &mut Cursor<'_, '_>) -> Parsed<Test> {
    let word = cursor.need("an agent, such as ocf:heartbeat:IPaddr2,")?;
    let part = |text: &str| match text {
        "" => Ok(None),
        text => cursor.id_of(word, text).map(Some),
    };
    let parts: Vec<&str> = word.text.split(':').collect();
    let (class, provider, kind) = match parts.as_slice() {
        [class] => (part(class)?, None, None),
        [class, kind] => (part(class)?, None, part(kind)?),
        [class, provider, kind] => (part(class)?, part(provider)?, part(kind)?),
        _ => (None, None, None),
    };
    if class.is_none() && provider.is_none() && kind.is_none() {
        let error = SyntaxError::new(word.at, format!("{} is no agent", shown(&word.text)));
        return Err(error.hint("write CLASS:PROVIDER:TYPE, where each may be left out, such as ocf:heartbeat:"));
    }
    Ok(Test::Agent { class, provider, kind })
}

/// `ATTRIBUTE [KIND:]OPERATION VALUE`, `defined ATTRIBUTE`
fn test(cursor: &mut Cursor<'_, '_>) -> Parsed<Test> {
    let word = cursor.need("a test, such as #uname eq NODE,")?;
    if PRESENCES.contains(&word.text.as_str()) {
        let attribute = named(cursor.need("an attribute of nodes")?)?;
        return Ok(Test::Attribute { attribute, operation: word.text.clone(), kind: String::new(), value: None });
    }
    if word.text == "date" && word.is_bare_from(0) {
        return super::date::when(cursor, word).map(Test::Date);
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
    Ok(Test::Attribute { attribute, operation: operation.to_owned(), kind: kind.to_owned(), value: Some(value) })
}

fn named(word: &Word) -> Parsed<String> {
    match is_attribute_name(&word.text) {
        true => Ok(word.text.clone()),
        false => Err(SyntaxError::new(word.at, format!("{} cannot be the name of an attribute", shown(&word.text)))
            .hint("write a test such as #uname eq NODE, or defined ATTRIBUTE")),
    }
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
    let score = match &rule.score {
        RuleScore::Number(score) => score.to_string(),
        RuleScore::Attribute(name) => name.clone(),
    };
    let role = rule.role.map(|role| format!("$role={} ", role.word())).unwrap_or_default();
    format!("rule {role}{score}: {}", print_condition(rule))
}

/// What a rule asks, as it is written.
pub(super) fn print_condition(rule: &Rule) -> String {
    use super::token::quote;
    let tests = rule.tests.iter().map(|test| match test {
        Test::Date(when) => super::date::print(when),
        Test::Agent { class, provider, kind } => {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            format!("resource {}", [class, provider, kind].map(text).join(":"))
        }
        Test::Operation { name, interval: Some(interval) } => format!("op {name} interval={interval}"),
        Test::Operation { name, interval: None } => format!("op {name}"),
        Test::Attribute { attribute, operation, value: None, .. } => format!("{operation} {}", quote(attribute)),
        Test::Attribute { attribute, operation, kind, value: Some(value) } => {
            let kind = if kind.is_empty() { String::new() } else { format!("{kind}:") };
            format!("{} {kind}{operation} {}", attribute_word(attribute), quote(value))
        }
    });
    tests.collect::<Vec<_>>().join(if rule.any { " or " } else { " and " })
}

/// An attribute whose name is a word of the grammar is quoted.
fn attribute_word(name: &str) -> String {
    match name {
        "date" => "\"date\"".to_owned(),
        _ => super::token::quote(name),
    }
}
