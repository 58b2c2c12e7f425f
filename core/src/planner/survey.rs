//! What is asked of the state again and again while one plan is made, asked once: what holds of a node, of a resource, and
//! where a resource is anything but known to be stopped. Pure; it decides nothing.
//!
//! A cluster has nodes times resources pairs, and in all but a few of them nothing is and nothing was: the state tells those few
//! apart, and a plan looks at no others. What is asked of the state by the same name has the same answer.

use super::room::{Amounts, amounts};
use crate::config::{Attributes, Location, Primitive, Properties, ResourceMeta};
use crate::id::{NodeId, ResourceId};
use crate::scheduler::NodeIx;
use crate::score::Score;
use crate::state::{Activity, Arming, ClusterState, Fenced, NodeState, Places, Seen, Standing, TicketHold};
use crate::time::Timestamp;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// The state, and what was asked of it already.
pub(super) struct Survey<'s> {
    state: &'s ClusterState,
    properties: Properties,
    /// In the state's order.
    nodes: Vec<At<'s>>,
    /// How many of them may have anything.
    hosts: usize,
    /// Every resource that is configured or known, in the order of their ids.
    rows: Vec<(&'s ResourceId, OnceCell<Row<'s>>)>,
    /// The row that was asked for last: the next question is about the same, or about the one after it.
    last: Cell<usize>,
    /// The node that was asked for last: one question about it leads to others.
    last_node: Cell<NodeIx>,
    fenced: OnceCell<Option<Fenced>>,
    locations: OnceCell<BTreeMap<&'s ResourceId, Vec<(&'s str, &'s Location)>>>,
    /// Utilization as numbers: there are few flavours of VMs.
    amounts: RefCell<BTreeMap<&'s Attributes, Arc<Amounts>>>,
    /// Whether any device has to let nodes to their storage.
    has_unfencing: bool,
    /// Whether the health of nodes counts.
    has_health: bool,
}

/// A node.
struct At<'s> {
    id: &'s NodeId,
    state: &'s NodeState,
    is_witness: bool,
    /// It is no witness, and in a session that is not ended.
    is_host: bool,
    arming: OnceCell<Arming>,
    not_unfenced: OnceCell<Option<String>>,
    health: OnceCell<Option<(Score, String)>>,
    unwelcome: OnceCell<Option<String>>,
}

/// A resource.
struct Row<'s> {
    primitive: Option<&'s Primitive>,
    meta: Option<ResourceMeta>,
    is_left_alone: bool,
    is_proof_waived: bool,
    needs_unfencing: bool,
    minds_health: bool,
    touched: Vec<Touched<'s>>,
}

/// A resource on a node where something of it is, was, failed, or may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched<'s> {
    /// Where; it may be no member any more.
    pub(super) node: &'s NodeId,
    /// Its place among the nodes, if it is one.
    pub(super) ix: Option<NodeIx>,
    pub(super) at: Option<&'s NodeState>,
    /// Absent where nobody has looked yet.
    pub(super) activity: Option<&'s Activity>,
    may_be_active: bool,
}

/// What a resource needs of its node, whatever else is said of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// That its death can be proven.
    pub(super) proof: bool,
    /// That it is let to its storage.
    pub(super) unfencing: bool,
    /// That it is well.
    pub(super) health: bool,
}

impl Deref for Survey<'_> {
    type Target = ClusterState;

    fn deref(&self) -> &ClusterState {
        self.state
    }
}

impl<'s> Survey<'s> {
    pub(super) fn of(state: &'s ClusterState) -> Self {
        let mut ids: Vec<&ResourceId> = state.config.primitives.keys().chain(state.resources.keys()).collect();
        // Two sorted halves.
        ids.sort();
        ids.dedup();
        let node = |(id, node): (&'s NodeId, &'s NodeState)| {
            let is_witness = state.is_witness(id);
            At {
                id,
                state: node,
                is_witness,
                is_host: !is_witness && node.living_session().is_some(),
                arming: OnceCell::new(),
                not_unfenced: OnceCell::new(),
                health: OnceCell::new(),
                unwelcome: OnceCell::new(),
            }
        };
        let nodes: Vec<At<'s>> = state.nodes.iter().map(node).collect();
        Self {
            state,
            properties: state.properties(),
            hosts: nodes.iter().filter(|at| at.is_host).count(),
            nodes,
            rows: ids.into_iter().map(|id| (id, OnceCell::new())).collect(),
            last: Cell::new(0),
            last_node: Cell::new(0),
            fenced: OnceCell::new(),
            locations: OnceCell::new(),
            amounts: RefCell::default(),
            has_unfencing: state.config.primitives.values().any(Primitive::unfences),
            has_health: state.has_health(),
        }
    }

