//! From where things are to where they were assigned: fences, stops, starts, promotions, migrations.

use super::action::{Action, Actions, AnyOf, Bond};
use super::remote;
use super::{Change, CloneSpec, Kind, Model, MultipleActive, NoQuorum, NodeIx, NodeKind, Requires, Role, RscIx, Task};

/// Creates every action, and what binds those of one resource.
pub(super) fn schedule(model: &mut Model) -> Actions {
    let mut actions = Actions::default();
    demote_without_quorum(model);
    remote::lose_failed(model);
    for rsc in 0..model.resources.len() {
        if model.resources[rsc].kind == Kind::Primitive {
            Primitive { model, rsc, actions: &mut actions }.schedule();
        }
    }
    for rsc in 0..model.resources.len() {
        collect(model, &mut actions, rsc);
    }
    for rsc in 0..model.resources.len() {
        if let Kind::Clone(spec) = &model.resources[rsc].kind {
            any_instance(model, &mut actions, rsc, spec);
        }
    }
    remote::bind(model, &mut actions);
    fence(model, &mut actions);
    super::unfence::schedule(model, &mut actions);
    actions
}

/// Whether a node can be fenced from here.
pub(super) fn can_fence(model: &Model, node: NodeIx) -> bool {
    let options = &model.options;
    let has_say = options.is_quorate || options.no_quorum == NoQuorum::Ignore || model.nodes[node].is_online;
    options.fences && model.nodes[node].kind != NodeKind::Guest && has_say
}

fn fence(model: &Model, actions: &mut Actions) {
    if model.options.fences_for_what_is_managed && !model.top.iter().any(|rsc| model.resources[*rsc].is_managed) {
        return;
    }
    let is_leader = |node: &NodeIx| model.leader == Some(*node);
    let mut wishes: Vec<_> = model.fence.iter().filter(|(node, _)| can_fence(model, **node)).collect();
    wishes.sort_by_key(|(node, _)| is_leader(node));
    let (mut fences, mut ends) = (Vec::new(), Vec::new());
    for (node, wish) in wishes {
        let fence = actions.add(Action {
            task: Task::Fence,
            rsc: None,
            node: Some(*node),
            is_optional: false,
            is_runnable: true,
            is_implied: false,
            is_migration: false,
            is_under_way: false,
            reason: match super::delay::seconds(model, *node) {
                0 => wish.reason.clone(),
                delay => format!("{}; it waits {delay} s (priority-fencing-delay)", wish.reason),
            },
        });
        let is_last = is_leader(node);
        let before = fences.iter().rev().take(if is_last { fences.len() } else { 1 });
        for before in before.filter(|_| is_last || !model.options.fences_concurrently) {
            actions.bind(*before, fence, Bond::ORDER);
        }
        fences.push(fence);
        ends.push((*node, fence));
    }
    ends.extend(remote::reset_guests(model, actions, &ends));
    for (node, end) in ends {
        await_end(model, actions, node, end);
    }
}

/// What waits for the end of all that was on a node.
fn await_end(model: &Model, actions: &mut Actions, node: NodeIx, end: usize) {
    for ix in 0..actions.all.len() {
        let action = &actions.all[ix];
        let Some(rsc) = action.rsc else { continue };
        let resource = &model.resources[rsc];
        if resource.kind != Kind::Primitive {
            continue;
        }
        let is_contained = model.bundles.replica_of(rsc).is_some_and(|replica| replica.content == Some(rsc));
        let may_be_there = || !resource.known_on.contains(&node) && resource.scores.get(node).is_some();
        let waits = match action.task {
            Task::Start | Task::Promote => match resource.requires {
                Requires::Fencing | Requires::Unfencing => true,
                Requires::Quorum => action.task == Task::Start && may_be_there() && resource.class != "stonith",
                Requires::Nothing => false,
            },
            // In a bundle they wait for the whole of it.
            Task::Stop | Task::Demote if action.node == Some(node) => !is_contained,
            _ => false,
        };
        let is_implied = action.is_implied && action.task == Task::Stop && action.node == Some(node);
        let bond = Bond { blocks: action.task == Task::Start, ..Bond::ORDER };
        if is_implied && let Some(top) = collective_of(model, rsc) {
            let gate = actions.gate(top, Task::Stop);
            actions.bind(end, gate, Bond::ORDER);
        }
        if waits {
            actions.bind(end, ix, bond);
        }
    }
}

