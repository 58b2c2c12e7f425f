//! Claims, and the operations they allow.
//!
//! answer-only: an operation runs only on the answer to this process's own claim. A claim whose answer was lost is
//! never executed; it is closed by a look.

use super::event::{Effect, Executed, Job, ProposeError, Tag};
use super::migration::{Migrations, target_of};
use super::{Ctx, Purpose};
use quorate_core::id::{ActionId, Operation, ResourceId};
use quorate_core::planted::{Mistake, planted};
use quorate_core::state::{Action, ActionKind, Activity, Command, Moved, Noticed, Outcome, Reload, Seen};
use quorate_core::time::BootTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// A probe or a stop after which nothing certain was seen is not repeated before this; the pause doubles each time.
const UNSURE_PAUSE: Duration = Duration::from_secs(5);
/// And so long at most: news of the hypervisor end it at once.
const LONGEST_UNSURE_PAUSE: Duration = Duration::from_secs(80);
/// Time between two reads that the leader did not answer.
const READ_PAUSE: Duration = Duration::from_millis(200);
/// The log's deadline of a claim is so much longer than the operation's own.
const DEADLINE_MARGIN: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Operations {
    pub(super) running: BTreeMap<ResourceId, Running>,
    /// What was unsure, how often in a row, and when the next may begin.
    unsure: BTreeMap<(ResourceId, ActionKind), (u32, BootTime)>,
    /// Actions that were claimed here and refused: not asked for again.
    refused: BTreeMap<ActionId, BootTime>,
    /// Actions whose results were answered: a view that lags still shows their claims.
    closed: BTreeMap<ResourceId, ActionId>,
    pub(super) migrations: Migrations,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) tag: Tag,
    pub(super) action: ActionId,
    operation: Operation,
    pub(super) kind: ActionKind,
    /// It looks in place of a start or a stop that was granted and never begun.
    never_begun: bool,
    deadline: BootTime,
    /// Since when the executor is at it, and how long it was before: a start waits for a read in between.
    asked_at: BootTime,
    took: Duration,
    /// What its agent says that it takes over without a restart.
    reload: Option<Reload>,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    Executing,
    /// A linearizable read before the VM may run.
    Checking(Tag),
    /// The leader could not be asked; from this moment on it is asked again.
    Unasked(BootTime),
    /// It ended so; the log has to hear of it.
    Telling(Executed),
    /// It is complete at the target and gone from here; the log has to hear of it.
    Leaving(Moved),
}

impl Operations {
    pub(super) fn is_busy(&self, resource: &ResourceId) -> bool {
        self.running.contains_key(resource)
    }

    pub(super) fn act(&mut self, ctx: &mut Ctx<'_>) {
        let actions = &ctx.view.state.actions;
        self.refused.retain(|id, _| actions.contains_key(id));
        let ready: Vec<Action> = actions
            .values()
            .filter(|action| action.node == ctx.me.node && !action.claimed)
            .filter(|action| action.after.iter().all(|before| !actions.contains_key(before)))
            .filter(|action| !self.is_busy(&action.resource))
            .filter(|action| self.refused.get(&action.id).is_none_or(|until| ctx.now >= *until))
            .filter(|action| {
                let unsure = self.unsure.get(&(action.resource.clone(), action.kind));
                unsure.is_none_or(|(_, until)| ctx.now >= *until)
            })
            .filter(|action| self.may_send(ctx, action))
            .cloned()
            .collect();
        for action in ready {
            if !ctx.is_pending(|purpose| *purpose == Purpose::Claim(action.id)) {
                let deadline = timeout(ctx, &action.resource, action.kind) + DEADLINE_MARGIN;
                let command = Command::Claim { speaker: ctx.speaker(), action: action.id, deadline };
                ctx.propose(Purpose::Claim(action.id), command);
            }
        }
        self.close_unanswered(ctx);
        self.call_off(ctx);
        self.ask_again(ctx);
        self.tell_again(ctx);
    }

    fn ask_again(&mut self, ctx: &mut Ctx<'_>) {
        for running in self.running.values_mut() {
            if matches!(running.stage, Stage::Unasked(from) if ctx.now >= from) {
                let read = ctx.tag();
                running.stage = Stage::Checking(read);
                ctx.out.push(Effect::Read(read));
            }
        }
    }

    /// Claims of this incarnation that nobody carries out: their answer was lost, so nothing was begun under them.
    fn close_unanswered(&mut self, ctx: &mut Ctx<'_>) {
        let open: Vec<(ResourceId, Activity)> = ctx
            .view
            .state
            .resources
            .iter()
            .filter_map(|(resource, nodes)| Some((resource.clone(), nodes.get(&ctx.me.node)?.clone())))
            .filter(|(resource, _)| !self.is_busy(resource))
            .collect();
        for (resource, activity) in open {
            let Some(claim) = activity.claim.filter(|claim| claim.incarnation == ctx.incarnation) else { continue };
            if claim.kind == ActionKind::Incoming {
                // Its source ends it, or a handover.
                continue;
            }
            let is_closed = self.closed.get(&resource).is_some_and(|closed| claim.action <= *closed);
            if is_closed || ctx.is_pending(|purpose| *purpose == Purpose::Claim(claim.action)) {
                continue;
            }
            let kind = if planted(Mistake::ReplayGrant) { claim.kind } else { ActionKind::Probe };
            self.begin(ctx, &resource, (claim.action, activity.operation), kind);
            if let Some(running) = self.running.get_mut(&resource) {
                running.never_begun = kind != claim.kind
                    && matches!(claim.kind, ActionKind::Start | ActionKind::Stop | ActionKind::Notify);
            }
        }
    }

