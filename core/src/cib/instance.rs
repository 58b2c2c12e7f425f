//! Which resource a history speaks of: instances of anonymous clones have no names of their own on a node, and what is
//! not configured any more is an orphan.

use super::dom::text;
use super::remote::is_connection;
use super::{Element, Reader};
use crate::scheduler::{Kind, NodeIx, Role, RscIx};

impl<'a> Reader<'a> {
    /// The resource of an `<lrm_resource>` on a node; an orphan is made for what is not configured.
    pub(super) fn resource_of(&mut self, history: Element<'a>, node: NodeIx) -> Option<RscIx> {
        let id = text(history, "id");
        let (base, number) = split(id);
        // An instance by its full name, where instances differ.
        if let Some(&rsc) = self.resources.get(id) {
            if let Some(found) = self.in_bundle(rsc, number, history, node) {
                return Some(found);
            }
            match self.model.clone_of(rsc) {
                None => return Some(rsc),
                // What has become a clone since: its old record is of nothing that is there.
                Some((clone, _)) if self.model.resources[clone].base == base => return None,
                Some((_, spec)) if spec.is_unique && number.is_some() => return Some(rsc),
                Some((clone, _)) => return self.instance(clone, base, node),
            }
        }
        match self.resources.get(base).map(|rsc| self.model.uppermost(*rsc)) {
            Some(clone) if number.is_some() => match &self.model.resources[clone].kind {
                Kind::Clone(spec) if spec.is_unique => self.orphan_instance(clone, base, number?),
                Kind::Clone(_) => self.instance(clone, base, node),
                _ => Some(self.orphan(history)),
            },
            _ => Some(self.orphan(history)),
        }
    }

    fn orphan_instance(&mut self, clone: RscIx, base: &str, number: usize) -> Option<RscIx> {
        let instance = self.add_orphan_instance(clone, number)?;
        self.part(instance, base)
    }

    /// The primitive with this base in an instance.
    fn part(&self, instance: RscIx, base: &str) -> Option<RscIx> {
        self.model.primitives(instance).into_iter().find(|rsc| self.model.resources[*rsc].base == base)
    }

    /// The instance of an anonymous clone that stands for this node: the one that already does, else a free one. What a
    /// node has more than once is one more than configured.
    fn instance(&mut self, clone: RscIx, base: &str, node: NodeIx) -> Option<RscIx> {
        let Kind::Clone(spec) = &self.model.resources[clone].kind else { return None };
        let instances = spec.instances.clone();
        let is_on = |instance: &RscIx| {
            let mut parts = self.model.primitives(*instance).into_iter();
            parts.any(|part| self.model.resources[part].active_on.contains(&node))
        };
        let mut is_there_already = false;
        for there in instances.iter().filter(|instance| is_on(instance)) {
            let part = self.part(*there, base)?;
            if self.model.resources[part].active_on.is_empty() {
                return Some(part);
            }
            is_there_already = true;
        }
        // What only said "stopped" does not hold an instance.
        let is_free = |instance: &&RscIx| {
            let parts = self.model.primitives(**instance);
            parts.into_iter().all(|part| self.model.resources[part].active_on.is_empty())
                && self.part(**instance, base).is_some_and(|part| !self.is_pending(part))
        };
        if let Some(free) = instances.iter().find(is_free).filter(|_| !is_there_already) {
            return self.part(*free, base);
        }
        let next = instances.len();
        self.orphan_instance(clone, base, next)
    }

    fn is_pending(&self, rsc: RscIx) -> bool {
        self.model.resources[rsc].is_start_pending
    }

    /// A resource that only the status knows.
    pub(super) fn orphan(&mut self, history: Element<'a>) -> RscIx {
        let id = text(history, "id").to_owned();
        let mut resource = self.blank(id.clone(), id.clone(), Kind::Primitive, None);
        text(history, "class").clone_into(&mut resource.class);
        resource.is_orphan = true;
        resource.is_managed = self.model.options.stop_orphans && !self.model.options.maintenance;
        resource.target = Some(Role::Stopped);
        self.model.resources.push(resource);
        let rsc = self.model.resources.len() - 1;
        self.model.top.push(rsc);
        let agent = [text(history, "class"), text(history, "provider"), text(history, "type")];
        self.resources.insert(id.clone(), rsc);
        if is_connection(agent) {
            self.link(rsc, &id, None);
            if let Some(node) = self.nodes.get(&id) {
                self.model.nodes[*node].is_shutting_down = true;
            }
        }
        rsc
    }
}

/// `id:3` in its parts.
fn split(id: &str) -> (&str, Option<usize>) {
    match id.rsplit_once(':') {
        Some((base, number)) => match number.parse() {
            Ok(number) => (base, Some(number)),
            Err(_) => (id, None),
        },
        None => (id, None),
    }
}
