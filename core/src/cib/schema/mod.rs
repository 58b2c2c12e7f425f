//! Whether a configuration is one: which elements and attributes there are, where they stand, and of what form their
//! values are. Whoever reads it afterwards takes what it understands; what nobody would read is told here, so that no
//! slip of the pen changes a plan silently. The status is Pacemaker's own writing, and is not looked at.

mod table;

use super::rule::when;
use super::{Element, Problem, value};
use crate::config::validate::nearest;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use table::{Kind, Shape};

/// All that is wrong with a `<configuration>`, in the file's order.
pub(super) fn faults(configuration: Element<'_>) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new(), ids: Vec::new(), references: Vec::new() };
    check.element(configuration, &table::CONFIGURATION);
    check.ids();
    check.problems.sort_by_key(|problem| (problem.line, problem.column));
    check.problems
}

struct Check<'a> {
    problems: Vec<Problem>,
    /// Where each id is given, and where one is meant.
    ids: Vec<(&'a str, Element<'a>)>,
    references: Vec<(&'a str, Element<'a>)>,
}

impl<'a> Check<'a> {
    fn tell(&mut self, element: Element<'_>, at: usize, text: String) {
        let place = element.document().text_pos_at(at);
        self.problems.push(Problem { line: place.row, column: place.col, text });
    }

    fn element(&mut self, element: Element<'a>, shape: &Shape) {
        self.attributes(element, shape);
        self.needed(element, shape);
        let mut seen: Vec<&str> = Vec::new();
        for child in element.children() {
            let at = child.range().start;
            if child.is_text() && child.text().is_some_and(|text| !text.trim().is_empty()) {
                self.tell(element, at, format!("text in <{}>: put it in an attribute, or delete it", name(element)));
            }
            if !child.is_element() {
                continue;
            }
            let own = name(child);
            if !shape.children.contains(&own) {
                let mend = belongs(own, shape);
                self.tell(child, at, format!("<{own}> does not belong in <{}>: {mend}", name(element)));
                continue;
            }
            if shape.once.contains(&own) && seen.contains(&own) {
                self.tell(child, at, format!("a second <{own}> in <{}>: make them one", name(element)));
            }
            seen.push(own);
            if let Some(shape) = table::of(own) {
                self.element(child, shape);
            }
        }
        match name(element) {
            "rule" if element.attribute("id-ref").is_none() && seen.is_empty() => {
                let text = "a rule without a condition: put an <expression> in it, or delete it".to_owned();
                self.tell(element, element.range().start, text);
            }
            "date_expression" => self.date(element),
            "nodes" => self.nodes(element),
            "nvpair" => self.option(element),
            _ => {}
        }
    }

