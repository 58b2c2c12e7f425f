//! A change of configuration before it is proposed: pure, from what the state says now to the patch that would be
//! entered, or to all that stands against it.

use super::fault;
use quorate_api::{Fault, Reason};
use quorate_core::config::shorthand::base;
use quorate_core::config::validate::{of_members, validate, without_device};
use quorate_core::config::{AgentClass, Attributes, Config, ConfigPatch, Primitive, secret};
use quorate_core::grammar::{self, Mode, ReadError, Statement, Verb};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::one_disk::{self, Owner};
use quorate_core::state::{ClusterState, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// What a change is made from.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) revision: u64,
    pub(super) index: u64,
    pub(super) config: Config,
    members: BTreeSet<NodeId>,
    /// Those of them that run something.
    workers: BTreeSet<NodeId>,
    /// Members on which nothing new is started, for want of a device that works.
    unarmed: Vec<(NodeId, String)>,
    /// Where each VM is or may be active.
    pub(super) held: BTreeMap<ResourceId, Vec<NodeId>>,
    /// VMs that may have a disk, a name or a UUID now.
    pub(super) owners: Vec<Owner>,
}

/// A change that nothing stands against.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// What it was made from.
    pub(super) revision: u64,
    /// The log index of that.
    pub(super) index: u64,
    pub(super) patch: ConfigPatch,
    /// In the grammar's words; empty: nothing changes.
    pub(super) diff: String,
    pub(super) warnings: Vec<String>,
    /// The OCF resources and fence devices there would be, where one is new or changed: their agents have a word in it.
    pub(super) ocf: Vec<OcfResource>,
    pub(super) op_defaults: Attributes,
}

/// An OCF resource, or a fence device, as it would be.
#[derive(Clone, Debug)]
pub(super) struct OcfResource {
    pub(super) id: ResourceId,
    pub(super) primitive: Primitive,
    /// It is not what it was, as far as its agent is concerned.
    pub(super) is_changed: bool,
}

impl Base {
    /// The part of the state that matters to a change.
    pub(super) fn of(state: &ClusterState) -> Self {
        let places = |id: &ResourceId| -> Vec<NodeId> {
            let nodes = state.nodes.keys();
            nodes.filter(|node| state.standing(id, node) != Standing::NotActive).cloned().collect()
        };
        let held = state.resources.keys().map(|id| (id.clone(), places(id)));
        Self {
            revision: state.revision,
            index: state.index,
            config: state.config.clone(),
            members: state.members.keys().cloned().collect(),
            workers: state.members.keys().filter(|node| !state.is_witness(node)).cloned().collect(),
            unarmed: state.unarmed(),
            held: held.filter(|(_, nodes)| !nodes.is_empty()).collect(),
            owners: state.owners(),
        }
    }

    /// Carries statements out on the configuration.
    ///
    /// # Errors
    /// Everything that is wrong, in one message.
    pub(super) fn edit(&self, text: &str, mode: Mode, force: bool) -> Result<Edit, Fault> {
        let mut no_files =
            |name: &str| Err(format!("'{name}' is a file, and only qrm reads files: put its content there"));
        let statements =
            grammar::parse(text, &mut no_files).map_err(|errors| unreadable(&ReadError::Syntax(errors)))?;
        let forced = forced(&statements);
        let mut new = self.config.clone();
        grammar::apply_statements(&mut new, statements, mode).map_err(|errors| unreadable(&ReadError::Edit(errors)))?;
        secret::unmask(&self.config, &mut new).map_err(|problems| Fault::new(Reason::Invalid, lines(&problems)))?;
        let report = validate(&new);
        if !report.is_ok() {
            return Err(Fault::new(Reason::Invalid, lines(&report.errors)));
        }
        let conflicts = one_disk::conflicts(&self.config, &self.owners, &new);
        if !conflicts.is_empty() {
            return Err(Fault::new(Reason::Refused, lines(&conflicts)));
        }
        self.check_taken_out(&new, |id| force || forced.contains(id.as_str()))?;
        let warnings = report.warnings.into_iter().chain(of_members(&new, &self.members));
        let warnings = warnings.map(|warning| warning.to_string()).chain(self.warn_unarmed(&new));
        Ok(self.to(&new, warnings.collect()))
    }

