//! Looks at what runs here: at its interval, and at once when the hypervisor says that something happened.
//!
//! A look enters the log only when it says something new. A look that could not see is no news: unknown is not
//! stopped. operation-number: a look and an operation on one resource never overlap in what the log accepts.

use super::event::{Effect, Executed, Job, Tag};
use super::operations::Operations;
use super::{Ctx, Purpose};
use quorate_core::id::{Operation, ResourceId};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{ActionKind, Command, Intent, Seen};
use quorate_core::time::BootTime;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Monitors {
    next: BTreeMap<ResourceId, BootTime>,
    looking: BTreeMap<Tag, (ResourceId, Operation)>,
    /// What runs here and could not be looked at the last time; why. No news for the log, and some for people.
    unseen: BTreeMap<ResourceId, String>,
}

impl Monitors {
    /// Starts the looks that are due.
    pub(super) fn due(&mut self, ctx: &mut Ctx<'_>, operations: &Operations) {
        let here: Vec<ResourceId> = ctx
            .view
            .state
            .resources
            .iter()
            .filter(|(_, nodes)| {
                nodes.get(&ctx.me.node).is_some_and(|activity| is_there(&activity.seen) && activity.claim.is_none())
            })
            .map(|(resource, _)| resource.clone())
            .collect();
        self.next.retain(|resource, _| here.contains(resource));
        self.unseen.retain(|resource, _| here.contains(resource));
        for resource in here {
            let Some(definition) = ctx.view.state.definition(&resource, &ctx.me.node) else { continue };
            let monitor = definition.operation("monitor", &ctx.view.state.config.op_defaults);
            if !monitor.enabled || monitor.interval.is_zero() {
                continue;
            }
            let next = *self.next.entry(resource.clone()).or_insert_with(|| ctx.now.after(monitor.interval));
            if ctx.now >= next {
                self.next.insert(resource.clone(), ctx.now.after(monitor.interval));
                self.look(ctx, operations, &resource);
            }
        }
    }

    pub(super) fn unseen(&self) -> &BTreeMap<ResourceId, String> {
        &self.unseen
    }

    /// The hypervisor says that something happened.
    pub(super) fn look_now(&mut self, ctx: &mut Ctx<'_>, operations: &Operations, resource: &ResourceId) {
        self.look(ctx, operations, resource);
    }

    fn look(&mut self, ctx: &mut Ctx<'_>, operations: &Operations, resource: &ResourceId) {
        let busy = operations.is_busy(resource) || self.looking.values().any(|(about, _)| about == resource);
        let Some(activity) = ctx.view.state.activity(resource, &ctx.me.node) else { return };
        let node = ctx.view.state.nodes.get(&ctx.me.node);
        // What somebody does there by hand must not make it start elsewhere; leaving maintenance begins with a look.
        let is_left_alone = node.is_some_and(|node| node.intent == Intent::Maintenance);
        if busy || activity.claim.is_some() || is_left_alone {
            return;
        }
        let Some(definition) = ctx.view.state.definition(resource, &ctx.me.node).cloned() else { return };
        let timeout = definition.operation("monitor", &ctx.view.state.config.op_defaults).timeout;
        let operation = activity.operation;
        let tag = ctx.tag();
        self.looking.insert(tag, (resource.clone(), operation));
        let kind = ActionKind::Probe;
        ctx.out.push(Effect::Look(Box::new(Job {
            tag,
            kind,
            resource: resource.clone(),
            operation,
            definition,
            timeout,
            target: None,
        })));
    }

    pub(super) fn looked(&mut self, ctx: &mut Ctx<'_>, tag: Tag, looked: Executed) {
        let Some((resource, operation)) = self.looking.remove(&tag) else { return };
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
        // It does not work, and says so in other words: no news.
        let is_same = activity.seen == seen || matches!((&activity.seen, &seen), (Seen::Failed(_), Seen::Failed(_)));
        let known = is_same || (activity.operation != operation && !planted(Mistake::TrustLateMonitor));
        if known || ctx.is_pending(|purpose| matches!(purpose, Purpose::Observe(about) if *about == resource)) {
            return;
        }
        let died = activity.seen == Seen::Running && seen == Seen::Stopped;
        let error = looked.error.or_else(|| died.then(|| "it was running and is gone".into()));
        let command = Command::Observe { speaker: ctx.speaker(), resource: resource.clone(), operation, seen, error };
        ctx.propose(Purpose::Observe(resource), command);
    }
}

/// What can be watched: also what failed, which may work again where failures are ignored.
fn is_there(seen: &Seen) -> bool {
    matches!(seen, Seen::Running | Seen::Failed(_))
}
