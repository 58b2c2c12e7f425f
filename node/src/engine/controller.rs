//! The leader's controller: plans from the whole state whenever it moved, and proposes what should change.
//!
//! Level-triggered, at most one plan in flight, wake-ups coalesced by the last index that may matter to a plan. What waits
//! for time alone is woken by an entry when it is due, for the state knows no time but that of its entries.

use super::{Ctx, Purpose};
use quorate_core::planner::{Report, plan};
use quorate_core::state::Command;
use quorate_core::time::{BootTime, Timestamp};
use std::time::Duration;

/// The leader wakes the state no more often than this.
const WAKE_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Controller {
    planned_at: Option<u64>,
    report: Report,
    /// The newest entry that was seen here, and when.
    newest: (u64, BootTime),
    /// When the plan should be made again though nothing happens.
    wake: Option<Timestamp>,
    /// Not before this.
    wake_from: BootTime,
    /// Since it leads it brought time in once: who has just started does not know how old the last entry is.
    has_woken: bool,
}

impl Controller {
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// A member that does not lead has no plan.
    fn rest(&mut self) {
        self.planned_at = None;
        self.wake = None;
        self.has_woken = false;
        self.report = Report::default();
    }

    /// A plan was answered, well or not: look again.
    pub(super) fn answered(&mut self) {
        self.planned_at = None;
    }

    /// Plans where this member leads; whoever leads next knows how old the last entry is.
    pub(super) fn act(&mut self, ctx: &mut Ctx<'_>) {
        let index = ctx.view.state.index;
        if self.newest.0 != index {
            self.newest = (index, ctx.now);
        }
        if ctx.view.is_leader { self.drive(ctx) } else { self.rest() }
    }

    /// Brings time into the state when something there is due. Nobody's clock is compared with another's: the time since
    /// the last entry is what this member measured itself.
    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        let Some(due) = self.wake else { return };
        let now = ctx.view.state.now.after(ctx.now.since(self.newest.1));
        if (now < due && self.has_woken)
            || ctx.now < self.wake_from
            || ctx.is_pending(|purpose| *purpose == Purpose::Wake)
        {
            return;
        }
        self.wake_from = ctx.now.after(WAKE_PAUSE);
        self.has_woken = true;
        ctx.propose(Purpose::Wake, Command::Wake);
    }

    fn drive(&mut self, ctx: &mut Ctx<'_>) {
        self.wake(ctx);
        let in_flight = ctx.is_pending(|purpose| matches!(purpose, Purpose::Plan));
        if in_flight || self.planned_at == Some(ctx.view.state.moved) {
            return;
        }
        self.planned_at = Some(ctx.view.state.moved);
        let plan = plan(ctx.view.state);
        for fence in &plan.fence {
            let target = fence.target.clone();
            if !ctx.is_pending(|purpose| matches!(purpose, Purpose::Fence(about) if *about == target)) {
                let command = Command::Fence {
                    target: target.clone(),
                    session: fence.session.clone(),
                    cause: fence.cause.clone(),
                    action: None,
                };
                ctx.propose(Purpose::Fence(target), command);
            }
        }
        if !plan.cancel.is_empty() || !plan.add.is_empty() {
            ctx.propose(Purpose::Plan, Command::Plan { cancel: plan.cancel, add: plan.add });
        }
        if !plan.ended.is_empty() && !ctx.is_pending(|purpose| *purpose == Purpose::Ends) {
            ctx.propose(Purpose::Ends, Command::EndPreferences(plan.ended));
        }
        if !plan.notices.is_empty() && !ctx.is_pending(|purpose| *purpose == Purpose::Notices) {
            ctx.propose(Purpose::Notices, Command::Notices(plan.notices));
        }
        self.wake = plan.wake;
        self.report = plan.report;
    }
}
