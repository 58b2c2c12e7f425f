//! A restart: stop, wait until it is stopped everywhere, start. It goes on when the client goes away; a retry finds
//! the one that runs.

use super::asker::{Asker, SETTLE};
use super::configure::{Changed, change};
use super::edit::{Base, TARGET_ROLE, names, vm, whole};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use quorate_api::proto::ChangeReply;
use quorate_api::{Fault, Reason};
use quorate_core::config::TargetRole;
use quorate_core::id::{RequestId, ResourceId};
use quorate_core::planner;
use quorate_core::state::{ClusterState, Intent, Standing};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// It has to be stopped within its stop's timeout and this; it is started again in any case.
const STOP_MARGIN: Duration = Duration::from_secs(30);
/// A change is tried for so long, through elections and lost majorities.
const PERSISTENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(500);
/// So many answers are kept for retries.
const KEPT: usize = 64;

type Running = Shared<BoxFuture<'static, Result<ChangeReply, Fault>>>;

/// The restarts that run here, and the last that ended.
#[derive(Default)]
pub(super) struct Restarts {
    running: Mutex<BTreeMap<RequestId, Running>>,
}

impl Restarts {
    /// Answers a restart when it is done.
    pub(super) async fn restart(&self, asker: Asker, resource: String) -> Result<ChangeReply, Fault> {
        let running = self.begin(asker, resource);
        running.await
    }

    fn begin(&self, mut asker: Asker, resource: String) -> Running {
        // It goes on without its client, so it does not hurry with it.
        asker.patience = SETTLE;
        // Its steps are tried again, so they need a name even where the client gave none.
        let nobody = || RequestId { client: uuid::Uuid::new_v4().to_string(), serial: 1 };
        let request = asker.request.get_or_insert_with(nobody).clone();
        let mut all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = all.get(&request) {
            return running.clone();
        }
        if all.len() >= KEPT {
            all.retain(|_, running| running.peek().is_none());
        }
        let running = async move { run(&asker, &resource).await }.boxed().shared();
        tokio::spawn(running.clone());
        all.insert(request, running.clone());
        running
    }
}

async fn run(asker: &Asker, name: &str) -> Result<ChangeReply, Fault> {
    asker.settle().await?;
    // The daemon that began this one may have ended in the middle of it.
    let is_resumed = asker.answered()?.is_some();
    let (id, before) = asker.cluster.state(|state| check(state, name, is_resumed))?;
    let stopping = Some("Stopped".to_owned());
    let stopped = match persist(asker, &id, &stopping).await {
        Ok(change) => wait_until_stopped(asker, &id, change.index).await,
        // Nobody knows whether it is in the log: then it is taken back as well.
        Err(fault) if fault.reason == Reason::Timeout => Err(fault),
        Err(fault) => return Err(fault),
    };
    let started = persist(&asker.named("start"), &id, &before).await.map_err(|fault| {
        let message = format!("{id} was stopped, and could not be set to run again: {}", fault.message);
        Fault::new(fault.reason, message).hint(format!("start it with `qrm resource start {id}`"))
    })?;
    stopped?;
    Ok(ChangeReply { index: started.index, message: format!("{id} was stopped, and is to run again") })
}

/// Whether a restart makes sense, and what its target role has to be again afterwards.
pub(super) fn check(state: &ClusterState, name: &str, is_resumed: bool) -> Result<(ResourceId, Option<String>), Fault> {
    let id = whole(&state.config, vm(&state.config, name)?)?;
    let Some(primitive) = state.config.primitives.get(&id) else {
        return Err(Fault::new(Reason::NotFound, format!("there is no resource '{id}'")));
    };
    if is_resumed {
        return Ok((id, None));
    }
    let refused = |why: String, hint: String| Err(Fault::new(Reason::Refused, why).hint(hint));
    let meta = state.meta(&id, primitive);
    if meta.target_role == TargetRole::Stopped {
        return refused(
            format!("{id} is to be stopped, so there is nothing to restart"),
            format!("`qrm resource start {id}`"),
        );
    }
    if !meta.is_managed || meta.maintenance {
        return refused(
            format!("{id} is not managed, so nobody would stop it"),
            format!("`qrm configure set {id}.is-managed true`"),
        );
    }
    if state.properties().maintenance_mode {
        return refused(
            "the cluster is in maintenance, so nobody would stop anything".to_owned(),
            "`qrm configure property maintenance-mode=false`".to_owned(),
        );
    }
    let untouched = |(_, node): &(_, &quorate_core::state::NodeState)| node.intent == Intent::Maintenance;
    let held = state.nodes.iter().filter(|(node, _)| state.standing(&id, node) != Standing::NotActive);
    if let Some((node, _)) = held.into_iter().find(untouched) {
        return refused(
            format!("{node} is in maintenance, so nobody would stop {id} there"),
            format!("`qrm node ready {node}`"),
        );
    }
    if let Some((why, hint)) = stuck(state, &id) {
        return refused(why, hint);
    }
    let written = state.config.written(&id).and_then(|(_, primitive)| primitive.meta.get(TARGET_ROLE));
    Ok((id.clone(), written.cloned()))
}