    pub(super) fn answered(&mut self, ctx: &mut Ctx<'_>, purpose: &Purpose, answer: &Result<Outcome, ProposeError>) {
        match (purpose, answer) {
            (Purpose::Claim(id), Ok(Outcome::Granted(operation))) => {
                // The view may lag behind the answer; what was claimed is in the plan that was seen.
                if let Some(action) = ctx.view.state.actions.get(id).cloned() {
                    self.begin(ctx, &action.resource, (*id, *operation), action.kind);
                }
            }
            (Purpose::Claim(id), Ok(_)) => {
                self.refused.insert(*id, ctx.now.after(Duration::from_millis(500)));
            }
            (Purpose::Result(resource), Ok(_)) => {
                let Some(running) = self.running.remove(resource) else { return };
                self.closed.insert(resource.clone(), running.action);
                if running.kind == ActionKind::Migrate {
                    self.migrations.ended(ctx.now, resource, &running);
                }
                if let Stage::Telling(executed) = &running.stage {
                    let key = (resource.clone(), running.kind);
                    self.count_unsure(ctx.now, key, matches!(executed.seen, Seen::Unknown(_) | Seen::Paused(_)));
                }
            }
            _ => {}
        }
    }

    fn count_unsure(&mut self, now: BootTime, key: (ResourceId, ActionKind), is_unsure: bool) {
        if !is_unsure || !matches!(key.1, ActionKind::Probe | ActionKind::Stop) {
            self.unsure.remove(&key);
            return;
        }
        let times = self.unsure.get(&key).map_or(0, |(times, _)| *times);
        let pause = UNSURE_PAUSE.saturating_mul(2_u32.saturating_pow(times)).min(LONGEST_UNSURE_PAUSE);
        self.unsure.insert(key, (times.saturating_add(1), now.after(pause)));
    }

    /// The hypervisor has news of it: the next look may see more.
    pub(super) fn forget_unsure(&mut self, resource: &ResourceId) {
        self.unsure.retain(|(about, _), _| about != resource);
    }

    fn begin(
        &mut self,
        ctx: &mut Ctx<'_>,
        resource: &ResourceId,
        (action, operation): (ActionId, Operation),
        kind: ActionKind,
    ) {
        let notice = ctx.view.state.notice_attributes(resource, &ctx.me.node, kind);
        let is_dropped = kind == ActionKind::Notify && notice.is_none();
        // There is nothing to tell any more: the claim is closed by a look.
        let kind = if is_dropped { ActionKind::Probe } else { kind };
        let tag = ctx.tag();
        let timeout = timeout(ctx, resource, kind);
        let deadline = ctx.now.after(timeout + DEADLINE_MARGIN);
        let mut running = Running {
            tag,
            action,
            operation,
            kind,
            never_begun: is_dropped,
            deadline,
            asked_at: ctx.now,
            took: Duration::ZERO,
            reload: None,
            stage: Stage::Executing,
        };
        let target = target_of(ctx, action, kind);
        let definition = definition(ctx, resource, kind);
        let Some(definition) = definition.filter(|_| kind != ActionKind::Migrate || target.is_some()) else {
            // The claim is closed all the same, or it would stand for ever.
            let why = "nobody knows any more what it was started with".to_owned();
            running.stage = Stage::Telling(Executed { seen: Seen::Unknown(why.clone()), error: Some(why.into()) });
            self.running.insert(resource.clone(), running);
            return;
        };
        self.running.insert(resource.clone(), running);
        let stop = definition.operation("stop", &ctx.view.state.config.op_defaults).timeout;
        ctx.out.push(Effect::Execute(Box::new(Job {
            tag,
            kind,
            resource: resource.clone(),
            operation,
            definition,
            timeout,
            stop,
            target,
            interval: std::time::Duration::ZERO,
            is_absent: false,
            notice: notice.unwrap_or_default(),
        })));
    }

