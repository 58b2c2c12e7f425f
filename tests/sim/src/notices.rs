//! What instances of the clone really hear: in half of the runs that have clones it has `notify=true`.
//!
//! What is owed is told, by the ground truth, or its session or instance is gone; and nobody hears of a start or a
//! promotion that never was.

use crate::clones::CLONED;
use crate::dice::Dice;
use crate::replica::Slot;
use crate::world::World;
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::{Command, Notice};
use quorate_node::engine::Job;
use std::collections::{BTreeMap, BTreeSet};

/// Not the dice of everything else: what happens there stays as it was.
const STREAM: u64 = 0x7e11;

/// The ground truth.
pub(crate) struct Hearing {
    /// Whether the clone has `notify=true` in this run.
    pub(crate) is_on: bool,
    /// What was really told to whom: the notice's number, and the boot.
    heard: BTreeSet<(u64, NodeId, SessionId)>,
    /// What was owed after the last entry.
    owed: BTreeSet<(u64, NodeId, SessionId)>,
    /// Hosts on which it ever ran.
    pub(crate) ran: BTreeSet<usize>,
    /// Hosts on which it was ever promoted.
    pub(crate) rose: BTreeSet<usize>,
}

impl Hearing {
    pub(crate) fn draw(seed: u64) -> Self {
        let is_on = Dice::new(seed ^ STREAM).chance(500);
        let (heard, owed) = Default::default();
        Self { is_on, heard, owed, ran: BTreeSet::new(), rose: BTreeSet::new() }
    }
}

impl World {
    /// The agent of an instance is told something: from here on it has heard of it.
    pub(crate) fn hears(&mut self, h: usize, job: &Job) {
        let name = self.names[h].clone();
        let claim = self.oracle.state.activity(&job.resource, &name).and_then(|activity| activity.claim.as_ref());
        if let Some(number) = claim.and_then(|claim| claim.notice) {
            let session = self.hosts[h].session.clone();
            self.hearing.heard.insert((number, name, session));
            self.counts.heard += 1;
        }
        let says = |name: &str| job.notice.get(name).map_or("", String::as_str);
        let when = (says("notify_type"), says("notify_operation"));
        let (list, really) = match when {
            ("post", "start") => (says("notify_start_uname"), &self.hearing.ran),
            ("post", "promote") => (says("notify_promote_uname"), &self.hearing.rose),
            _ => return,
        };
        let never = |node: &&str| {
            let host = self.names.iter().position(|name| name.as_str() == *node);
            host.is_none_or(|host| !really.contains(&host))
        };
        if let Some(node) = list.split_whitespace().find(never) {
            let what =
                format!("{} is told of the {} of {} on {node}, which never was", self.names[h], when.1, job.resource);
            self.fail("told what is so", what);
        }
    }

    /// An entry was committed: what is owed no more was told, or is owed to nobody.
    pub(crate) fn learn_notices(&mut self, slot: &Slot) {
        let (state, id) = (&self.oracle.state, ResourceId::new(CLONED));
        let all = state.notices.get(&id).into_iter().flat_map(|notices| &notices.owed).filter(|notice| notice.is_post);
        let each = |notice: &Notice| {
            let number = notice.number;
            let to = notice.to.iter().map(move |(node, session)| (number, node.clone(), session.clone()));
            to.collect::<Vec<_>>()
        };
        let owed: BTreeSet<(u64, NodeId, SessionId)> = all.flat_map(each).collect();
        let is_given_up = slot.entry.as_ref().is_some_and(|it| matches!(it.command, Command::Overdue { .. }));
        let is_excused = |(_, node, session): &(u64, NodeId, SessionId)| {
            let living = state.nodes.get(node).and_then(|at| at.living_session());
            let runs = state.activity(&id, node).is_some_and(|activity| activity.seen.is_running());
            is_given_up || !state.notifies(&id) || !runs || living.is_none_or(|living| living.id != *session)
        };
        let gone = self.hearing.owed.iter().filter(|it| !owed.contains(*it) && !self.hearing.heard.contains(*it));
        let lost = gone.filter(|it| !is_excused(it)).map(|(_, node, _)| node.clone()).next();
        self.hearing.owed = owed;
        if let Some(node) = lost {
            self.fail("owed is told", format!("{node} was never told what {id} owes it"));
        }
    }

    /// In the end nobody who takes part waits for a notice.
    pub(crate) fn notices_are_left(&self) -> Option<String> {
        let (state, id) = (&self.oracle.state, ResourceId::new(CLONED));
        let notices = state.notices.get(&id)?;
        let owed: BTreeMap<&NodeId, u64> = notices
            .owed
            .iter()
            .flat_map(|notice| notice.to.keys().map(|node| (node, notice.number)))
            .filter(|(node, _)| state.nodes.get(*node).is_some_and(|at| at.is_online()))
            .collect();
        (notices.round.is_some() || !owed.is_empty()).then(|| format!("{id} still owes notices: {owed:?}"))
    }
}
