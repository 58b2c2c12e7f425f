//! Moves, bans, and their end: what is asked for is checked against what is so now, so that who asks learns at once why
//! nothing would come of it.

use super::asker::Asker;
use super::edit::vm;
use super::fault;
use super::node::known;
use quorate_api::proto::{ChangeReply, ResourceRequest, ResourceVerb};
use quorate_api::{Fault, Reason};
use quorate_core::config::{Primitive, TargetRole};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::planner::{Rejection, unfit};
use quorate_core::state::{ClusterState, Command, Standing, Wish};
use std::time::Duration;

/// A longer lifetime is a location constraint.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Answers a move, a ban or a clear.
pub(super) async fn place(asker: &Asker, request: &ResourceRequest) -> Result<ChangeReply, Fault> {
    // Of a group it is the first member that is asked: the others follow it.
    let id = asker.cluster.state(|state| vm(&state.config, &request.resource));
    let id = id.unwrap_or_else(|_| ResourceId::new(&request.resource));
    let node = request.node.as_deref().map(NodeId::new);
    if let Some((index, _)) = asker.answered()? {
        return Ok(ChangeReply { index, message: format!("it was asked for already: see `qrm resource status {id}`") });
    }
    let lasts = request.lasts_seconds.map(Duration::from_secs).filter(|lasts| *lasts < LONGEST);
    let actor = asker.actor.clone();
    if request.verb() == ResourceVerb::Clear {
        asker.cluster.state(|state| vm(&state.config, &request.resource).map(|_| ()))?;
        let about = node.as_ref().map_or_else(String::new, |node| format!(" about {node}"));
        let message = format!("{id} is free again of all that was asked{about}");
        let (index, _) = asker.propose(Command::Clear { actor, resource: id, node }).await?;
        return Ok(ChangeReply { index, message });
    }
    let asked = asker.cluster.state(|state| {
        let now = state.index;
        check(state, &request.resource, request.verb(), node.as_ref(), lasts.is_some()).map(|asked| (asked, now))
    })?;
    let (node, wish, words) = match asked {
        (Asked::Wish { node, wish, words }, _) => (node, wish, words),
        (Asked::IsSo(message), index) => return Ok(ChangeReply { index, message }),
    };
    let ends = match (lasts, wish) {
        (Some(lasts), _) => format!(", for {} s", lasts.as_secs()),
        (None, Wish::Ban) => format!(", until `qrm resource clear {id}`"),
        (None, Wish::Move | Wish::Leave) => String::new(),
    };
    let message = format!("{words}{ends}");
    let (index, _) = asker.propose(Command::Prefer { actor, resource: id, node, wish, lasts }).await?;
    Ok(ChangeReply { index, message })
}

/// What is to be entered, or why nothing has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Wish { node: NodeId, wish: Wish, words: String },
    IsSo(String),
}

/// Whether it makes sense now.
pub(super) fn check(
    state: &ClusterState,
    name: &str,
    verb: ResourceVerb,
    node: Option<&NodeId>,
    has_lifetime: bool,
) -> Result<Asked, Fault> {
    let id = vm(&state.config, name)?;
    let Some(primitive) = state.config.primitives.get(&id) else {
        return Err(Fault::new(Reason::NotFound, format!("there is no resource '{id}'")));
    };
    if let Some(node) = node {
        known(state, node)?;
    }
    if primitive.clone_spec().is_some() && verb == ResourceVerb::Move {
        let what = format!("{name} is a clone, and runs wherever it may: there is nothing to move");
        return Err(Fault::new(Reason::Refused, what)
            .hint(format!("keep it from a node with `qrm resource ban {name} NODE`, or give it a location")));
    }
    let place = running(state, &id);
    match (verb, node) {
        (ResourceVerb::Ban, None) => {
            Err(fault::invalid(format!("the request does not say from which node {id} is banned"), "name the node"))
        }
        (ResourceVerb::Ban, Some(node)) => {
            let words = format!("{id} does not run on {node} any more");
            Ok(Asked::Wish { node: node.clone(), wish: Wish::Ban, words })
        }
        (_, Some(node)) => {
            check_managed(state, &id, primitive)?;
            if place.as_ref() == Some(node) && !has_lifetime && !state.preferences.contains_key(&id) {
                return Ok(Asked::IsSo(format!("{id} runs on {node} already: nothing was changed")));
            }
            if let Some(rule) = unfit(state, &id, primitive, node) {
                return Err(cannot(&id, node, &rule));
            }
            let words = format!("{id} is to move to {node}");
            Ok(Asked::Wish { node: node.clone(), wish: Wish::Move, words })
        }
        (_, None) => {
            check_managed(state, &id, primitive)?;
            let Some(place) = place else {
                return Err(Fault::new(
                    Reason::Refused,
                    format!("{id} does not run on one node, so there is nothing to leave"),
                )
                .hint(format!("name the node that it should run on: `qrm resource move {id} NODE`")));
            };
            let mut others = state.nodes.keys().filter(|other| **other != place);
            if others.clone().all(|other| unfit(state, &id, primitive, other).is_some()) {
                let why = others.find_map(|other| Some(format!("{other}: {}", unfit(state, &id, primitive, other)?)));
                let why = why.map_or_else(String::new, |why| format!(" ({why})"));
                return Err(Fault::new(Reason::Refused, format!("no other node may run {id}{why}"))
                    .hint("`qrm node show` shows what the nodes are like"));
            }
            let words = format!("{id} is to move away from {place}");
            Ok(Asked::Wish { node: place, wish: Wish::Leave, words })
        }
    }
}

