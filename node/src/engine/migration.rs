//! What a source does about its live migrations beside carrying them out: when one that failed is tried again, when one is
//! given up, and how far each is.

use super::Ctx;
use super::event::{Effect, Tag, Target};
use super::operations::{Operations, Running, Stage};
use quorate_core::id::{ActionId, ResourceId};
use quorate_core::state::{Action, ActionKind, Seen};
use quorate_core::time::BootTime;
use quorate_core::view::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// After its first failure a migration is tried again in so long; then the pause doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// It grows no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct Migrations {
    /// How often the migration of each failed in a row, and when it may be tried again.
    failed: BTreeMap<ResourceId, (u32, BootTime)>,
    /// Those that were asked to give up.
    called_off: BTreeSet<Tag>,
    progress: BTreeMap<Tag, Progress>,
}

impl Migrations {
    /// A migration was answered: how it ended says when the next may begin.
    pub(super) fn ended(&mut self, now: BootTime, resource: &ResourceId, running: &Running) {
        self.progress.remove(&running.tag);
        let was_called_off = self.called_off.remove(&running.tag);
        let stays =
            matches!(&running.stage, Stage::Telling(ended) if ended.seen == Seen::Running && ended.error.is_some());
        if !stays || was_called_off {
            self.failed.remove(resource);
            return;
        }
        let times = self.failed.get(resource).map_or(1, |(times, _)| times.saturating_add(1));
        let pause = FIRST_PAUSE.saturating_mul(1 << (times - 1).min(10)).min(LONGEST_PAUSE);
        self.failed.insert(resource.clone(), (times, now.after(pause)));
    }
}

impl Operations {
    /// Whether a migration may begin now; any other action may.
    pub(super) fn may_send(&self, ctx: &Ctx<'_>, action: &Action) -> bool {
        if action.kind != ActionKind::Migrate {
            return true;
        }
        let rests = self.migrations.failed.get(&action.resource).is_some_and(|(_, until)| ctx.now < *until);
        !rests && ctx.view.state.full_of_migrations(action).is_none()
    }

    /// Gives up what the plan does not want any more.
    pub(super) fn call_off(&mut self, ctx: &mut Ctx<'_>) {
        for (resource, running) in &self.running {
            if running.kind != ActionKind::Migrate || self.migrations.called_off.contains(&running.tag) {
                continue;
            }
            let claim = ctx.view.state.activity(resource, &ctx.me.node).and_then(|activity| activity.claim.as_ref());
            let migration =
                claim.filter(|claim| claim.action == running.action).and_then(|claim| claim.migration.as_ref());
            if migration.is_some_and(|migration| migration.called_off) {
                self.migrations.called_off.insert(running.tag);
                ctx.out.push(Effect::CallOff(running.tag));
            }
        }
    }

    pub(super) fn progress(&mut self, tag: Tag, progress: Progress) {
        if self.running.values().any(|running| running.tag == tag) {
            self.migrations.progress.insert(tag, progress);
        }
    }

    pub(super) fn migrations(&self) -> BTreeMap<ResourceId, Progress> {
        let sends = self.running.iter().filter(|(_, running)| running.kind == ActionKind::Migrate);
        sends
            .filter_map(|(resource, running)| Some((resource.clone(), *self.migrations.progress.get(&running.tag)?)))
            .collect()
    }
}

/// Where a migration goes, or comes from, and how that host is reached.
pub(super) fn target_of(ctx: &Ctx<'_>, action: ActionId, kind: ActionKind) -> Option<Target> {
    if !matches!(kind, ActionKind::Migrate | ActionKind::Handover) {
        return None;
    }
    let node = ctx.view.state.actions.get(&action)?.peer.clone()?;
    let address = ctx.view.state.members.get(&node)?.address.clone();
    Some(Target { node, address })
}
