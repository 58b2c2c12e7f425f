//! `<rule>` in a location.

use super::constraint::Refusal;
use super::{Element, Import};
use crate::cib;
use crate::rule::{COMPARISONS, KINDS, PRESENCES, Rule, RuleScore, Test};
use crate::score::Score;
use roxmltree::Node;

impl<'a> Import<'a, '_> {
    pub(super) fn rules(&mut self, element: Element<'a>) -> Result<Vec<Rule>, Refusal> {
        let rules: Vec<Element<'a>> = element.children().filter(|child| child.has_tag_name("rule")).collect();
        rules.into_iter().map(|rule| self.rule(rule)).collect()
    }

    fn rule(&mut self, rule: Element<'a>) -> Result<Rule, Refusal> {
        let rule = self.resolve(rule);
        self.started(rule, "role")?;
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
        Ok(Rule { score, any: any && tests.len() > 1, tests })
    }

    fn test(&mut self, part: Element<'a>) -> Result<Test, Refusal> {
        let part = self.resolve(part);
        match part.tag_name().name() {
            "expression" => {}
            "date_expression" => {
                let mend = "a ban with a lifetime ends by itself: `qrm resource ban RSC NODE LIFETIME`";
                return Err(("rules on dates are not supported".to_owned(), mend));
            }
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
        Ok(Test { attribute, operation, kind, value: value.filter(|_| compares) })
    }
}
