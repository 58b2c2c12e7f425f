//! What would keep the whole configuration out is taken out again, and told.

use super::{Fate, Import, Told};
use crate::config::shorthand::{Group, Want};
use crate::config::validate::{Problem, validate};
use crate::config::{Config, ResourceMeta};
use crate::id::{NodeId, ResourceId};
use crate::score::Score;

impl Import<'_, '_> {
    pub(super) fn check(&mut self) {
        self.check_levels();
        loop {
            self.config.expand();
            let report = validate(&self.with_stand_ins());
            let before = self.config.clone();
            for problem in report.errors {
                self.take_out(problem);
            }
            if before == self.config {
                for warning in report.warnings {
                    self.note(Fate::Note, warning);
                }
                break;
            }
            self.check_levels();
        }
        self.tell_unknown_nodes();
        self.tell_stickiness();
    }

    /// A location may be about a node that joins later; it may as well be misspelt, which nothing else would show.
    fn tell_unknown_nodes(&mut self) {
        // What sets and patterns were spread to has no element of its own.
        let written = self.config.locations.iter().filter(|(id, _)| self.ids.contains_key(id.as_str()));
        let named = written.map(|(id, location)| (id, &location.node));
        let wide = self.config.shorthand.locations.iter().filter_map(|(id, location)| match &location.want {
            Want::Node(_, node) => Some((id, node)),
            Want::Rules(_) => None,
        });
        let is_unknown = |(_, node): &(&String, &NodeId)| !self.config.nodes.contains_key(*node);
        let unknown = named.chain(wide).filter(is_unknown).map(|(id, node)| Problem {
            object: id.clone(),
            what: format!("it is about node {node}, and no such node is among those that are taken over"),
            mend: format!("mend the name, or delete {id}; it says nothing until a node {node} joins"),
        });
        for problem in unknown.collect::<Vec<_>>() {
            self.note(Fate::Note, problem);
        }
    }

    /// The configuration as it can be judged: a VM whose file is not there yet is not to be blamed for it.
    fn with_stand_ins(&self) -> Config {
        let mut config = self.config.clone();
        for id in self.missing.keys() {
            if let Some(vm) = config.primitives.get_mut(id) {
                vm.agent.kind = "fake".to_owned();
                vm.params.clear();
            }
        }
        config
    }

    fn take_out(&mut self, problem: Problem) {
        let name = |(id, _): (&String, &Group)| ResourceId::from(id.as_str());
        let id = problem.object.clone();
        let config = &mut self.config;
        let wide = &mut config.shorthand;
        wide.own.remove(&ResourceId::from(id.as_str()));
        for group in wide.groups.values_mut() {
            group.members.retain(|member| member.as_str() != id);
        }
        // A clone of a group goes with the last of that.
        let empty: Vec<ResourceId> =
            wide.groups.iter().filter(|(_, group)| group.members.is_empty()).map(name).collect();
        wide.groups.values_mut().for_each(|group| group.members.retain(|member| !empty.contains(member)));
        wide.groups.retain(|_, group| !group.members.is_empty());
        let is_gone = config.nodes.remove(&NodeId::from(id.as_str())).is_some()
            || config.primitives.remove(&ResourceId::from(id.as_str())).is_some()
            || wide.templates.remove(&id).is_some()
            || wide.groups.remove(&id).is_some()
            || wide.tags.remove(&id).is_some()
            || wide.locations.remove(&id).is_some()
            || wide.colocations.remove(&id).is_some()
            || wide.orders.remove(&id).is_some()
            || config.locations.remove(&id).is_some()
            || config.colocations.remove(&id).is_some()
            || config.orders.remove(&id).is_some();
        self.missing.remove(&ResourceId::from(id.as_str()));
        if !is_gone && id == "fencing_topology" {
            config.fencing_topology.clear();
        }
        self.note(Fate::LeftOut, problem);
    }

    fn note(&mut self, fate: Fate, Problem { object, what, mend }: Problem) {
        let at = self.ids.get(object.as_str());
        let line = at.map_or(0, |at| at.document().text_pos_at(at.range().start).row);
        let told = Told { id: object, line, fate, what, mend };
        let is_known = |one: &Told| one.id == told.id && one.fate == fate && one.what == told.what;
        if !self.told.iter().any(is_known) {
            self.told.push(told);
        }
    }

    /// The default here is another.
    fn tell_stickiness(&mut self) {
        const NAME: &str = "resource-stickiness";
        let says = |id: &ResourceId| {
            let primitive = self.config.primitives.get(id);
            self.config.rsc_defaults.contains_key(NAME) || primitive.is_some_and(|it| it.meta.contains_key(NAME))
        };
        let mut resources = self.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device());
        if ResourceMeta::default().stickiness != Score::ZERO && resources.any(|(id, _)| !says(id)) {
            let what =
                "resource-stickiness is 1 here where it is not set, and 0 in Pacemaker: nothing is moved for balance";
            let mend = "`qrm configure rsc_defaults resource-stickiness=0` if it should be";
            let told =
                Told { id: NAME.to_owned(), line: 0, fate: Fate::Note, what: what.to_owned(), mend: mend.to_owned() };
            self.told.push(told);
        }
    }
}
