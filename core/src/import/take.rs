//! Marks what was read, so that what was not can be told.

use super::{Element, Fate, Import, Told};
use crate::cib;
use crate::config::Attributes;
use crate::grammar::is_attribute_name;
use crate::score::Score;
use roxmltree::Node;

/// Objects that a line of what is told can be about.
const OBJECTS: &[&str] = &[
    "acl_group",
    "acl_permission",
    "acl_role",
    "acl_target",
    "alert",
    "bundle",
    "clone",
    "fencing-level",
    "group",
    "master",
    "node",
    "primitive",
    "rsc_colocation",
    "rsc_location",
    "rsc_order",
    "rsc_ticket",
    "tag",
    "template",
];

impl<'a> Import<'a, '_> {
    /// The element itself is understood, and its id, which names a piece that nothing here refers to.
    pub(super) fn see(&mut self, element: Element<'a>) {
        self.taken.insert((element.id().get_usize(), ""));
        self.taken.insert((element.id().get_usize(), "id"));
    }

    /// An attribute, taken.
    pub(super) fn attribute(&mut self, element: Element<'a>, name: &'static str) -> Option<&'a str> {
        self.taken.insert((element.id().get_usize(), name));
        element.attribute(name)
    }

    /// The element with all that is in it needs no word.
    pub(super) fn skip(&mut self, element: Element<'a>) {
        for at in element.descendants().filter(Node::is_element) {
            self.see(at);
            self.taken.extend(at.attributes().map(|attribute| (at.id().get_usize(), attribute.name())));
        }
    }

    /// The element itself, or the one that its `id-ref` names.
    pub(super) fn resolve(&mut self, element: Element<'a>) -> Element<'a> {
        self.see(element);
        let named = self.attribute(element, "id-ref").and_then(|id| self.ids.get(id)).copied();
        if let Some(named) = named {
            self.see(named);
        }
        named.unwrap_or(element)
    }

    pub(super) fn tell(
        &mut self,
        fate: Fate,
        id: &str,
        at: Element<'_>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let line = at.document().text_pos_at(at.range().start).row;
        self.told.push(Told { id: id.to_owned(), line, fate, what: what.into(), mend: mend.into() });
    }

    /// An element that is not taken, with all that is in it.
    pub(super) fn lose(&mut self, id: &str, element: Element<'a>, what: impl Into<String>, mend: impl Into<String>) {
        self.tell(Fate::LeftOut, id, element, what, mend);
        self.skip(element);
    }

    /// None of what is in a section is taken.
    pub(super) fn lose_each(&mut self, section: Element<'a>, why: &str, mend: &str) {
        for element in section.children().filter(Node::is_element) {
            let id = element.attribute("id").unwrap_or_else(|| element.tag_name().name());
            self.lose(id, element, format!("<{}>: {why}", element.tag_name().name()), mend);
        }
    }

    /// Pairs of the blocks of this name: the highest score first, and who comes first wins. Blocks with a rule are
    /// told and left out, and so are names that cannot be written.
    pub(super) fn pairs(
        &mut self,
        owner: &str,
        parents: &[Element<'a>],
        block: &str,
    ) -> Vec<(Element<'a>, String, String)> {
        let mut found: Vec<(Element<'a>, String, String)> = Vec::new();
        for parent in parents {
            let mut blocks = Vec::new();
            for element in parent.children().filter(|child| child.has_tag_name(block)) {
                let element = self.resolve(element);
                let score = self.attribute(element, "score").map_or(Score::ZERO, cib::score);
                blocks.push((score, element));
            }
            blocks.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
            for (_, element) in blocks {
                if self.ruled.contains(&element.id().get_usize()) {
                    continue;
                }
                if element.children().any(|child| child.has_tag_name("rule")) {
                    let names: Vec<&str> = element.children().filter_map(|pair| pair.attribute("name")).collect();
                    let what =
                        format!("{} hold only where a rule does, which attributes cannot say here", names.join(", "));
                    self.lose(owner, element, what, "set what should always hold");
                    continue;
                }
                for pair in element.children().filter(|child| child.has_tag_name("nvpair")) {
                    self.pair(owner, pair, &mut found);
                }
            }
        }
        found
    }

    fn pair(&mut self, owner: &str, pair: Element<'a>, found: &mut Vec<(Element<'a>, String, String)>) {
        let own_name = self.attribute(pair, "name");
        let pair = self.resolve(pair);
        let name = own_name.or_else(|| self.attribute(pair, "name")).unwrap_or_default();
        let value = self.attribute(pair, "value");
        match value {
            _ if !is_attribute_name(name) => {
                self.tell(
                    Fate::LeftOut,
                    owner,
                    pair,
                    format!("{name:?} cannot be the name of an attribute here"),
                    "rename it",
                );
            }
            // Without a value Pacemaker takes the default.
            None => {}
            Some(_) if found.iter().any(|(_, known, _)| known == name) => {}
            Some(value) => found.push((pair, name.to_owned(), value.to_owned())),
        }
    }

    /// Those of the pairs in which nothing is found wrong; the others are told.
    pub(super) fn sound(
        &mut self,
        owner: &str,
        pairs: Vec<(Element<'a>, String, String)>,
        fault: impl Fn(&str, &str) -> Option<(String, String)>,
    ) -> Attributes {
        let mut sound = Attributes::new();
        for (at, name, value) in pairs {
            match fault(&name, &value) {
                Some((what, mend)) => self.tell(Fate::LeftOut, owner, at, what, mend),
                None => _ = sound.insert(name, value),
            }
        }
        sound
    }

    /// Whatever nobody has read.
    pub(super) fn tell_leftovers(&mut self) {
        for at in self.root.descendants().filter(Node::is_element) {
            let key = at.id().get_usize();
            let owner = at.ancestors().find(|up| OBJECTS.contains(&up.tag_name().name()));
            let name = |up: Element<'_>| up.attribute("uname").or_else(|| up.attribute("id")).map(ToOwned::to_owned);
            let owner = owner.and_then(name).unwrap_or_else(|| at.tag_name().name().to_owned());
            if !self.taken.contains(&(key, "")) {
                self.lose(&owner, at, format!("<{}> is not known here", at.tag_name().name()), "");
                continue;
            }
            for attribute in at.attributes().filter(|it| !self.taken.contains(&(key, it.name()))).collect::<Vec<_>>() {
                let (name, value) = (attribute.name(), attribute.value());
                let what = match name {
                    "description" => format!("the description {value:?} has no place in the configuration"),
                    _ => format!("{name}={value} of <{}> is not known here", at.tag_name().name()),
                };
                self.tell(Fate::LeftOut, &owner, at, what, "");
            }
        }
    }
}