/// Why nobody would stop it if that were asked for, or it would run no more than before: a restart would wait for nothing.
/// With what can be done.
fn stuck(state: &ClusterState, id: &ResourceId) -> Option<(String, String)> {
    let blocked = |report: planner::Report| report.blocked.into_iter().find(|blocked| blocked.resource == *id);
    let hint = |mend: Option<String>| mend.unwrap_or_else(|| format!("look at `qrm explain {id}`"));
    if state.nodes.keys().all(|node| state.standing(id, node) == Standing::NotActive) {
        let blocked = blocked(planner::plan(state).report)?;
        let why = format!("{id} runs nowhere, and a restart would not change that: {}", blocked.why);
        return Some((why, hint(blocked.mend)));
    }
    let mut then = state.clone();
    let primitive = then.config.primitives.get_mut(id)?;
    primitive.meta.insert(TARGET_ROLE.to_owned(), "Stopped".to_owned());
    // What is planned and not begun goes with the change, as it does with the entry.
    then.actions.retain(|_, action| action.claimed);
    if then.meta(id, then.config.primitives.get(id)?).target_role != TargetRole::Stopped {
        let why = format!("a rule says that {id} is to run now, so nobody would stop it");
        return Some((why, format!("`qrm configure show {id}`, and `qrm configure show rsc_defaults`")));
    }
    let plan = planner::plan(&then);
    let is_worked_on = plan.add.iter().any(|action| action.resource == *id)
        || then.actions.values().any(|action| action.resource == *id);
    if is_worked_on {
        return None;
    }
    let blocked = blocked(plan.report)?;
    Some((format!("{id} cannot be stopped now, so it is not restarted: {}", blocked.why), hint(blocked.mend)))
}

/// Sets the target role, again and again under the same request until it is answered. What has another target role by
/// now than the first of the two steps gave it is somebody else's wish, and stays.
async fn persist(asker: &Asker, id: &ResourceId, role: &Option<String>) -> Result<Changed, Fault> {
    let end = Instant::now() + PERSISTENCE;
    loop {
        let fault = match try_once(asker, id, role).await {
            Ok(changed) => return Ok(changed),
            Err(fault) => fault,
        };
        if !fault.reason.is_passing() || Instant::now() + PAUSE >= end {
            return Err(fault);
        }
        sleep(PAUSE).await;
    }
}

async fn try_once(asker: &Asker, id: &ResourceId, role: &Option<String>) -> Result<Changed, Fault> {
    asker.settle().await?;
    let starts = role.as_deref() != Some("Stopped");
    change(asker, None, false, |base: &Base| {
        let id = vm(&base.config, id.as_str())?;
        let now = base.config.written(&id).and_then(|(_, primitive)| primitive.meta.get(TARGET_ROLE));
        let is_ours = now.is_some_and(|now| now == "Stopped");
        let role = if starts && !is_ours { now } else { role.as_ref() };
        Ok(base.target_role(&id, role.map(String::as_str)))
    })
    .await
}

async fn wait_until_stopped(asker: &Asker, id: &ResourceId, since: u64) -> Result<(), Fault> {
    let mut applied = asker.cluster.replica.applied();
    let places = |state: &ClusterState| {
        let nodes = state.nodes.keys().filter(|node| state.standing(id, node) != Standing::NotActive);
        nodes.cloned().collect::<Vec<_>>()
    };
    let waiting = async {
        loop {
            applied.mark_unchanged();
            if asker.cluster.state(|state| state.index >= since && places(state).is_empty()) {
                return Ok(());
            }
            if applied.changed().await.is_err() {
                return Err(Fault::new(Reason::Failed, "this member has stopped").hint("ask another one"));
            }
        }
    };
    let deadline = asker.cluster.state(|state| stop_timeout(state, id)) + STOP_MARGIN;
    timeout(deadline, waiting).await.unwrap_or_else(|_| {
        let there = asker.cluster.state(places);
        let message =
            format!("{id} was not stopped on {} within {} s; it is to run again", names(&there), deadline.as_secs());
        Err(Fault::new(Reason::Failed, message).hint("look at `qrm status` for what went wrong"))
    })
}

/// How long its stop may take, where it is.
fn stop_timeout(state: &ClusterState, id: &ResourceId) -> Duration {
    let definitions = state.nodes.keys().filter_map(|node| state.definition(id, node));
    let times = definitions.map(|primitive| primitive.operation("stop", &state.config.op_defaults).timeout);
    times.max().unwrap_or_default()
}