    /// Who adds a resource hears which nodes do not get it, now or ever.
    fn warn_unarmed(&self, new: &Config) -> Vec<String> {
        let is_new = |(id, primitive): (&ResourceId, &Primitive)| {
            !primitive.is_fence_device() && !self.config.primitives.contains_key(id)
        };
        let adds = new.primitives.iter().any(is_new);
        let had_none = without_device(&self.config, &self.workers);
        let have_none = without_device(new, &self.workers).into_iter();
        // So does who takes a node's last device away; while devices are added one by one, those without one are no news.
        let have_none =
            have_none.filter(|problem| adds || !had_none.contains(problem)).map(|problem| problem.to_string());
        let words = self.unarmed.iter().filter(|_| adds).map(|(node, why)| {
            format!("{node} is not armed, so nothing new is started there: {why}\n  hint: `qrm fence test {node}`")
        });
        have_none.chain(words).collect()
    }

    /// Says what should become of a VM: `None` is what holds where nothing is said.
    pub(super) fn target_role(&self, id: &ResourceId, role: Option<&str>) -> Edit {
        let mut new = self.config.clone();
        if let Some(primitive) = new.written_mut(id) {
            match role {
                Some(role) => primitive.meta.insert(TARGET_ROLE.to_owned(), role.to_owned()),
                None => primitive.meta.remove(TARGET_ROLE),
            };
        }
        new.expand();
        self.to(&new, Vec::new())
    }

    /// Says what should become of a group: of all its members, whatever was said of each.
    pub(super) fn target_role_of_group(&self, name: &str, role: &str) -> Option<Edit> {
        let mut new = self.config.clone();
        let group = new.shorthand.groups.get_mut(name)?;
        group.meta.insert(TARGET_ROLE.to_owned(), role.to_owned());
        let mut members = group.members.clone();
        for member in group.members.clone() {
            // Of a clone of a group the group may say something too.
            if let Some(inner) = new.shorthand.groups.get_mut(member.as_str()) {
                inner.meta.remove(TARGET_ROLE);
                members.extend(inner.members.clone());
            }
        }
        for member in members {
            if let Some(primitive) = new.written_mut(&member) {
                primitive.meta.remove(TARGET_ROLE);
            }
        }
        new.expand();
        Some(self.to(&new, Vec::new()))
    }

    fn to(&self, new: &Config, warnings: Vec<String>) -> Edit {
        let (shown, changed) = secret::masked_change(&self.config, new);
        Edit {
            revision: self.revision,
            index: self.index,
            patch: ConfigPatch::between(&self.config, new),
            diff: grammar::diff(&shown, &changed),
            warnings,
            ocf: self.ocf(new),
            op_defaults: new.op_defaults.clone(),
        }
    }

    fn ocf(&self, new: &Config) -> Vec<OcfResource> {
        // Of instances that differ it is looked at what they have in common.
        let (was, is) = (self.config.without_instances(), new.without_instances());
        let (old, new) = (was.as_ref().unwrap_or(&self.config), is.as_ref().unwrap_or(new));
        let all = new.primitives.iter().filter(|(_, primitive)| primitive.agent.class != AgentClass::Vm);
        let all = all.map(|(id, primitive)| {
            let as_before = |old: &Primitive| {
                old.agent == primitive.agent
                    && old.params == primitive.params
                    && old.ruled == primitive.ruled
                    && old.operations == primitive.operations
            };
            let is_changed = !old.primitives.get(id).is_some_and(as_before);
            OcfResource { id: id.clone(), primitive: primitive.with_all_params(), is_changed }
        });
        let all: Vec<OcfResource> = all.collect();
        if all.iter().any(|resource| resource.is_changed) { all } else { Vec::new() }
    }

