//! Looks at what runs here: at its interval, and at once when the hypervisor says that something happened.
//!
//! A look enters the log only when it says something new. A look that could not see is no news: unknown is not
//! stopped. operation-number: a look and an operation on one resource never overlap in what the log accepts.

use super::event::{Effect, Executed, Job, Tag};
use super::operations::Operations;
use super::schedule::{Clocks, Schedule};
use super::{Ctx, Purpose};
use quorate_core::config::Attributes;
use quorate_core::id::{Operation, ResourceId};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{ActionKind, Command, Intent, Seen};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Monitors {
    /// When each monitor looks next, by its interval.
    next: BTreeMap<(ResourceId, Duration), Schedule>,
    looking: BTreeMap<Tag, Look>,
    /// Which monitor found it failed: another one that looks less deep does not take that back.
    failed_by: BTreeMap<ResourceId, Duration>,
    /// What runs here and could not be looked at the last time; why. No news for the log, and some for people.
    unseen: BTreeMap<ResourceId, String>,
}

/// A look that is under way.
#[derive(Debug)]
struct Look {
    resource: ResourceId,
    operation: Operation,
    interval: Duration,
    /// It should not be there.
    is_absent: bool,
}

impl Monitors {
    /// Starts the looks that are due; of one resource one at a time, the one that waits longest first.
    pub(super) fn due(&mut self, ctx: &mut Ctx<'_>, operations: &Operations) {
        let here: Vec<ResourceId> = ctx
            .view
            .state
            .resources
            .iter()
            .filter(|(resource, nodes)| {
                let here = nodes.get(&ctx.me.node).filter(|activity| activity.claim.is_none());
                here.is_some_and(|here| is_there(&here.seen) || (here.is_stopped() && is_looked_for(ctx, resource)))
            })
            .map(|(resource, _)| resource.clone())
            .collect();
        self.next.retain(|(resource, _), _| here.contains(resource));
        self.unseen.retain(|resource, _| here.contains(resource));
        self.failed_by.retain(|resource, _| here.contains(resource));
        for resource in here {
            let Some(definition) = ctx.view.state.definition(&resource, &ctx.me.node) else { continue };
            let seen = ctx.view.state.activity(&resource, &ctx.me.node).map(|it| &it.seen);
            let op_defaults = &ctx.view.state.config.op_defaults;
            let monitors = match seen {
                Some(Seen::Promoted) => definition.promoted_monitors(op_defaults),
                Some(Seen::Stopped) => definition.stopped_monitors(op_defaults),
                _ => definition.monitors(op_defaults),
            };
            self.next.retain(|(of, interval), _| *of != resource || monitors.iter().any(|it| it.interval == *interval));
            let clocks = Clocks { now: ctx.now, wall: ctx.view.wall };
            let mut due: Option<(i128, Duration)> = None;
            for monitor in &monitors {
                let begins = || Schedule::new(monitor, clocks.now);
                let next = self.next.entry((resource.clone(), monitor.interval)).or_insert_with(begins);
                if !next.is_of(monitor) {
                    *next = begins();
                }
                let late = next.overdue(monitor.interval, clocks);
                if let Some(late) = late.filter(|late| due.is_none_or(|(most, _)| *late > most)) {
                    due = Some((late, monitor.interval));
                }
            }
            let Some((_, interval)) = due else { continue };
            // What finds another look or an operation of its resource under way is due still.
            if !self.is_looking(&resource) && !operations.is_busy(&resource) {
                if let Some(next) = self.next.get_mut(&(resource.clone(), interval)) {
                    next.looks(interval, clocks.now);
                }
                self.look(ctx, operations, &resource, interval);
            }
        }
    }

    fn is_looking(&self, resource: &ResourceId) -> bool {
        self.looking.values().any(|look| look.resource == *resource)
    }

    pub(super) fn unseen(&self) -> &BTreeMap<ResourceId, String> {
        &self.unseen
    }

    /// The hypervisor says that something happened.
    pub(super) fn look_now(&mut self, ctx: &mut Ctx<'_>, operations: &Operations, resource: &ResourceId) {
        let op_defaults = &ctx.view.state.config.op_defaults;
        let definition = ctx.view.state.definition(resource, &ctx.me.node);
        let interval = definition.map_or(Duration::ZERO, |it| it.operation("monitor", op_defaults).interval);
        self.look(ctx, operations, resource, interval);
    }

