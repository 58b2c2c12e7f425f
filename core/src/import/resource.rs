//! `<resources>`: what there is, and what of it can be here.

use super::options::meta_fault;
use super::{Element, Fate, Import};
use crate::config::shorthand::Group;
use crate::config::{Attributes, CloneSpec, PROMOTABLE, boolean};
use crate::grammar::{SINGLE_OBJECTS, is_id};
use crate::id::ResourceId;
use roxmltree::Node;

impl<'a> Import<'a, '_> {
    pub(super) fn resources(&mut self, section: Element<'a>) {
        for template in section.children().filter(|child| child.has_tag_name("template")) {
            self.template(template, template.attribute("id").unwrap_or_default());
        }
        for element in section.children().filter(Node::is_element) {
            self.resource(element);
        }
    }

    fn resource(&mut self, element: Element<'a>) {
        let id = element.attribute("id").unwrap_or_default();
        match element.tag_name().name() {
            "primitive" => _ = self.primitive(element),
            "group" => self.group(element, id),
            "template" => {}
            "clone" | "master" => self.clone_of(element, id),
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
        self.see(element);
        if !is_id(id) || SINGLE_OBJECTS.contains(&id) {
            return self.lose_nested(element, id, "a group, and this cannot be an id here", "rename it");
        }
        let children: Vec<Element<'a>> = element.children().filter(|child| child.has_tag_name("primitive")).collect();
        let members: Vec<ResourceId> = children.into_iter().filter_map(|child| self.primitive(child)).collect();
        for (at, name, value) in self.pairs(id, &[element], "instance_attributes") {
            let what = format!("{name}={value}: groups have no parameters of their own here");
            self.tell(Fate::LeftOut, id, at, what, "give it to each member");
        }
        let pairs = self.pairs(id, &[element], "meta_attributes");
        let meta = self.sound(id, pairs, |name, value| match name {
            "ordered" | "collocated" | "colocated" if boolean(value) == Some(false) => {
                let what = format!("{name}={value}: members of a group run together, one after another");
                Some((what, "take the group apart, and write an order or a colocation".to_owned()))
            }
            // As it is anyway.
            "ordered" | "collocated" | "colocated" => None,
            name => meta_fault(id, name, value),
        });
        let is_meant = |name: &String| !["ordered", "collocated", "colocated"].contains(&name.as_str());
        let meta = meta.into_iter().filter(|(name, _)| is_meant(name)).collect();
        if members.is_empty() {
            return self.lose(id, element, "none of its members is left", "");
        }
        self.config.shorthand.groups.insert(id.to_owned(), Group { members, meta });
    }

    fn clone_of(&mut self, element: Element<'a>, id: &str) {
        const APART: &str = "define one primitive for each copy";
        self.see(element);
        let pairs = self.pairs(id, &[element], "meta_attributes");
        let says = |name: &str| pairs.iter().find(|(_, known, _)| known == name).map(|(_, _, value)| value.as_str());
        let is_on = |name: &str| says(name).and_then(boolean) == Some(true);
        let is_promotable = is_on(PROMOTABLE);
        let is_unique = is_on("globally-unique");
        let is_member = |child: &Element<'_>| child.has_tag_name("primitive") || child.has_tag_name("group");
        let member = element.children().find(is_member);
        let group = member.filter(|member| member.has_tag_name("group"));
        let mut all = member.into_iter().flat_map(|member| member.descendants());
        let is_vm = all.any(|at| at.has_tag_name("primitive") && at.attribute("type") == Some("VirtualDomain"));
        let what = match member {
            None => Some("a clone of nothing"),
            Some(_) if is_vm => Some("a clone of a VM, which has one identity"),
            Some(_) if is_unique && (group.is_some() || is_promotable || element.has_tag_name("master")) => {
                Some("a clone whose instances differ, and those are of one primitive here, and not promoted")
            }
            Some(_) if !is_id(id) || SINGLE_OBJECTS.contains(&id) => Some("a clone, and this cannot be an id here"),
            Some(_) => None,
        };
        if let Some(what) = what {
            return self.lose_nested(element, id, what, APART);
        }
        let owner = ResourceId::from(id);
        let mut meta = self.sound(id, pairs, |name, value| {
            let pair = Attributes::from([(name.to_owned(), value.to_owned())]);
            let errors = CloneSpec::errors(&owner, &pair);
            errors.first().map(|error| (format!("meta attribute {error}"), String::new()))
        });
        for (at, name, value) in self.pairs(id, &[element], "instance_attributes") {
            let what = format!("{name}={value}: clones have no parameters of their own here");
            self.tell(Fate::LeftOut, id, at, what, "give it to the primitive");
        }
        if !is_unique && meta.remove("clone-node-max").is_some_and(|many| many.trim() != "1") {
            let what = "clone-node-max is 1: instances that do not differ run once on a node, as in Pacemaker";
            self.tell(Fate::Changed, id, element, what, "");
        }
        if is_unique && !meta.contains_key("clone-max") {
            let nodes = self.root.descendants().filter(|at| at.has_tag_name("node") && at.attribute("uname").is_some());
            let many = nodes.count().max(1).to_string();
            let what = format!("clone-max={many} is written out: as many as there are nodes now");
            meta.insert("clone-max".to_owned(), many);
            self.tell(Fate::Changed, id, element, what, "");
        }
        let is_promotable = element.has_tag_name("master") || is_promotable;
        meta.insert(PROMOTABLE.to_owned(), is_promotable.to_string());
        let cloned = match group {
            Some(group) => {
                let name = group.attribute("id").unwrap_or_default();
                self.group(group, name);
                self.config.shorthand.groups.contains_key(name).then(|| ResourceId::from(name))
            }
            None => member.and_then(|member| self.primitive(member)),
        };
        match cloned {
            Some(member) => {
                _ = self.config.shorthand.groups.insert(id.to_owned(), Group { members: vec![member], meta });
            }
            None => self.lose(id, element, "what it clones is left out", ""),
        }
    }

    pub(super) fn tags(&mut self, section: Element<'a>) {
        for tag in section.children().filter(|child| child.has_tag_name("tag")) {
            self.see(tag);
            let id = tag.attribute("id").unwrap_or_default();
            let mut members = Vec::new();
            for member in tag.children().filter(|child| child.has_tag_name("obj_ref")) {
                self.see(member);
                let name = member.attribute("id").unwrap_or_default();
                match self.known(Some(name)) {
                    Ok(_) => members.push(name.to_owned()),
                    Err((why, _)) => self.tell(Fate::LeftOut, id, member, why, ""),
                }
            }
            if members.is_empty() || !is_id(id) || SINGLE_OBJECTS.contains(&id) {
                self.lose(id, tag, "nothing is left of this tag", "");
                continue;
            }
            self.config.shorthand.tags.insert(id.to_owned(), members);
        }
    }

    fn template(&mut self, element: Element<'a>, id: &'a str) {
        let mut made = self.root.descendants().filter(|at| at.attribute("template") == Some(id));
        if made.next().is_none() {
            return self.lose(id, element, "nothing is made from this template", "");
        }
        if !is_id(id) || !self.keep_template(id, element) {
            self.tell(Fate::Changed, id, element, "what is made from this template says all of it itself", "");
        }
    }
}

/// Why this is no amount of utilization.
pub(super) fn amount(name: &str, value: &str) -> Option<(String, String)> {
    let is_sound = value.parse::<u64>().is_ok();
    (!is_sound)
        .then(|| (format!("utilization {name}={value} is not a whole number"), "write a whole number".to_owned()))
}
