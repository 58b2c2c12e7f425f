//! Pills: what a try leaves in a host's slot instead of switching anything off, and the look whether it is there.
//!
//! Rules proofs and poison pill. A pill is left under a grant, as an off is sent, and read back; who waits for it, and looks
//! again whether it was there all the time, is in `watchdog_wait`.

use super::Ctx;
use super::event::{Effect, PowerAnswer, PowerVerb, Tag};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::pill::SentPill;
use quorate_core::state::ClusterState;
use std::time::Duration;

/// What is wrong with a disk that takes a pill and does not have it.
const NOT_THERE: &str = "the pill is not in its slot, though it was written there";

/// What the looks at the end of a wait, and a change of leader in between, may take.
const BEYOND: Duration = Duration::from_secs(40);

/// Asks for what a try leaves, or for a look at it, where that is a pill; whether it is one.
pub(super) fn ask(ctx: &mut Ctx<'_>, target: &NodeId, tag: Tag, verb: PowerVerb, timeout: Duration) -> bool {
    let intent = ctx.view.state.intents.get(target);
    let Some(pill) = intent.and_then(|intent| intent.open_attempt()?.pill.clone()) else { return false };
    look(ctx, target, &pill, tag, verb, timeout)
}

/// Asks for this pill; whether there is one.
pub(super) fn look(
    ctx: &mut Ctx<'_>,
    target: &NodeId,
    pill: &SentPill,
    tag: Tag,
    verb: PowerVerb,
    timeout: Duration,
) -> bool {
    let Some(pill) = ctx.view.state.pill(target, pill) else { return false };
    ctx.out.push(Effect::Pill { tag, target: target.clone(), pill: Box::new(pill), verb, timeout });
    true
}

/// A try's answer as it is to be taken: a pill that is not there is no power that reads on.
pub(super) fn heed(ctx: &Ctx<'_>, device: &ResourceId, answer: &PowerAnswer) -> PowerAnswer {
    match answer.result {
        Ok(true) if ctx.view.state.is_pill(device) && !answer.sent => {
            PowerAnswer { result: Err(NOT_THERE.to_owned()), ..*answer }
        }
        _ => answer.clone(),
    }
}

/// Whether a pill was left that will prove it: nothing more is sent meanwhile. A leader does not wait for its own, and who
/// cannot look has nothing to say; so that is not waited for longer than it may take.
pub(super) fn is_waited_for(state: &ClusterState, target: &NodeId, since: Duration) -> bool {
    let may_take = state.watchdog_due(target).map(|armed| armed.terms.wait() + BEYOND);
    state.sent_pill(target).is_some() && may_take.is_ok_and(|may_take| since < may_take)
}