    /// What goes is stopped: that of a VM that runs is only meant when it is said.
    fn check_taken_out(&self, new: &Config, is_forced: impl Fn(&ResourceId) -> bool) -> Result<(), Fault> {
        let is_meant = |id: &ResourceId| is_forced(&ResourceId::from(base(id)));
        let gone = self.config.primitives.keys().filter(|id| !new.primitives.contains_key(*id) && !is_meant(id));
        let running: Vec<String> = gone
            .filter_map(|id| {
                Some(format!("{id} is or may be active on {}, and is stopped when it goes", names(self.held.get(id)?)))
            })
            .collect();
        if running.is_empty() {
            return Ok(());
        }
        Err(Fault::new(Reason::Refused, running.join("\n"))
            .hint("stop it first with `qrm resource stop`, or say that it is meant with --force"))
    }
}

/// The meta attribute that says whether a VM should run.
pub(super) const TARGET_ROLE: &str = "target-role";

/// What `delete --force` names.
fn forced(statements: &[Statement]) -> BTreeSet<String> {
    let deleted = statements.iter().filter_map(|statement| match &statement.verb {
        Verb::Delete { ids, force: true } => Some(ids),
        _ => None,
    });
    deleted.flatten().cloned().collect()
}

fn unreadable(error: &ReadError) -> Fault {
    Fault::new(Reason::Invalid, error.to_string())
}

fn lines(problems: &[impl Display]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Nodes in words.
pub(super) fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}

/// The resource of this name; of a group or a clone all that it is made of.
///
/// # Errors
/// There is none, or it is a fence device.
pub(super) fn vms(config: &Config, name: &str) -> Result<Vec<ResourceId>, Fault> {
    let first = config.shorthand.parts(name).and_then(<[ResourceId]>::first).map_or(name, ResourceId::as_str);
    if let Some(instances) = config.shorthand.instances(&ResourceId::from(first)) {
        return Ok(instances);
    }
    match config.shorthand.parts(name) {
        Some(parts) => parts.iter().map(|part| vm(config, part.as_str())).collect(),
        None => vm(config, name).map(|id| vec![id]),
    }
}

/// Whether it runs is said of all instances of a clone.
pub(super) fn whole(config: &Config, id: ResourceId) -> Result<ResourceId, Fault> {
    match config.shorthand.unique_clone_of(&id) {
        Some(clone) => {
            Err(Fault::new(Reason::Refused, format!("{id} is an instance of {clone}: all of them run, or none")).hint(
                format!("`qrm resource stop {clone}`, or fewer of them: `qrm configure set {clone}.clone-max NUMBER`"),
            ))
        }
        None => Ok(id),
    }
}

/// The VM of this name; of a group its first member, which the others follow.
///
/// # Errors
/// There is none, or it is a fence device.
pub(super) fn vm(config: &Config, name: &str) -> Result<ResourceId, Fault> {
    let first = config.shorthand.parts(name).and_then(<[ResourceId]>::first);
    let id = first.cloned().unwrap_or_else(|| ResourceId::new(name));
    if let Some(instances) = config.shorthand.instances(&id) {
        let names: Vec<&str> = instances.iter().map(ResourceId::as_str).collect();
        return Err(Fault::new(Reason::Refused, format!("the instances of {name} differ: {}", names.join(", ")))
            .hint("name one of them; `qrm resource stop` and `start` of the clone are of all"));
    }
    match config.primitives.get(&id) {
        Some(primitive) if !primitive.is_fence_device() => Ok(id),
        Some(_) => Err(Fault::new(
            Reason::Refused,
            format!("{id} is a fence device: it is used, and never started or stopped"),
        )
        .hint(format!("take it out with `qrm configure delete {id}`"))),
        None => {
            let vms = config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device());
            let groups = config.shorthand.groups.keys().map(String::as_str);
            Err(fault::unknown("resource", name, vms.map(|(id, _)| id.as_str()).chain(groups)))
        }
    }
}