    /// Every resource that is configured or known.
    pub(super) fn all(&self) -> impl Iterator<Item = &'s ResourceId> + '_ {
        self.rows.iter().map(|(id, _)| *id)
    }

    /// Where something of it is, was, failed or may be, in the order of the nodes' names.
    pub(super) fn touched(&self, id: &ResourceId) -> &[Touched<'s>] {
        self.row(id).map_or(&[], |row| row.touched.as_slice())
    }

    /// The same for one node.
    pub(super) fn touched_on(&self, id: &ResourceId, node: &NodeId) -> Option<&Touched<'s>> {
        let touched = self.touched(id);
        let place = touched.binary_search_by(|touched| touched.node.cmp(node)).ok()?;
        touched.get(place)
    }

    pub(super) fn activity(&self, id: &ResourceId, node: &NodeId) -> Option<&'s Activity> {
        // What is not touched may be known all the same: to be stopped.
        self.touched_on(id, node).map_or_else(|| self.state.activity(id, node), |touched| touched.activity)
    }

    /// What is configured of it.
    pub(super) fn primitive(&self, id: &ResourceId) -> Option<&'s Primitive> {
        self.row(id)?.primitive
    }

    /// What is configured that it takes of a node.
    pub(super) fn amounts(&self, id: &ResourceId) -> Arc<Amounts> {
        let Some(primitive) = self.primitive(id) else { return Arc::default() };
        let mut known = self.amounts.borrow_mut();
        Arc::clone(known.entry(&primitive.utilization).or_insert_with(|| Arc::new(amounts(&primitive.utilization))))
    }

    pub(super) fn node(&self, node: &NodeId) -> Option<&'s NodeState> {
        self.at(node).map(|at| at.state)
    }

    pub(super) fn properties(&self) -> &Properties {
        &self.properties
    }

    pub(super) fn meta(&self, id: &ResourceId, primitive: &Primitive) -> ResourceMeta {
        let known = self.row(id).and_then(|row| row.meta.clone());
        known.unwrap_or_else(|| self.state.meta(id, primitive))
    }

    pub(super) fn is_left_alone(&self, id: &ResourceId) -> bool {
        self.row(id).is_some_and(|row| row.is_left_alone)
    }

    pub(super) fn is_proof_waived(&self, id: &ResourceId) -> bool {
        self.row(id).is_some_and(|row| row.is_proof_waived)
    }

    pub(super) fn standing(&self, id: &ResourceId, node: &NodeId) -> Standing {
        self.touched_on(id, node).map_or(Standing::NotActive, Touched::standing)
    }

    pub(super) fn stands_against(&self, id: &ResourceId, node: &NodeId) -> bool {
        // Nothing is waived for nearly everybody; where it is, the state says what it needs.
        match self.touched_on(id, node) {
            Some(touched) if self.is_proof_waived(id) => self.state.stands_against(id, touched.node),
            Some(touched) => touched.may_be_active(),
            None => false,
        }
    }

    pub(super) fn arming(&self, node: &NodeId) -> Arming {
        let Some(at) = self.at(node) else { return self.state.arming(node) };
        at.arming.get_or_init(|| self.ask_arming(node)).clone()
    }

    /// Where all devices have passed whatever they had to, it is enough to know whom they are for.
    fn ask_arming(&self, node: &NodeId) -> Arming {
        let mut drilled = self.state.nodes.get(node).into_iter().flat_map(|at| at.drilled.values());
        let all_pass = drilled.all(|drilled| drilled.passed.is_some() && drilled.failing.is_none());
        match self.fenced.get_or_init(|| self.state.fenced()) {
            Some(fenced) if all_pass => match fenced.contains(node) || self.state.watchdog_proves(node).is_ok() {
                true => Arming::Armed,
                false => Arming::NoDevice,
            },
            Some(_) | None => self.state.arming(node),
        }
    }

    /// Why a node gets nothing new while there is another place: it was lost too often, or a fence device of it fails.
    pub(super) fn unwelcome(&self, node: &NodeId) -> Option<String> {
        let at = self.at(node)?;
        at.unwelcome.get_or_init(|| self.ask_welcome(at)).clone()
    }

    fn ask_welcome(&self, at: &At<'_>) -> Option<String> {
        if at.state.flapping.quarantine.is_some() {
            return Some("the node is in quarantine".to_owned());
        }
        match self.arming(at.id) {
            Arming::Failing(why) if self.properties.stonith_enabled => Some(why),
            Arming::Failing(_) | Arming::Armed | Arming::Untested(_) | Arming::NoDevice => None,
        }
    }

    pub(super) fn is_witness(&self, node: &NodeId) -> bool {
        self.at(node).map_or_else(|| self.state.is_witness(node), |at| at.is_witness)
    }

    pub(super) fn not_unfenced(&self, node: &NodeId) -> Option<String> {
        let Some(at) = self.at(node) else { return self.state.not_unfenced(node) };
        at.not_unfenced.get_or_init(|| self.state.not_unfenced(node)).clone()
    }

    pub(super) fn health(&self, id: &ResourceId, node: &NodeId) -> Option<(Score, String)> {
        self.health_for(self.needs(id), node)
    }

    pub(super) fn unhealthy(&self, id: &ResourceId, node: &NodeId) -> Option<String> {
        self.unhealthy_for(self.needs(id), node)
    }

    /// What a node's health is worth to whoever needs this of it.
    pub(super) fn health_for(&self, needs: Needs, node: &NodeId) -> Option<(Score, String)> {
        let at = if needs.health { self.at(node)? } else { return None };
        at.health.get_or_init(|| self.state.health_of(node)).clone()
    }

    /// Why whoever needs this of it should leave a node.
    pub(super) fn unhealthy_for(&self, needs: Needs, node: &NodeId) -> Option<String> {
        self.health_for(needs, node).filter(|(score, _)| score.forbids()).map(|(_, why)| why)
    }

    /// What a resource needs of whatever node it is on.
    pub(super) fn needs(&self, id: &ResourceId) -> Needs {
        let row = self.row(id);
        Needs {
            proof: self.properties.stonith_enabled && !row.is_some_and(|row| row.is_proof_waived),
            unfencing: self.has_unfencing && row.is_none_or(|row| row.needs_unfencing),
            health: self.has_health && row.is_some_and(|row| row.minds_health),
        }
    }

    /// The plain locations of a resource, in the order of their ids.
    pub(super) fn plain_locations(&self, id: &ResourceId) -> &[(&'s str, &'s Location)] {
        let all = self.locations.get_or_init(|| {
            let mut all: BTreeMap<&ResourceId, Vec<(&str, &Location)>> = BTreeMap::new();
            for (name, location) in &self.state.config.locations {
                all.entry(&location.resource).or_default().push((name, location));
            }
            all
        });
        all.get(id).map_or(&[], Vec::as_slice)
    }

    /// The next moment at which time alone changes something, as the state says it.
    pub(super) fn next_lapse(&self) -> Option<Timestamp> {
        let failed = |id: &&ResourceId| self.touched(id).iter().any(|it| it.failure().is_some());
        self.state.next_lapse_of(self.all().filter(failed))
    }

    fn at(&self, node: &NodeId) -> Option<&At<'s>> {
        self.nodes.get(self.place(node)?)
    }

    fn place(&self, node: &NodeId) -> Option<NodeIx> {
        let last = self.last_node.get();
        if self.nodes.get(last).is_some_and(|at| at.id == node) {
            return Some(last);
        }
        let place = self.nodes.binary_search_by(|at| at.id.cmp(node)).ok()?;
        self.last_node.set(place);
        Some(place)
    }

    fn row(&self, id: &ResourceId) -> Option<&Row<'s>> {
        let last = self.last.get();
        let is_it = |place: &usize| self.rows.get(*place).is_some_and(|(at, _)| *at == id);
        let near = [last, last + 1].into_iter().find(is_it);
        let place = near.or_else(|| self.rows.binary_search_by(|(at, _)| (*at).cmp(id)).ok())?;
        self.last.set(place);
        let (id, row) = &self.rows[place];
        Some(row.get_or_init(|| self.look(id)))
    }

    fn look(&self, id: &'s ResourceId) -> Row<'s> {
        let state = self.state;
        let primitive = state.config.primitives.get(id);
        let meta = primitive.map(|primitive| state.meta(id, primitive));
        let known = primitive.zip(meta.as_ref());
        Row {
            primitive,
            is_left_alone: self.is_hands_off(id, known) || matches!(state.ticket_hold(id), TicketHold::Frozen(_)),
            is_proof_waived: known.is_some_and(|(primitive, meta)| ClusterState::waives_proof(primitive, meta)),
            needs_unfencing: !self.has_unfencing || state.needs_unfencing(id),
            minds_health: self.has_health && state.minds_health(id),
            touched: self.look_for(id),
            meta,
        }
    }

    fn is_hands_off(&self, id: &ResourceId, known: Option<(&Primitive, &ResourceMeta)>) -> bool {
        let Some((primitive, meta)) = known else { return false };
        // Whether nobody touches it is no rule's to say.
        match primitive.ruled.is_empty() && self.state.config.rsc_rules.is_empty() {
            true => !meta.is_managed || meta.maintenance || self.properties.maintenance_mode,
            false => self.state.config.is_hands_off(id),
        }
    }

    fn look_for(&self, id: &ResourceId) -> Vec<Touched<'s>> {
        let known = self.state.resources.get(id);
        let mut found: Vec<Touched<'s>> =
            known.into_iter().flat_map(Places::touched).map(|it| self.touch(id, it)).collect();
        if !known.is_some_and(|known| self.is_known_everywhere(known)) {
            found.extend(self.unknown(id, known));
            found.sort_by_key(|it| it.node);
        }
        found
    }

    fn touch(&self, id: &ResourceId, (node, activity): (&'s NodeId, &'s Activity)) -> Touched<'s> {
        let ix = self.place(node);
        let may_be_active = ix.is_some_and(|ix| self.may_have(id, &self.nodes[ix]));
        let at = ix.map(|ix| self.nodes[ix].state);
        Touched { node, ix, at, activity: Some(activity), may_be_active }
    }

    /// Whether something is known of it on every node that may have anything. What is known is known of members alone, so
    /// the others need not be looked at where there are as many.
    fn is_known_everywhere(&self, known: &Places) -> bool {
        let others = || self.nodes.iter().filter(|at| !at.is_host && known.contains_key(at.id)).count();
        known.len() == self.nodes.len() || known.len() == self.hosts + others()
    }

    /// Where nobody has looked for it yet.
    fn unknown(&self, id: &ResourceId, known: Option<&Places>) -> Vec<Touched<'s>> {
        let is_unknown = |at: &At<'_>| !known.is_some_and(|known| known.contains_key(at.id)) && self.may_have(id, at);
        let nodes = self.nodes.iter().enumerate().filter(|(_, at)| is_unknown(at));
        let unknown = |(ix, at): (NodeIx, &At<'s>)| Touched {
            node: at.id,
            ix: Some(ix),
            at: Some(at.state),
            activity: None,
            may_be_active: true,
        };
        nodes.map(unknown).collect()
    }

    fn may_have(&self, id: &ResourceId, at: &At<'_>) -> bool {
        let is_everywhere = || !self.state.config.shorthand.looked_for.contains_key(id);
        at.is_host && (is_everywhere() || self.state.is_looked_for(id, at.id))
    }
}

impl<'s> Touched<'s> {
    /// As `ClusterState::standing` says it.
    pub(super) fn standing(&self) -> Standing {
        if self.may_be_active { Standing::of(self.activity) } else { Standing::NotActive }
    }

    pub(super) fn may_be_active(&self) -> bool {
        self.may_be_active && Standing::of(self.activity) != Standing::NotActive
    }

    /// What is known of it, and where.
    pub(super) fn known(&self) -> Option<(&'s NodeId, &'s Activity)> {
        Some((self.node, self.activity?))
    }

    pub(super) fn failure(&self) -> Option<(&'s NodeId, &'s crate::state::Failure)> {
        Some((self.node, self.activity?.last_failure.as_ref()?))
    }

    /// It runs there, or is there and does not work.
    pub(super) fn runs(&self) -> bool {
        let is_there = |seen: &Seen| seen.is_running() || matches!(seen, Seen::Failed(_));
        self.activity.is_some_and(|activity| is_there(&activity.seen)) && self.may_be_active()
    }
}
