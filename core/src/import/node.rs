//! `<nodes>`: attributes and utilization; what a node was told to be is no configuration here.

use super::{Element, Fate, Import};
use crate::config::{NodeConfig, boolean};
use crate::grammar::is_id;
use crate::id::NodeId;
use crate::state::Intent;

impl<'a> Import<'a, '_> {
    pub(super) fn nodes(&mut self, section: Element<'a>) {
        for node in section.children().filter(|child| child.has_tag_name("node")) {
            self.see(node);
            let name = self.attribute(node, "uname").or_else(|| node.attribute("id")).unwrap_or_default();
            let kind = self.attribute(node, "type").unwrap_or("member");
            if !matches!(kind, "member" | "normal" | "ping") {
                let mend = "a host runs quorated itself and joins: `qrm cluster join`";
                self.lose(name, node, format!("it is a {kind} node, and there are none here"), mend);
                continue;
            }
            if kind == "ping" || !is_id(name) {
                let what = if kind == "ping" { "it is a ping node" } else { "this cannot be the name of a node here" };
                self.lose(name, node, what, "");
                continue;
            }
            self.node(node, name);
        }
    }

    fn node(&mut self, node: Element<'a>, name: &str) {
        let pairs = self.pairs(name, &[node], "instance_attributes");
        let mut attributes = Vec::new();
        for (at, attribute, value) in pairs {
            let is_on = boolean(&value) == Some(true);
            match attribute.as_str() {
                "standby" | "maintenance" if is_on => {
                    let mend = format!("`qrm node {attribute} {name}`, which --commit says to it where it is a member");
                    self.tell(Fate::Changed, name, at, format!("{attribute}={value} is no configuration here"), mend);
                    let intent = if attribute == "standby" { Intent::Standby } else { Intent::Maintenance };
                    self.intents.push((NodeId::new(name), intent));
                }
                // As if nothing were said.
                "standby" | "maintenance" => {}
                _ => attributes.push((at, attribute, value)),
            }
        }
        let utilization = self.pairs(name, &[node], "utilization");
        let config = NodeConfig {
            attributes: self.sound(name, attributes, |_, _| None),
            utilization: self.sound(name, utilization, super::resource::amount),
        };
        self.config.nodes.insert(NodeId::new(name), config);
    }
}
