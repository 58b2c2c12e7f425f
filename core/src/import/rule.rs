//! `<rule>` in a location or in a block of attributes.

use super::constraint::Refusal;
use super::{Element, Import};
use crate::cib;
use crate::config::validate::{faults, meaning};
use crate::config::{AgentClass, Attributes, RuledSet, Section};
use crate::rule::date::When;
use crate::rule::{COMPARISONS, KINDS, PRESENCES, Rule, RuleScore, Test};
use crate::score::Score;
use roxmltree::Node;
use std::collections::BTreeMap;

impl<'a> Import<'a, '_> {
    pub(super) fn rules(&mut self, element: Element<'a>) -> Result<Vec<Rule>, Refusal> {
        let rules: Vec<Element<'a>> = element.children().filter(|child| child.has_tag_name("rule")).collect();
        rules.into_iter().map(|rule| self.rule(rule)).collect()
    }

    /// Attributes that hold where or when a rule does; what cannot be here is told, and goes on without it.
    pub(super) fn ruled_sets(
        &mut self,
        owner: &str,
        parents: &[Element<'a>],
        (block, section): (&str, Section),
        class: Option<AgentClass>,
    ) -> Vec<RuledSet> {
        let mut found = Vec::new();
        let is_ruled = |at: &Element<'a>| at.children().any(|child| child.has_tag_name("rule"));
        let blocks = parents.iter().flat_map(|parent| parent.children()).filter(|at| at.has_tag_name(block));
        for at in blocks.collect::<Vec<_>>() {
            let at = self.resolve(at);
            if !is_ruled(&at) {
                continue;
            }
            self.ruled.insert(at.id().get_usize());
            match self.ruled_set(at, section, class) {
                Ok(set) => found.push(set),
                Err((what, mend)) => {
                    let names: Vec<&str> = at.children().filter_map(|pair| pair.attribute("name")).collect();
                    self.lose(owner, at, format!("{}: {what}", names.join(", ")), mend);
                }
            }
        }
        found
    }

    fn ruled_set(
        &mut self,
        at: Element<'a>,
        section: Section,
        class: Option<AgentClass>,
    ) -> Result<RuledSet, (String, String)> {
        let told = |(what, mend): Refusal| (what, mend.to_owned());
        let score = self.attribute(at, "score").map_or(Score::ZERO, cib::score);
        let mut rules = self.rules(at).map_err(told)?;
        let rule = rules.pop().filter(|_| rules.is_empty());
        let rule = rule.ok_or_else(|| told(("it has several rules".to_owned(), "write one")))?;
        let rule = Some(Rule { score: RuleScore::Number(Score::ZERO), role: None, ..rule });
        let mut pairs = Attributes::new();
        for pair in at.children().filter(|child| child.has_tag_name("nvpair")).collect::<Vec<_>>() {
            let pair = self.resolve(pair);
            let (name, value) = (self.attribute(pair, "name"), self.attribute(pair, "value"));
            let name = name.filter(|name| crate::grammar::is_attribute_name(name));
            if let (Some(name), Some(value)) = (name, value) {
                pairs.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        let set = RuledSet { section, score, rule, pairs };
        let meaning = meaning("", &set).into_iter().filter(|error| !error.is_warning());
        let mut faults = faults(&set, class).into_iter().chain(meaning.map(|error| (error.to_string(), String::new())));
        match faults.next() {
            Some(fault) => Err(fault),
            None if set.pairs.is_empty() => Err(told(("it says nothing".to_owned(), ""))),
            None => Ok(set),
        }
    }

    fn rule(&mut self, rule: Element<'a>) -> Result<Rule, Refusal> {
        let rule = self.resolve(rule);
        let role = self.role(rule, "role")?;
        let number = self.attribute(rule, "score").map_or(Score::INFINITY, cib::score);
        let score = match self.attribute(rule, "score-attribute") {
            Some(name) => RuleScore::Attribute(name.to_owned()),
            None => RuleScore::Number(number),
        };
        let any = self.attribute(rule, "boolean-op") == Some("or");
        let parts: Vec<Element<'a>> = rule.children().filter(Node::is_element).collect();
        let tests = parts.into_iter().map(|part| self.test(part)).collect::<Result<Vec<Test>, Refusal>>()?;
        if tests.is_empty() {
            return Err(("a rule of it asks nothing".to_owned(), ""));
        }
        Ok(Rule { score, any: any && tests.len() > 1, tests, role })
    }

    fn test(&mut self, part: Element<'a>) -> Result<Test, Refusal> {
        let part = self.resolve(part);
        match part.tag_name().name() {
            "expression" => {}
            "rsc_expression" => {
                let part_of = |import: &mut Self, name| import.attribute(part, name).map(ToOwned::to_owned);
                let (class, provider, kind) =
                    (part_of(self, "class"), part_of(self, "provider"), part_of(self, "type"));
                // VMs have a class of their own here.
                let is_vm = kind.as_deref() == Some("VirtualDomain");
                return match is_vm {
                    true => Ok(Test::Agent { class: Some("vm".to_owned()), provider: None, kind: None }),
                    false => Ok(Test::Agent { class, provider, kind }),
                };
            }
            "op_expression" => {
                let name = self.attribute(part, "name").unwrap_or_default().to_owned();
                let interval = self.attribute(part, "interval").map(ToOwned::to_owned);
                return Ok(Test::Operation { name, interval });
            }
            "date_expression" => return self.date(part).map(Test::Date),
            "rule" => return Err(("rules within rules are not supported".to_owned(), "write two rules")),
            other => return Err((format!("<{other}> in its rule is not supported"), "")),
        }
        if self.attribute(part, "value-source").is_some_and(|source| source != "literal") {
            return Err(("its rule compares with a parameter of the resource".to_owned(), "write the value itself"));
        }
        let attribute = self.attribute(part, "attribute").unwrap_or_default().to_owned();
        let operation = self.attribute(part, "operation").unwrap_or_default().to_owned();
        let kind = self.attribute(part, "type").unwrap_or_default().to_owned();
        let value = self.attribute(part, "value").map(ToOwned::to_owned);
        let is_sound = match &value {
            Some(_) if COMPARISONS.contains(&operation.as_str()) => kind.is_empty() || KINDS.contains(&kind.as_str()),
            _ => PRESENCES.contains(&operation.as_str()),
        };
        if !is_sound || !crate::grammar::is_attribute_name(&attribute) {
            return Err((
                format!("its rule asks whether {attribute:?} is {operation:?}, which is no question here"),
                "",
            ));
        }
        let compares = COMPARISONS.contains(&operation.as_str());
        let kind = if compares { kind } else { String::new() };
        Ok(Test::Attribute { attribute, operation, kind, value: value.filter(|_| compares) })
    }

    fn date(&mut self, part: Element<'a>) -> Result<When, Refusal> {
        let bound = |import: &mut Self, name| import.attribute(part, name).map(cib::usual);
        let (start, end) = (bound(self, "start"), bound(self, "end"));
        let inner = part.children().find(|child| child.has_tag_name("duration") || child.has_tag_name("date_spec"));
        let inner = inner.map(|inner| self.resolve(inner));
        let fields = inner.map(cib::fields).unwrap_or_default();
        if let Some(inner) = inner {
            self.skip(inner);
        }
        let when = match self.attribute(part, "operation") {
            Some("gt") => When::After(start.unwrap_or_default()),
            Some("lt") => When::Before(end.unwrap_or_default()),
            Some("date_spec") => When::Spec(fields),
            _ => When::Within { start, lasts: if end.is_some() { BTreeMap::new() } else { fields }, end },
        };
        match when.fault() {
            None => Ok(when),
            Some(fault) => Err((format!("a date in its rule: {fault}"), "write it as 2026-11-22T18:00Z")),
        }
    }
}
