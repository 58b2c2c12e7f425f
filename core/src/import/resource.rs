//! `<resources>`: what there is, and what of it can be here.

use super::{Element, Fate, Import};
use roxmltree::Node;

impl<'a> Import<'a, '_> {
    pub(super) fn resources(&mut self, section: Element<'a>) {
        for element in section.children().filter(Node::is_element) {
            self.resource(element);
        }
    }

    fn resource(&mut self, element: Element<'a>) {
        let id = element.attribute("id").unwrap_or_default();
        match element.tag_name().name() {
            "primitive" => self.primitive(element),
            "group" => self.group(element, id),
            // Read where a primitive names it.
            "template" => self.template(element, id),
            "clone" | "master" => {
                self.lose_nested(
                    element,
                    id,
                    "a clone, and clones do not run here yet",
                    "define one primitive for each copy",
                );
            }
            "bundle" => self.lose_nested(element, id, "a bundle, and containers do not run here", ""),
            other => self.lose(id, element, format!("<{other}> is no resource"), ""),
        }
    }

    /// A resource that cannot be here, and so nothing that is in it.
    fn lose_nested(&mut self, element: Element<'a>, id: &str, what: &str, mend: &str) {
        let is_inner = |at: &Element<'_>| ["primitive", "group", "clone"].contains(&at.tag_name().name());
        let inner: Vec<Element<'a>> = element.descendants().skip(1).filter(is_inner).collect();
        for at in inner {
            let what = format!("it is in {id}, which is {what}");
            self.tell(Fate::LeftOut, at.attribute("id").unwrap_or_default(), at, what, mend);
        }
        self.lose(id, element, format!("it is {what}"), mend);
    }

    fn group(&mut self, element: Element<'a>, id: &str) {
        self.lose_nested(element, id, "a group", "define its members");
    }

    fn template(&mut self, element: Element<'a>, id: &str) {
        let is_used = self.root.descendants().any(|at| at.attribute("template") == Some(id));
        if !is_used {
            return self.lose(id, element, "nothing is made from this template", "");
        }
        self.tell(Fate::Changed, id, element, "what is made from this template says all of it itself", "");
    }
}

/// Why this is no amount of utilization.
pub(super) fn amount(name: &str, value: &str) -> Option<(String, String)> {
    let is_sound = value.parse::<u64>().is_ok();
    (!is_sound)
        .then(|| (format!("utilization {name}={value} is not a whole number"), "write a whole number".to_owned()))
}