/// Where it runs, when that is one node.
fn running(state: &ClusterState, id: &ResourceId) -> Option<NodeId> {
    let runs = |node: &&NodeId| {
        state.activity(id, node).is_some_and(|activity| activity.seen.is_running())
            && state.standing(id, node) != Standing::NotActive
    };
    let mut places = state.nodes.keys().filter(runs);
    places.next().filter(|_| places.next().is_none()).cloned()
}

fn check_managed(state: &ClusterState, id: &ResourceId, primitive: &Primitive) -> Result<(), Fault> {
    if state.is_left_alone(id) {
        return Err(Fault::new(Reason::Refused, format!("nobody touches {id} now, so it would not be moved"))
            .hint(format!("end its maintenance, or `qrm configure set {id}.is-managed true`")));
    }
    let meta = state.meta(id, primitive);
    if meta.target_role == TargetRole::Stopped {
        return Err(Fault::new(Reason::Refused, format!("{id} is to be stopped, so there is nothing to move"))
            .hint(format!("`qrm resource start {id}`")));
    }
    Ok(())
}

fn cannot(id: &ResourceId, node: &NodeId, rule: &Rejection) -> Fault {
    let hint = match rule {
        Rejection::NotOnline(_) => format!("wait until {node} is online"),
        Rejection::NotActive(_) => format!("`qrm node online {node}`"),
        Rejection::Disarmed => format!("when the cause is mended: `qrm node release {node}`"),
        Rejection::NotUnfenced(_) => "`qrm status` shows what came of it".to_owned(),
        Rejection::Untested(_) => format!("`qrm fence test {node}`"),
        Rejection::Unhealthy(_) => {
            format!("`qrm node show {node}`; where it is to count for nothing: meta allow-unhealthy-nodes=true")
        }
        Rejection::Unarmed => format!("give {node} a fence device first"),
        Rejection::NotLookedFor(constraint, _) => format!("`qrm configure show {constraint}` shows what says so"),
        Rejection::Location(constraint) => format!("`qrm configure delete {constraint}`, if it is not meant any more"),
        Rejection::Banned(_) => format!("`qrm resource clear {id} {node}`"),
        Rejection::TooManyFailures(_) | Rejection::StartFailed(_) | Rejection::CannotWork(_) => {
            format!("when the cause is mended: `qrm resource cleanup {id}`")
        }
        Rejection::Witness => "`qrm cluster status` shows the witnesses".to_owned(),
        Rejection::Leaving => format!("`qrm node online {node}` calls the shutdown off"),
        Rejection::Score(_) => format!("`qrm explain {id} --scores` shows of what its score is made"),
        Rejection::Room { .. } => format!("`qrm explain {id}` says what would make room"),
        Rejection::Instances(_) => "a higher clone-node-max of its clone lets it".to_owned(),
        Rejection::Colocation => "`qrm configure show` shows the colocation".to_owned(),
    };
    Fault::new(Reason::Refused, format!("{id} cannot run on {node}: {rule}")).hint(hint)
}