/// The clone or group that a primitive is a part of; within a bundle the clone of what runs in its containers.
fn collective_of(model: &Model, rsc: RscIx) -> Option<RscIx> {
    let mut top = rsc;
    while let Some(parent) = model.resources[top]
        .parent
        .filter(|parent| !model.bundles.contents.contains_key(parent) && !model.bundles.replicas.contains_key(parent))
    {
        top = parent;
    }
    (top != rsc).then_some(top)
}

struct Primitive<'m> {
    model: &'m mut Model,
    rsc: RscIx,
    actions: &'m mut Actions,
}

impl Primitive<'_> {
    fn schedule(&mut self) {
        let rsc = self.rsc;
        let resource = &mut self.model.resources[rsc];
        if resource.next == Role::Unknown {
            resource.next = if resource.assigned.is_some() { Role::Started } else { Role::Stopped };
        }
        let resource = &self.model.resources[rsc];
        let (target, next, role) = (resource.assigned, resource.next, resource.role);
        let active = resource.active_on.clone();
        let is_multiple = active.len() > 1 && resource.migrating.is_none_or(|(_, to)| target != Some(to));
        let spares = is_multiple && resource.multiple_active == MultipleActive::StopUnexpected;
        let stops_all = is_multiple && !spares;
        let is_restart = resource.is_managed && resource.must_stop && resource.is_failed && !spares;
        let is_under_way = resource.is_start_pending;
        let must_stop = stops_all || is_restart;
        let migrates = self.migrates(&active, target, must_stop);
        let why = self.why(&active, target, stops_all, is_restart);
        let mut stops = Vec::new();
        for node in active.iter().copied() {
            let stays = Some(node) == target && !must_stop && next > Role::Stopped;
            let elsewhere =
                if stays || !why.is_empty() { None } else { target.map(|to| self.why_not_there_too(node, to)) };
            stops.push(self.add(Task::Stop, Some(node), stays, elsewhere.as_ref().unwrap_or(&why)));
        }
        let mut leftovers = Vec::new();
        for node in resource_dangling(self.model, rsc) {
            if !active.contains(&node) {
                leftovers.push(self.add(Task::Stop, Some(node), false, "left over by a migration"));
            }
        }
        let runs = target.filter(|_| next > Role::Stopped);
        let is_there = runs.is_some_and(|node| active.contains(&node)) && !must_stop;
        let change =
            runs.filter(|_| is_there).and_then(|node| self.model.resources[rsc].changed_on.get(&node).copied());
        let is_new = change == Some(Change::Restart) || (change == Some(Change::Reload) && is_under_way);
        let start_why = if is_new { "its definition changed" } else { &why };
        let start = self.add(Task::Start, runs, (is_there && !is_new) || runs.is_none(), start_why);
        if change.is_some() && !is_new && !self.model.resources[rsc].is_failed {
            self.add(Task::Reload, runs, false, "its definition changed");
        }
        self.actions.all[start].is_under_way = is_there && is_under_way;
        for stop in &stops {
            let is_spared = spares && self.actions.all[*stop].node == runs;
            let bond = Bond { first_needs_then: runs.is_some(), makes_way: true, ..Bond::ORDER };
            self.actions.bind(*stop, start, if is_spared { Bond::ORDER } else { bond });
        }
        for leftover in leftovers {
            self.actions.bind(leftover, start, Bond::ORDER);
        }
        if spares && is_there {
            // What depends on it is restarted; it is not.
            (self.actions.all[start].is_optional, self.actions.all[start].is_implied) = (false, true);
        }
        self.roles(role, runs, &active, is_there, start, &stops);
        if let Some((from, to)) = migrates {
            self.migrate(from, to, start, &stops);
        }
    }

    fn why(&self, active: &[NodeIx], target: Option<NodeIx>, is_multiple: bool, is_failed: bool) -> String {
        let name = |node: NodeIx| self.model.nodes[node].name.clone();
        match (active.first(), target) {
            _ if is_multiple => "it is active on more than one node".to_owned(),
            _ if is_failed => "it failed".to_owned(),
            (Some(from), Some(to)) if !active.contains(&to) && self.model.fence.contains_key(from) => {
                format!("it was on {}, which is fenced; {} is best", name(*from), name(to))
            }
            (Some(from), Some(to)) if self.model.resources[self.rsc].is_displaced && !active.contains(&to) => {
                format!("it makes room for others: it moves from {} to {}", name(*from), name(to))
            }
            (Some(from), Some(to)) if !active.contains(&to) => format!("it moves from {} to {}", name(*from), name(to)),
            (Some(_), None) => "it may run nowhere, or should not".to_owned(),
            (None, Some(to)) => format!("it should run, and does not; {} is best", name(to)),
            _ => String::new(),
        }
    }

    /// Why it is stopped on a node, though it is on the one that it should be on as well.
    fn why_not_there_too(&self, node: NodeIx, to: NodeIx) -> String {
        let name = |node: NodeIx| &self.model.nodes[node].name;
        match self.model.resources[self.rsc].migrating {
            Some((from, half)) if (from, half) == (node, to) => {
                format!("it moves live from {} to {}", name(from), name(to))
            }
            _ => format!("it is active on more than one node, and stays on {}", name(to)),
        }
    }

    /// Demotions and promotions.
    fn roles(
        &mut self,
        role: Role,
        runs: Option<NodeIx>,
        active: &[NodeIx],
        is_there: bool,
        start: usize,
        stops: &[usize],
    ) {
        let resource = &self.model.resources[self.rsc];
        let is_promotable = self.model.clone_of(self.rsc).is_some_and(|(_, spec)| spec.promotion.is_some());
        if !is_promotable && role != Role::Promoted {
            return;
        }
        let (next, is_failed) = (resource.next, resource.is_failed && resource.is_managed);
        let was_promoted: Vec<NodeIx> = if role == Role::Promoted { active.to_vec() } else { Vec::new() };
        let mut demotes = Vec::new();
        for node in &was_promoted {
            let stays = runs == Some(*node) && next == Role::Promoted && is_there && !is_failed;
            let demote = self.add(Task::Demote, Some(*node), stays, "it is not to be promoted there");
            demotes.push(demote);
            for stop in stops {
                {
                    self.actions.bind(demote, *stop, Bond { then_needs_first: true, ..Bond::ORDER });
                }
            }
        }
        let is_promoted = runs.is_some_and(|node| was_promoted.contains(&node)) && is_there && !is_failed;
        let wants = next == Role::Promoted;
        let promote = self.add(Task::Promote, runs.filter(|_| wants), is_promoted || !wants, "it is to be promoted");
        self.actions.bind(start, promote, Bond { blocks: true, first_needs_then: wants, ..Bond::ORDER });
        for demote in demotes {
            self.actions.bind(demote, promote, Bond { first_needs_then: wants, makes_way: true, ..Bond::ORDER });
        }
    }

    /// Source and target, where this move can be a live migration.
    fn migrates(&self, active: &[NodeIx], target: Option<NodeIx>, must_stop: bool) -> Option<(NodeIx, NodeIx)> {
        let resource = &self.model.resources[self.rsc];
        let to = target.filter(|_| resource.next > Role::Stopped)?;
        let (from, is_half_done) = match (resource.migrating, active) {
            (Some((from, half)), _) if half == to => (from, true),
            (None, [from]) => (*from, false),
            _ => return None,
        };
        // What an earlier migration left behind is stopped first.
        let is_left_over = resource.dangling.iter().any(|node| *node != to);
        let is_well = resource.can_migrate && resource.is_managed && !must_stop && !resource.is_failed && !is_left_over;
        let is_steady = from != to && !resource.is_start_pending && resource.role != Role::Promoted;
        let source = &self.model.nodes[from];
        (is_well && is_steady && source.is_online && !source.is_unclean && (is_half_done || !active.contains(&to)))
            .then_some((from, to))
    }

    fn migrate(&mut self, from: NodeIx, to: NodeIx, start: usize, stops: &[usize]) {
        let is_half_done = self.model.resources[self.rsc].migrating.is_some_and(|(_, half)| half == to);
        let is_displaced = self.model.resources[self.rsc].is_displaced;
        let makes_room = if is_displaced { "it makes room for others: " } else { "" };
        let why =
            format!("{makes_room}it moves live from {} to {}", self.model.nodes[from].name, self.model.nodes[to].name);
        let migrate_from = self.add(Task::MigrateFrom, Some(to), false, &why);
        self.actions.all[migrate_from].is_migration = true;
        if !is_half_done {
            let migrate_to = self.add(Task::MigrateTo, Some(from), false, &why);
            self.actions.all[migrate_to].is_migration = true;
            self.actions.bind(migrate_to, migrate_from, Bond { blocks: true, ..Bond::ORDER });
        }
        for stop in stops {
            if self.actions.all[*stop].node == Some(from) {
                self.actions.all[*stop].is_migration = true;
                self.actions.bind(migrate_from, *stop, Bond { blocks: true, ..Bond::ORDER });
            }
        }
        let start_action = &mut self.actions.all[start];
        (start_action.is_migration, start_action.is_optional) = (true, false);
        if is_half_done {
            for stop in stops {
                if self.actions.all[*stop].node == Some(to) {
                    self.actions.all[*stop].is_optional = true;
                }
            }
        }
    }

    fn add(&mut self, task: Task, node: Option<NodeIx>, is_optional: bool, reason: &str) -> usize {
        let resource = &self.model.resources[self.rsc];
        let is_hands_off = !resource.is_managed || resource.is_blocked;
        let at = node.map(|node| (node, &self.model.nodes[node]));
        let is_leaving = matches!(task, Task::Stop | Task::Demote);
        let is_implied = at.is_some_and(|(ix, node)| {
            is_leaving && ((node.is_unclean && can_fence(self.model, ix)) || remote::is_reset(self.model, ix))
        });
        let can_run_there = at.is_some_and(|(_, node)| match task {
            Task::Stop | Task::Demote => is_implied || (node.is_online && !node.is_unclean),
            _ => node.is_online && !node.is_unclean && !node.is_pending,
        });
        let is_runnable = can_run_there && !is_hands_off && self.has_quorum_for(task);
        self.actions.add(Action {
            task,
            rsc: Some(self.rsc),
            node,
            is_optional: is_optional || (is_hands_off && !resource.is_blocked),
            is_runnable,
            is_implied,
            is_migration: false,
            is_under_way: false,
            reason: reason.to_owned(),
        })
    }

    /// What is started or promoted needs a majority, unless it is said that it does not.
    fn has_quorum_for(&self, task: Task) -> bool {
        let (options, resource) = (&self.model.options, &self.model.resources[self.rsc]);
        if options.is_quorate || matches!(task, Task::Stop | Task::Demote) || resource.requires == Requires::Nothing {
            return true;
        }
        match options.no_quorum {
            NoQuorum::Ignore => true,
            NoQuorum::Freeze => resource.role >= Role::Started && resource.next <= resource.role,
            // What may be promoted is kept, as what it is without that.
            NoQuorum::Demote => matches!(resource.role, Role::Promoted | Role::Unpromoted),
            NoQuorum::Stop | NoQuorum::Suicide => false,
        }
    }
}

