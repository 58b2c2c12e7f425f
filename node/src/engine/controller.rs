//! The leader's controller: plans from the whole state whenever it moved, and proposes what should change.
//!
//! Level-triggered, at most one plan in flight, wake-ups coalesced by the last index that may matter to a plan.

use super::{Ctx, Purpose};
use quorate_core::planner::{Report, plan};
use quorate_core::state::Command;

#[derive(Debug, Default)]
pub(super) struct Controller {
    planned_at: Option<u64>,
    report: Report,
}

impl Controller {
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// A member that does not lead has no plan.
    pub(super) fn rest(&mut self) {
        self.planned_at = None;
        self.report = Report::default();
    }

    /// A plan was answered, well or not: look again.
    pub(super) fn answered(&mut self) {
        self.planned_at = None;
    }

    pub(super) fn drive(&mut self, ctx: &mut Ctx<'_>) {
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
        self.report = plan.report;
    }
}
