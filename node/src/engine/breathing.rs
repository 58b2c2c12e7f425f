//! A session that was proven dead and lives: its proof is false, and everybody has to know.
//!
//! Rule breathing of SAFETY.md. An answer counts only to a question that was asked after the proof was seen here; what
//! was buffered says nothing. The host itself knows best: it applied the proof, so it lives after it.

use super::liveness::Liveness;
use super::{Ctx, Purpose};
use quorate_core::id::{NodeId, SessionId};
use quorate_core::state::{Breath, Command, Proof, SessionState};
use quorate_core::time::BootTime;
use std::collections::BTreeMap;

/// When this member first saw that a session was proven dead.
#[derive(Debug, Default)]
pub(super) struct Breathing {
    ended: BTreeMap<NodeId, (SessionId, BootTime)>,
}

impl Breathing {
    pub(super) fn look(&mut self, ctx: &mut Ctx<'_>, liveness: &Liveness) {
        let mut found = Vec::new();
        for (node, at) in &ctx.view.state.nodes {
            let ended = at.session.as_ref().filter(|session| is_said_dead(&session.state));
            let Some(session) = ended else {
                self.ended.remove(node);
                continue;
            };
            let (known, since) = self.ended.entry(node.clone()).or_insert_with(|| (session.id.clone(), ctx.now));
            if *known != session.id {
                (*known, *since) = (session.id.clone(), ctx.now);
            }
            if let Some(heard_by) = liveness.heard_after(&ctx.me.node, node, &session.id, *since) {
                found.push(Breath { node: node.clone(), session: session.id.clone(), heard_by });
            }
        }
        if ctx.view.is_leader {
            found.into_iter().for_each(|breath| tell(ctx, breath));
        }
    }
}

/// This very session was proven dead.
pub(super) fn confess(ctx: &mut Ctx<'_>) {
    let me = ctx.me.clone();
    let ended = ctx.view.state.nodes.get(&me.node).and_then(|at| at.session.as_ref());
    if ended.is_some_and(|it| it.id == me.session && is_said_dead(&it.state)) {
        tell(ctx, Breath { heard_by: me.node.clone(), node: me.node, session: me.session });
    }
}

/// Who said goodbye only has nothing left: its daemon may well answer until the host is switched off.
fn is_said_dead(state: &SessionState) -> bool {
    matches!(state, SessionState::Ended(proof) if !matches!(proof, Proof::Goodbye { .. }))
}

fn tell(ctx: &mut Ctx<'_>, breath: Breath) {
    let purpose = Purpose::Breathes(breath.node.clone());
    if !ctx.is_pending(|pending| *pending == purpose) {
        ctx.propose(purpose, Command::Breathes(breath));
    }
}
