//! `<operations>`

use super::{Element, Fate, Import};
use crate::config::{AgentClass, Attributes, Cloned, ORIGIN, Operation, Primitive, attribute_errors, is_said_twice};
use crate::grammar::duration;
use crate::id::ResourceId;
use roxmltree::Node;

/// What is the same on every `<op>` and says nothing.
const WITHOUT_WORD: &[&str] = &["record-pending"];
/// How deep an agent's monitor looks: a parameter of the operation there, an attribute here.
const DEPTH: &str = "OCF_CHECK_LEVEL";
const TAKEN: &[&str] =
    &["timeout", "interval", "interval-origin", "on-fail", "enabled", "role", "start-delay", "requires"];

impl<'a> Import<'a, '_> {
    /// The primitive's own, then those of its template that it does not have.
    pub(super) fn operations(&mut self, id: &str, class: AgentClass, definitions: &[Element<'a>]) -> Vec<Operation> {
        let mut found: Vec<Operation> = Vec::new();
        for definition in definitions {
            let blocks: Vec<Element<'a>> =
                definition.children().filter(|child| child.has_tag_name("operations")).collect();
            let mut theirs = Vec::new();
            for block in blocks {
                let block = self.resolve(block);
                for op in block.children().filter(|child| child.has_tag_name("op")) {
                    theirs.push((op, self.operation(id, class, op)));
                }
            }
            for (at, operation) in theirs {
                let interval = |it: &Operation| it.attributes.get("interval").and_then(|text| duration(text));
                let is_same = |it: &&Operation| it.name == operation.name && interval(it) == interval(&operation);
                if *definition != definitions[0] && found.iter().any(|it| is_same(&it)) {
                    continue;
                }
                if let Some(why) = self.misfit(id, class, &found, &operation) {
                    self.tell(Fate::LeftOut, id, at, why, "");
                    continue;
                }
                found.push(operation);
            }
        }
        // An operation of which nothing is said is as it is anyway.
        found.retain(|operation| !operation.attributes.is_empty());
        found
    }

    fn operation(&mut self, id: &str, class: AgentClass, op: Element<'a>) -> Operation {
        self.see(op);
        let name = self.attribute(op, "name").unwrap_or_default().to_owned();
        WITHOUT_WORD.iter().for_each(|name| _ = self.attribute(op, name));
        let mut pairs: Vec<(Element<'a>, String, String)> = Vec::new();
        for attribute in TAKEN {
            if let Some(value) = self.attribute(op, attribute) {
                pairs.push((op, (*attribute).to_owned(), value.to_owned()));
            }
        }
        pairs.extend(self.pairs(id, &[op], "meta_attributes"));
        for (at, parameter, value) in self.pairs(id, &[op], "instance_attributes") {
            if class == AgentClass::Ocf && name == "monitor" && parameter == DEPTH {
                pairs.push((at, parameter, value));
                continue;
            }
            let what = format!("{parameter}={value} of op {name}: operations have no parameters of their own here");
            self.tell(Fate::LeftOut, id, at, what, "");
        }
        let is_idle = |name: &str, value: &str| name == "interval" && duration(value).is_some_and(|it| it.is_zero());
        pairs.retain(|(_, attribute, value)| name == "monitor" || !is_idle(attribute, value));
        let owner = ResourceId::from(id);
        let mut attributes = self.sound(id, pairs, |attribute, value| {
            let pair = Attributes::from([(attribute.to_owned(), value.to_owned())]);
            let errors = attribute_errors(&owner, class, &name, &pair);
            errors.first().map(|error| (error.to_string(), String::new()))
        });
        // Pacemaker takes the delay.
        if is_said_twice(&attributes) {
            attributes.remove(ORIGIN);
            self.tell(Fate::LeftOut, id, op, format!("op {name} {ORIGIN} has no effect beside start-delay"), "");
        }
        Operation { name, attributes }
    }

    /// Why this operation has no place beside those that are there.
    fn misfit(&self, id: &str, class: AgentClass, found: &[Operation], operation: &Operation) -> Option<String> {
        let agent = crate::config::Agent { class, provider: None, kind: String::new() };
        let bare = |it: &Operation| {
            let interval = it.attributes.get_key_value("interval");
            let attributes = interval.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            Operation { name: it.name.clone(), attributes }
        };
        let primitive = Primitive {
            agent,
            params: Attributes::new(),
            meta: Attributes::new(),
            utilization: Attributes::new(),
            operations: found.iter().chain([operation]).map(bare).collect(),
            ruled: Vec::new(),
        };
        primitive.operation_errors(&ResourceId::from(id), Cloned::ANYHOW).first().map(ToString::to_string)
    }
}

/// Whether an element has element children of this name.
pub(super) fn has(element: Element<'_>, name: &str) -> bool {
    element.children().filter(Node::is_element).any(|child| child.has_tag_name(name))
}
