//! When a leader should give up leading: others hear whom it does not, or its own commits stall.
//!
//! Rule beats to all voters of SAFETY.md. It hands over only to a voter that is better off, so that leadership comes
//! to rest: one that hears more members than it does, or, where it cannot commit, any that answers.

use super::event::Effect;
use super::liveness::Liveness;
use super::{Ctx, Purpose};
use quorate_core::id::{NodeId, SessionId};
use quorate_core::state::SessionState;
use quorate_core::time::BootTime;
use std::cmp::Reverse;
use std::time::Duration;

/// Silence that others do not share, or a proposal without an answer, is borne for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before leadership is offered again.
const PAUSE: Duration = Duration::from_secs(5);
/// A leader with a proposal that has waited for so long judges nobody.
pub(super) const STALL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct HandOver {
    not_before: BootTime,
}

impl HandOver {
    pub(super) fn drive(&mut self, ctx: &mut Ctx<'_>, liveness: &Liveness) {
        if !ctx.view.is_leader {
            return;
        }
        if ctx.now < self.not_before {
            return;
        }
        let offer = match unheard(ctx, liveness) {
            Some(node) => better(ctx, liveness, heard_by_me(ctx, liveness) + 1)
                .map(|to| (to, format!("others hear {node}, which this leader does not"))),
            None if ctx.oldest_proposal() >= PATIENCE => {
                better(ctx, liveness, 0).map(|to| (to, "what this leader proposes is not committed".to_owned()))
            }
            None => None,
        };
        if let Some((to, why)) = offer {
            self.not_before = ctx.now.after(PAUSE);
            ctx.out.push(Effect::HandOver { to, why });
        }
    }
}

/// A node that this leader has not heard for long, and another member hears.
fn unheard(ctx: &Ctx<'_>, liveness: &Liveness) -> Option<NodeId> {
    let mut open = open_sessions(ctx);
    open.find(|(node, session)| {
        liveness.silence(node, session, ctx.now) >= PATIENCE
            && !liveness.hearers(&ctx.me.node, node, session, ctx.now).is_empty()
    })
    .map(|(node, _)| node.clone())
}

fn open_sessions<'s>(ctx: &Ctx<'s>) -> impl Iterator<Item = (&'s NodeId, &'s SessionId)> + use<'s> {
    let me = ctx.view.state.nodes.get_key_value(&ctx.me.node).map(|(node, _)| node);
    let others = ctx.view.state.nodes.iter().filter(move |(node, _)| Some(*node) != me);
    others.filter_map(|(node, at)| {
        let session = at.living_session().filter(|session| session.state == SessionState::Open)?;
        Some((node, &session.id))
    })
}

fn heard_by_me(ctx: &Ctx<'_>, liveness: &Liveness) -> usize {
    let heard = |(node, session): &(&NodeId, &SessionId)| liveness.hears(node, session, ctx.now);
    open_sessions(ctx).filter(heard).count()
}

/// The voter that takes part, answers and hears most of the members, if it hears so many.
fn better(ctx: &Ctx<'_>, liveness: &Liveness, least: usize) -> Option<NodeId> {
    let is_voter = |node: &NodeId| ctx.view.voters.is_empty() || ctx.view.voters.contains(node);
    let fit = open_sessions(ctx).filter(|(node, session)| {
        let takes_part = ctx.view.state.nodes.get(*node).is_some_and(quorate_core::state::NodeState::is_online);
        takes_part && is_voter(node) && liveness.hears(node, session, ctx.now)
    });
    // This leader is heard by it as it is heard by this leader.
    let others = |peer: &NodeId| {
        let heard =
            |(node, session): &(&NodeId, &SessionId)| *node == peer || liveness.is_heard_by(peer, node, session);
        open_sessions(ctx).filter(heard).count()
    };
    let counted = fit.map(|(node, _)| (others(node), Reverse(node.clone())));
    counted.max().filter(|(count, _)| *count >= least).map(|(_, node)| node.0)
}

impl Ctx<'_> {
    /// For how long the oldest proposal of this daemon has had no answer; what waits for a person or a device is none.
    pub(super) fn oldest_proposal(&self) -> Duration {
        let asked = self.proposals.iter().filter(|(_, purpose)| !matches!(purpose, Purpose::GoAway));
        let asked = asked.filter_map(|(tag, _)| self.asked_at.get(tag)).min();
        asked.map_or(Duration::ZERO, |asked| self.now.since(*asked))
    }
}