    fn attributes(&mut self, element: Element<'a>, shape: &Shape) {
        for attribute in element.attributes() {
            let (own, value) = (attribute.name(), attribute.value());
            let Some((_, kind)) = shape.attributes.iter().find(|(known, _)| *known == own) else {
                let known: Vec<&str> = shape.attributes.iter().map(|(known, _)| *known).collect();
                let mend = match nearest(own, &known) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None if known.is_empty() => "delete it".to_owned(),
                    None => format!("there are {}", known.join(", ")),
                };
                let text = format!("<{}> has no attribute {own:?}: {mend}", name(element));
                self.tell(element, attribute.range().start, text);
                continue;
            };
            match kind {
                Kind::Id => self.ids.push((value, element)),
                Kind::IdRef => self.references.push((value, element)),
                _ => {}
            }
            if let Some(mend) = kind.fault(value) {
                self.tell(element, attribute.range().start, format!("{own}={value:?}: {mend}"));
            }
        }
    }

    /// What has to be there, and what may not be there together.
    fn needed(&mut self, element: Element<'a>, shape: &Shape) {
        let (at, own) = (element.range().start, name(element));
        let has = |name: &&&str| element.has_attribute(**name) || element.children().any(|it| it.has_tag_name(**name));
        let is_elsewhere =
            element.has_attribute("id-ref") && shape.attributes.iter().any(|(name, _)| *name == "id-ref");
        for missing in shape.needs.iter().filter(|name| !is_elsewhere && !element.has_attribute(**name)) {
            self.tell(element, at, format!("<{own}> has no {missing}: write {missing}=\"…\""));
        }
        let named = |names: &[&str]| names.iter().map(|name| shown(name, shape)).collect::<Vec<_>>().join(" or ");
        for choice in shape.one_of {
            match choice.iter().filter(has).count() {
                0 => self.tell(element, at, format!("<{own}> is not whole: it wants {}", named(choice))),
                1 => {}
                _ => self.tell(element, at, format!("<{own}> says too much: it wants one of {}", named(choice))),
            }
        }
        for (one, other) in shape.with {
            if has(&one) && !has(&other) {
                self.tell(element, at, format!("<{own}> says {one}, but no {other}: write {other}=\"…\""));
            }
        }
        if element.attribute("class") == Some("ocf") && own != "rsc_expression" && !element.has_attribute("provider") {
            self.tell(element, at, format!("<{own}> is of class ocf without a provider: write provider=\"heartbeat\""));
        }
    }

    fn nodes(&mut self, section: Element<'a>) {
        for key in ["id", "uname"] {
            let mut known = BTreeSet::new();
            for node in section.children().filter(|child| child.has_tag_name("node")) {
                if let Some(own) = node.attribute(key).filter(|own| !known.insert(*own)) {
                    self.tell(
                        node,
                        node.range().start,
                        format!("a second node with {key}={own:?}: delete one of them"),
                    );
                }
            }
        }
    }

    /// What Pacemaker would call invalid, and take the default.
    fn option(&mut self, pair: Element<'a>) {
        let block = pair.parent().map(name).unwrap_or_default();
        let (Some(own), Some(text)) = (pair.attribute("name"), pair.attribute("value")) else { return };
        let Some(kind) = table::option(block, own).filter(|_| !text.eq_ignore_ascii_case("#default")) else { return };
        let is_known = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        if matches!(kind, Kind::Word(words) if is_known(words)) {
            return;
        }
        if let Some(mend) = kind.fault(text) {
            self.tell(pair, pair.range().start, format!("{own}={text:?}: {mend}"));
        }
    }

    fn date(&mut self, element: Element<'a>) {
        let wanted = match element.attribute("operation") {
            Some("gt") => "start",
            Some("lt") => "end",
            _ => "",
        };
        let at = element.range().start;
        if !wanted.is_empty() && !element.has_attribute(wanted) {
            self.tell(element, at, format!("<date_expression> has no {wanted}: write {wanted}=\"2026-12-31T18:00Z\""));
        } else if let Some(fault) = when(element).fault() {
            self.tell(element, at, format!("this date can never be told: {fault}"));
        }
    }

    /// Each id is given once, and what is meant by one is there.
    fn ids(&mut self) {
        let mut ids = std::mem::take(&mut self.ids);
        // Short ones first: most are told apart without a look at their letters.
        let compare = |a: &str, b: &str| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        ids.sort_by(|(a, one), (b, other)| match compare(a, b) {
            Ordering::Equal => one.range().start.cmp(&other.range().start),
            unequal => unequal,
        });
        for pair in ids.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            let (id, first, second) = (pair[0].0, pair[0].1, pair[1].1);
            let line = first.document().text_pos_at(first.range().start).row;
            let text = format!("the id {id:?} is that of <{}> in line {line}: give one of them another", name(first));
            self.tell(second, second.range().start, text);
        }
        for (id, element) in std::mem::take(&mut self.references) {
            if ids.binary_search_by(|(known, _)| compare(known, id)).is_err() {
                self.tell(element, element.range().start, format!("id-ref={id:?}: nothing has this id"));
            }
        }
    }
}

impl Kind {
    /// What is wrong with a value, and what is wanted instead.
    fn fault(self, text: &str) -> Option<String> {
        let is_whole = |text: &str| {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_right = match self {
            Self::Text => true,
            Self::Id | Self::IdRef => is_id(text),
            Self::Flag => ["true", "false", "1", "0"].contains(&text),
            Self::Switch => value::boolean(text).is_some(),
            Self::Whole => is_whole(text),
            Self::Positive => {
                is_whole(text) && !text.starts_with('-') && text.bytes().any(|it| (b'1'..=b'9').contains(&it))
            }
            Self::Span => value::milliseconds(text).is_some(),
            Self::Score => is_whole(text) || ["INFINITY", "+INFINITY", "-INFINITY"].contains(&text),
            Self::Word(words) => words.contains(&text),
        };
        if is_right {
            return None;
        }
        Some(match self {
            Self::Text => String::new(),
            Self::Id | Self::IdRef => {
                "an id is made of letters, digits, '-', '_' and '.', and begins with a letter".into()
            }
            Self::Flag | Self::Switch => "write true or false".to_owned(),
            Self::Whole => "write a whole number".to_owned(),
            Self::Positive => "write a whole number from 1 on".to_owned(),
            Self::Span => "write a time such as 20s, 5min or 250ms".to_owned(),
            Self::Score => "write a whole number, INFINITY or -INFINITY".to_owned(),
            Self::Word(words) => match nearest(text, words) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("write {}", words.join(", ")),
            },
        })
    }
}

fn is_id(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    begins && text.chars().all(|c| c.is_alphanumeric() || ['-', '_', '.', '\u{b7}'].contains(&c))
}

fn name<'a>(element: Element<'a>) -> &'a str {
    element.tag_name().name()
}

/// An attribute or an element, as it is written.
fn shown(name: &str, shape: &Shape) -> String {
    match shape.attributes.iter().any(|(known, _)| *known == name) {
        true => format!("{name}=\"…\""),
        false => format!("<{name}>"),
    }
}

fn belongs(own: &str, shape: &Shape) -> String {
    match nearest(own, shape.children) {
        Some(near) => format!("did you mean <{near}>?"),
        None if shape.children.is_empty() => "nothing does".to_owned(),
        None => format!("there are {}", shape.children.join(", ")),
    }
}