/// By `no-quorum-policy=demote` nothing is promoted without a majority.
fn demote_without_quorum(model: &mut Model) {
    if model.options.is_quorate || model.options.no_quorum != NoQuorum::Demote {
        return;
    }
    for resource in &mut model.resources {
        if resource.role >= Role::Unpromoted {
            resource.next = resource.next.min(Role::Unpromoted);
        }
    }
}

fn resource_dangling(model: &Model, rsc: RscIx) -> Vec<NodeIx> {
    let resource = &model.resources[rsc];
    resource.dangling.iter().copied().filter(|node| Some(*node) != resource.assigned).collect()
}

/// A clone is up, or promoted, when enough of its instances are.
fn any_instance(model: &Model, actions: &mut Actions, rsc: RscIx, spec: &CloneSpec) {
    for (begin, end) in [(Task::Start, Task::Started), (Task::Promote, Task::Promoted)] {
        let gate = actions.gate(rsc, end);
        let each = spec.instances.iter().map(|instance| {
            let parts = model.primitives(*instance).into_iter();
            parts.flat_map(|part| actions.of(part, begin)).collect()
        });
        let each: Vec<Vec<usize>> = each.collect();
        actions.any.push(AnyOf { gate, min: spec.min.max(1), each });
    }
}

/// The gates of a group or clone, and what binds its members to them.
fn collect(model: &Model, actions: &mut Actions, rsc: RscIx) {
    let members = model.children(rsc).to_vec();
    if members.is_empty() {
        return;
    }
    let any = matches!(model.resources[rsc].kind, Kind::Clone(_));
    for (task, done) in [
        (Task::Start, Task::Started),
        (Task::Stop, Task::Stopped),
        (Task::Promote, Task::Promoted),
        (Task::Demote, Task::Demoted),
    ] {
        let (before, after) = (actions.gate(rsc, task), actions.gate(rsc, done));
        actions.bind(before, after, Bond { first_needs_then: true, ..Bond::ORDER });
        for member in &members {
            let is_primitive = model.resources[*member].kind == Kind::Primitive;
            let begins = if is_primitive { actions.of(*member, task) } else { vec![actions.gate(*member, task)] };
            let ends = if is_primitive { begins.clone() } else { vec![actions.gate(*member, done)] };
            for begin in begins {
                actions.bind(before, begin, Bond { then_needs_first: true, blocks: !any, ..Bond::ORDER });
            }
            for end in ends {
                actions.bind(end, after, Bond { first_needs_then: true, blocks: !any, ..Bond::ORDER });
            }
        }
    }
    // What runs in a bundle has its own gates; the containers of one that is not promoted need none.
    let is_plain = |contents: &Option<RscIx>| {
        contents.and_then(|contents| model.clone_of(contents)).is_none_or(|(_, spec)| spec.promotion.is_none())
    };
    if model.bundles.contents.get(&rsc).is_some_and(is_plain) {
        return;
    }
    const AROUND: &[(Task, Task)] = &[
        (Task::Stopped, Task::Start),
        (Task::Stopped, Task::Promote),
        (Task::Demoted, Task::Stop),
        (Task::Demoted, Task::Start),
        (Task::Demoted, Task::Promote),
        (Task::Started, Task::Promote),
    ];
    for (first, then) in AROUND {
        let (first, then) = (actions.gate(rsc, *first), actions.gate(rsc, *then));
        actions.bind(first, then, Bond::ORDER);
    }
    in_order(model, actions, rsc);
}