    fn look(&mut self, ctx: &mut Ctx<'_>, operations: &Operations, resource: &ResourceId, interval: Duration) {
        let busy = operations.is_busy(resource) || self.is_looking(resource);
        let Some(activity) = ctx.view.state.activity(resource, &ctx.me.node) else { return };
        let node = ctx.view.state.nodes.get(&ctx.me.node);
        // What somebody does there by hand must not make it start elsewhere; leaving maintenance begins with a look.
        let is_left_alone = node.is_some_and(|node| node.intent == Intent::Maintenance);
        if busy || activity.claim.is_some() || is_left_alone {
            return;
        }
        let state = ctx.view.state;
        let Some(definition) = state.definition(resource, &ctx.me.node) else { return };
        let definition = state.definition_on(definition, &ctx.me.node).among(state.nodes.len());
        let op_defaults = &ctx.view.state.config.op_defaults;
        let timeout = definition.operation(&definition.monitor_key(interval, op_defaults), op_defaults).timeout;
        let stop = definition.operation("stop", op_defaults).timeout;
        let operation = activity.operation;
        let tag = ctx.tag();
        let is_absent = activity.is_stopped();
        self.looking.insert(tag, Look { resource: resource.clone(), operation, interval, is_absent });
        let kind = ActionKind::Probe;
        ctx.out.push(Effect::Look(Box::new(Job {
            tag,
            kind,
            resource: resource.clone(),
            operation,
            definition,
            timeout,
            stop,
            target: None,
            interval,
            is_absent,
            notice: Attributes::new(),
        })));
    }

    pub(super) fn looked(&mut self, ctx: &mut Ctx<'_>, tag: Tag, looked: Executed) {
        let Some(Look { resource, operation, interval, is_absent }) = self.looking.remove(&tag) else { return };
        let Some(activity) = ctx.view.state.activity(&resource, &ctx.me.node) else { return };
        let seen = match looked.seen {
            Seen::Unknown(_) if planted(Mistake::UnknownIsStopped) => Seen::Stopped,
            Seen::Unknown(why) => {
                self.unseen.insert(resource, why);
                return;
            }
            seen => {
                self.unseen.remove(&resource);
                seen
            }
        };
        let is_broken = !seen.is_running();
        match self.failed_by.get(&resource) {
            // What a deeper look found is not taken back by another one.
            Some(by) if *by != interval && !is_broken && matches!(activity.seen, Seen::Failed(_)) => return,
            // Where nothing should run nothing has failed.
            _ if is_absent => _ = self.failed_by.remove(&resource),
            _ if is_broken => _ = self.failed_by.insert(resource.clone(), interval),
            _ => _ = self.failed_by.remove(&resource),
        }
        // It does not work, and says so in other words: no news.
        let is_same = activity.seen == seen || matches!((&activity.seen, &seen), (Seen::Failed(_), Seen::Failed(_)));
        let known = is_same || (activity.operation != operation && !planted(Mistake::TrustLateMonitor));
        if known || ctx.is_pending(|purpose| matches!(purpose, Purpose::Observe(about) if *about == resource)) {
            return;
        }
        let mut error = looked.error.or_else(|| unasked(&activity.seen, &seen).map(Into::into));
        let op_defaults = &ctx.view.state.config.op_defaults;
        let first =
            ctx.view.state.definition(&resource, &ctx.me.node).map(|it| it.operation("monitor", op_defaults).interval);
        if let Some(error) = error.as_mut().filter(|_| first != Some(interval)) {
            error.monitor = Some(interval);
        }
        let command = Command::Observe { speaker: ctx.speaker(), resource: resource.clone(), operation, seen, error };
        ctx.propose(Purpose::Observe(resource), command);
    }
}

/// A monitor looks for it where it should not run.
fn is_looked_for(ctx: &Ctx<'_>, resource: &ResourceId) -> bool {
    let definition = ctx.view.state.definition(resource, &ctx.me.node);
    definition.is_some_and(|it| !it.stopped_monitors(&ctx.view.state.config.op_defaults).is_empty())
}

/// What can be watched: also what failed, which may work again where failures are ignored.
fn is_there(seen: &Seen) -> bool {
    seen.is_running() || matches!(seen, Seen::Failed(_))
}

/// What became of it by itself, or by somebody beside the cluster.
fn unasked(was: &Seen, is: &Seen) -> Option<&'static str> {
    match (was, is) {
        (Seen::Running | Seen::Promoted, Seen::Stopped) => Some("it was running and is gone"),
        (Seen::Promoted, Seen::Running) => Some("it was promoted and is not any more"),
        (Seen::Running, Seen::Promoted) => Some("it is promoted, and nobody asked for that"),
        _ => None,
    }
}
