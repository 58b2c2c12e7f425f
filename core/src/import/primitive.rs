//! `<primitive>`: its agent, and what is handed to it.

use super::options::meta_fault;
use super::{Element, Fate, Import};
use crate::config::shorthand::Own;
use crate::config::{Agent, AgentClass, Attributes, HostCheck, Primitive, Section, is_unit_name};
use crate::grammar::{SINGLE_OBJECTS, is_id};
use crate::id::ResourceId;

/// How much of a resource an element says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// All of it.
    Whole,
    /// What several have in common.
    Template,
    /// What is its own.
    OfTemplate,
}

type Pairs<'a> = Vec<(Element<'a>, String, String)>;

impl<'a> Import<'a, '_> {
    /// Takes a primitive; its id, unless it was left out.
    pub(super) fn primitive(&mut self, element: Element<'a>) -> Option<ResourceId> {
        self.see(element);
        let id = element.attribute("id").unwrap_or_default();
        if !is_id(id) || SINGLE_OBJECTS.contains(&id) {
            self.lose(id, element, "this cannot be an id here", "rename it");
            return None;
        }
        let template = match self.attribute(element, "template") {
            None => None,
            Some(name) => match self.ids.get(name).copied().filter(|at| at.has_tag_name("template")) {
                Some(template) => {
                    self.see(template);
                    Some(template)
                }
                None => {
                    self.lose(id, element, format!("there is no template {name:?}"), "define it");
                    return None;
                }
            },
        };
        let kept = template.and_then(|at| at.attribute("id"));
        let kept = kept.filter(|name| self.config.shorthand.templates.contains_key(*name));
        let definitions: Vec<Element<'a>> = [Some(element), template].into_iter().flatten().collect();
        let (own, kind) = match kept {
            Some(_) => (&definitions[..1], Kind::OfTemplate),
            None => (&definitions[..], Kind::Whole),
        };
        let Some(primitive) = self.body(id, &definitions, own, kind) else {
            self.skip(element);
            return None;
        };
        let id = ResourceId::new(id);
        self.config.primitives.insert(id.clone(), primitive.clone());
        if let Some(name) = kept {
            let nothing = Agent { class: AgentClass::Vm, provider: None, kind: String::new() };
            let own = Own { template: Some(name.to_owned()), primitive: Primitive { agent: nothing, ..primitive } };
            self.config.shorthand.own.insert(id.clone(), own);
        }
        Some(id)
    }

    /// Takes a template as it is, where what is made from it can be judged without it; whether it was.
    pub(super) fn keep_template(&mut self, id: &str, element: Element<'a>) -> bool {
        let class = element.attribute("class").unwrap_or_default();
        let kind = element.attribute("type").unwrap_or_default();
        if !["ocf", "systemd", "service"].contains(&class) || kind == "remote" {
            return false;
        }
        self.see(element);
        let Some(template) = self.body(id, &[element], &[element], Kind::Template) else { return false };
        self.config.shorthand.templates.insert(id.to_owned(), template);
        true
    }

    /// What is said at `own`, by the agent that is said anywhere.
    fn body(&mut self, id: &str, all: &[Element<'a>], own: &[Element<'a>], kind: Kind) -> Option<Primitive> {
        let mut of = |name: &'static str| {
            let said: Vec<Option<&'a str>> = all.iter().map(|at| self.attribute(*at, name)).collect();
            said.into_iter().flatten().next().unwrap_or_default()
        };
        let agent = [of("class"), of("provider"), of("type")];
        let class = match agent {
            ["ocf", _, "VirtualDomain"] => AgentClass::Vm,
            ["stonith", ..] => AgentClass::Stonith,
            ["systemd" | "service", ..] => AgentClass::Systemd,
            _ => AgentClass::Ocf,
        };
        let mut ruled = self.ruled_sets(id, own, ("instance_attributes", Section::Params), Some(class));
        ruled.extend(self.ruled_sets(id, own, ("meta_attributes", Section::Meta), Some(class)));
        let params = self.pairs(id, own, "instance_attributes");
        let (agent, params) = self.agent(id, all[0], agent, params, kind)?;
        let meta = self.meta(id, own);
        let utilization = self.pairs(id, own, "utilization");
        let utilization = self.sound(id, utilization, super::resource::amount);
        let operations = self.operations(id, agent.class, own);
        Some(Primitive { agent, params, meta, utilization, operations, ruled })
    }

    fn meta(&mut self, id: &str, definitions: &[Element<'a>]) -> Attributes {
        let mut pairs = self.pairs(id, definitions, "meta_attributes");
        // A few may stand on the element itself.
        for name in ["is-managed", "multiple-active", "priority", "resource-stickiness"] {
            if let Some(value) = self.attribute(definitions[0], name)
                && !pairs.iter().any(|(_, known, _)| known == name)
            {
                pairs.push((definitions[0], name.to_owned(), value.to_owned()));
            }
        }
        self.sound(id, pairs, |name, value| meta_fault(id, name, value))
    }

    /// The agent as it is called here, with the parameters it takes; `None` after the whole was told.
    fn agent(
        &mut self,
        id: &str,
        element: Element<'a>,
        [class, provider, kind]: [&str; 3],
        params: Pairs<'a>,
        scope: Kind,
    ) -> Option<(Agent, Attributes)> {
        let is_name = |name: &str| is_id(name) && name.is_ascii();
        match (class, provider, kind) {
            ("ocf", "heartbeat", "VirtualDomain") => {
                let agent = Agent { class: AgentClass::Vm, provider: None, kind: "libvirt".to_owned() };
                Some((agent, self.virtual_domain(id, element, params, scope != Kind::Template)))
            }
            ("ocf", "pacemaker", "remote") => {
                let mend = "let the host run quorated and join";
                self.tell(Fate::LeftOut, id, element, "it is a remote node, and there are none here", mend);
                None
            }
            ("ocf", provider, kind) if is_name(provider) && is_name(kind) => {
                let agent =
                    Agent { class: AgentClass::Ocf, provider: Some(provider.to_owned()), kind: kind.to_owned() };
                Some((agent, self.sound(id, params, |_, _| None)))
            }
            ("systemd" | "service", _, kind) if is_unit_name(kind) => {
                if class == "service" {
                    let what = format!("service:{kind} is the unit here, and no init script");
                    self.tell(Fate::Changed, id, element, what, "see that each host has it: `systemctl cat`");
                }
                // Pacemaker's take none either, and pass over what is there.
                for (at, name, value) in params {
                    let what = format!("{name}={value}: a unit of systemd takes no parameters");
                    self.tell(Fate::LeftOut, id, at, what, "");
                }
                Some((Agent { class: AgentClass::Systemd, provider: None, kind: kind.to_owned() }, Attributes::new()))
            }
            ("stonith", _, kind) => self.fence_device(id, element, kind, params),
            (class, _, kind) => {
                let what = format!("agents of the class {class} ({kind}) do not run here");
                self.tell(Fate::LeftOut, id, element, what, "use an OCF agent, or a unit: systemd:NAME");
                None
            }
        }
    }

    fn fence_device(
        &mut self,
        id: &str,
        element: Element<'a>,
        kind: &str,
        params: Pairs<'a>,
    ) -> Option<(Agent, Attributes)> {
        /// What the older IPMI plugin calls its parameters, and what ours does.
        const IPMI: &[(&str, &str)] = &[
            ("hostname", "target"),
            ("ipaddr", "ip"),
            ("userid", "username"),
            ("passwd", "password"),
            ("pcmk_host_list", "pcmk_host_list"),
            ("pcmk_host_map", "pcmk_host_map"),
            ("pcmk_host_check", "pcmk_host_check"),
        ];
        let agent = |kind: &str| Agent { class: AgentClass::Stonith, provider: None, kind: kind.to_owned() };
        if kind == "external/ipmi" {
            self.tell(Fate::Changed, id, element, "stonith:external/ipmi is stonith:ipmi here", "");
            let mut taken = Attributes::new();
            for (at, name, value) in params {
                match IPMI.iter().find(|(there, _)| *there == name) {
                    Some((_, here)) => _ = taken.insert((*here).to_owned(), value),
                    None => {
                        let what =
                            format!("{name}={value}: stonith:ipmi speaks IPMI 2.0 itself and has no such parameter");
                        self.tell(Fate::LeftOut, id, at, what, "");
                    }
                }
            }
            return Some((agent("ipmi"), taken));
        }
        if ["external/sbd", "fence_sbd"].contains(&kind) {
            return self.pills(id, element, kind, params);
        }
        if !kind.starts_with("fence_") || !is_id(kind) {
            let mend = "use stonith:ipmi, or a fence agent of ClusterLabs: stonith:fence_…";
            self.tell(Fate::LeftOut, id, element, format!("there is no fence agent {kind:?} here"), mend);
            return None;
        }
        let mut params = self.sound(id, params, |_, _| None);
        if !["pcmk_host_list", "pcmk_host_map", "pcmk_host_check"].iter().any(|name| params.contains_key(*name)) {
            // What Pacemaker does with such a device has to be said here.
            let what = "nothing says which nodes this fence device is for: it is asked for its list, as Pacemaker does";
            self.tell(
                Fate::Changed,
                id,
                element,
                what,
                "pcmk_host_check=none if it has none, or give it pcmk_host_list",
            );
            params.insert("pcmk_host_check".to_owned(), "dynamic-list".to_owned());
        }
        let primitive = Primitive {
            agent: agent(kind),
            params,
            meta: Attributes::new(),
            utilization: Attributes::new(),
            operations: Vec::new(),
            ruled: Vec::new(),
        };
        if primitive.fence_targets().is_empty() && primitive.host_check() == HostCheck::StaticList {
            let what = "nothing says which nodes this fence device is for";
            self.tell(Fate::LeftOut, id, element, what, "give it pcmk_host_list or pcmk_host_map");
            return None;
        }
        Some((primitive.agent, primitive.params))
    }

    /// SBD on shared disks: those it was started with stand in no CIB, unless the device names them.
    fn pills(&mut self, id: &str, element: Element<'a>, kind: &str, params: Pairs<'a>) -> Option<(Agent, Attributes)> {
        const KEPT: &[&str] = &["devices", "pcmk_host_list", "pcmk_host_check", "pcmk_delay_base", "pcmk_delay_max"];
        let mut taken = Attributes::new();
        for (at, name, value) in params {
            let name = if name == "sbd_device" { "devices".to_owned() } else { name };
            if KEPT.contains(&name.as_str()) {
                taken.insert(name, value);
            } else {
                self.tell(Fate::LeftOut, id, at, format!("{name}={value}: stonith:sbd has no such parameter"), "");
            }
        }
        if !taken.contains_key("devices") {
            let what = "its disks stand in SBD's own file (SBD_DEVICE), which no CIB has";
            let mend = format!("`primitive {id} stonith:sbd params devices=… pcmk_host_check=none`");
            self.tell(Fate::LeftOut, id, element, what, &mend);
            return None;
        }
        if !taken.contains_key("pcmk_host_list") {
            taken.insert("pcmk_host_check".to_owned(), "none".to_owned());
        }
        let what =
            format!("stonith:{kind} is stonith:sbd here: quorate-feeder reads the slots, and no sbd runs beside it");
        self.tell(Fate::Changed, id, element, what, "");
        Some((Agent { class: AgentClass::Stonith, provider: None, kind: "sbd".to_owned() }, taken))
    }
}