/// What binds the members of an ordered collective to each other.
fn in_order(model: &Model, actions: &mut Actions, rsc: RscIx) {
    if let Kind::Clone(spec) = &model.resources[rsc].kind
        && spec.is_ordered
    {
        for pair in spec.instances.windows(2) {
            super::order::between(model, actions, (pair[0], Task::Start), (pair[1], Task::Start), Bond::ORDER);
            super::order::between(model, actions, (pair[1], Task::Stop), (pair[0], Task::Stop), Bond::ORDER);
        }
    }
    if let Kind::Group(group) = &model.resources[rsc].kind
        && group.is_ordered
    {
        let start = Bond { first_needs_then: true, blocks: true, ..Bond::ORDER };
        let stop = Bond { then_needs_first: true, ..Bond::ORDER };
        let stopping: Vec<RscIx> =
            group.members.iter().copied().filter(|member| actions.each(*member, Task::Stop).next().is_some()).collect();
        for pair in stopping.windows(2) {
            super::order::between(model, actions, (pair[1], Task::Stop), (pair[0], Task::Stop), stop);
        }
        for pair in group.members.windows(2) {
            super::order::between(model, actions, (pair[0], Task::Start), (pair[1], Task::Start), start);
            super::order::between(model, actions, (pair[0], Task::Promote), (pair[1], Task::Promote), start);
            super::order::between(model, actions, (pair[1], Task::Demote), (pair[0], Task::Demote), stop);
        }
    }
}