    /// transient: the VM stands there paused. It runs only when its claim still stands, by a read as new as now.
    pub(super) fn prepared(&mut self, ctx: &mut Ctx<'_>, tag: Tag) {
        let read = ctx.tag();
        let Some(running) = self.running.values_mut().find(|running| running.tag == tag) else {
            return ctx.out.push(Effect::Discard(tag, "nobody waits for it".to_owned()));
        };
        running.took += ctx.now.since(running.asked_at);
        running.asked_at = ctx.now;
        if planted(Mistake::ResumeUnchecked) {
            return ctx.out.push(Effect::Resume(tag));
        }
        running.stage = Stage::Checking(read);
        ctx.out.push(Effect::Read(read));
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, read: Tag, fresh: bool) {
        let Some((resource, running)) =
            self.running.iter_mut().find(|(_, running)| matches!(running.stage, Stage::Checking(tag) if tag == read))
        else {
            return;
        };
        let tag = running.tag;
        if !fresh && ctx.now < running.deadline {
            running.stage = Stage::Unasked(ctx.now.after(READ_PAUSE));
            return;
        }
        let stands = ctx.view.state.is_current(&ctx.speaker())
            && ctx
                .view
                .state
                .activity(resource, &ctx.me.node)
                .is_some_and(|activity| activity.operation == running.operation && activity.claim.is_some());
        running.stage = Stage::Executing;
        running.asked_at = ctx.now;
        ctx.out.push(match (fresh, stands) {
            (true, true) => Effect::Resume(tag),
            (true, false) => Effect::Discard(tag, "its claim does not stand any more".to_owned()),
            (false, _) => {
                Effect::Discard(tag, "the leader could not be asked whether its claim still stands".to_owned())
            }
        });
    }

    pub(super) fn executed(&mut self, ctx: &mut Ctx<'_>, tag: Tag, mut executed: Executed, reload: Option<Reload>) {
        let Some(resource) =
            self.running.iter().find(|(_, running)| running.tag == tag).map(|(resource, _)| resource.clone())
        else {
            return;
        };
        if let Some(running) = self.running.get_mut(&resource) {
            running.took += ctx.now.since(running.asked_at);
            let is_unsure = running.kind == ActionKind::Stop && matches!(executed.seen, Seen::Unknown(_));
            if is_unsure && planted(Mistake::NoEndIsStopped) {
                executed = Executed { seen: Seen::Stopped, error: None };
            }
            running.reload = reload;
            if running.never_begun {
                // The log would read the look's trouble as a start or a stop that failed, and fence for it.
                executed.error = None;
            }
            running.stage = Stage::Telling(executed);
        }
        self.tell_again(ctx);
    }

    /// handover: the migration's own word, and nobody else's.
    pub(super) fn gone(&mut self, ctx: &mut Ctx<'_>, tag: Tag, moved: Moved) {
        if let Some(running) = self.running.values_mut().find(|running| running.tag == tag) {
            running.stage = Stage::Leaving(moved);
        }
        self.tell_again(ctx);
    }

    /// Proposes every result that has no answer yet.
    fn tell_again(&mut self, ctx: &mut Ctx<'_>) {
        for (resource, running) in &self.running {
            if ctx.is_pending(|purpose| matches!(purpose, Purpose::Result(about) if about == resource)) {
                continue;
            }
            let (speaker, resource_id, operation) = (ctx.speaker(), resource.clone(), running.operation);
            let command = match &running.stage {
                Stage::Executing | Stage::Checking(_) | Stage::Unasked(_) => continue,
                Stage::Telling(executed) if running.kind == ActionKind::Notify => {
                    let (error, took) = (executed.error.clone(), running.took);
                    Command::Noticed(Box::new(Noticed { speaker, resource: resource_id, operation, error, took }))
                }
                Stage::Leaving(moved) => Command::Gone { speaker, resource: resource_id, operation, moved: *moved },
                Stage::Telling(executed) => Command::Result {
                    speaker,
                    resource: resource_id,
                    operation,
                    seen: executed.seen.clone(),
                    error: executed.error.clone(),
                    took: running.took,
                    reload: running.reload.clone(),
                },
            };
            ctx.propose(Purpose::Result(resource.clone()), command);
        }
    }
}

/// A start uses what is configured; stop and probe use what it was started with.
fn definition(ctx: &Ctx<'_>, resource: &ResourceId, kind: ActionKind) -> Option<quorate_core::config::Primitive> {
    let state = ctx.view.state;
    let configured = || state.config.primitives.get(resource);
    let definition = match kind {
        ActionKind::Start => {
            state.activity(resource, &ctx.me.node).and_then(|activity| activity.definition.as_ref()).or_else(configured)
        }
        ActionKind::Reload => {
            let claim = state.activity(resource, &ctx.me.node).and_then(|activity| activity.claim.as_ref());
            claim.and_then(|claim| claim.definition.as_deref()).or_else(configured)
        }
        _ => state.definition(resource, &ctx.me.node),
    };
    definition.map(|definition| state.definition_on(definition, &ctx.me.node).among(state.nodes.len()))
}

fn timeout(ctx: &Ctx<'_>, resource: &ResourceId, kind: ActionKind) -> Duration {
    definition(ctx, resource, kind).map_or(Duration::from_secs(20), |definition| {
        let names_it = |name: &str| definition.operations.iter().any(|line| line.name == name);
        let name = match kind {
            ActionKind::Probe => "monitor",
            ActionKind::Reload if names_it("reload-agent") => "reload-agent",
            _ => kind.word(),
        };
        definition.operation(name, &ctx.view.state.config.op_defaults).timeout
    })
}
