//! How values look in a scenario. No text of the log or of a refusal is shown: rewording breaks no test.

use super::world::World;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::planner::{Rejection, plan, unfit};
use quorate_core::state::{Action, ActionKind, ClusterState, Intent, Outcome, Refusal, Seen, SessionState};

pub(super) fn kind(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Stale(_) => "stale",
        Refusal::Unsafe(_) => "unsafe",
        Refusal::SessionEnded(_) => "session-ended",
        Refusal::SessionLost(_) => "session-lost",
        Refusal::FenceUnsettled(_) => "fence-unsettled",
        Refusal::Foreign(_) => "foreign",
        Refusal::Invalid(_) => "invalid",
    }
}

/// `2  start vm1 n2  after 1  claimed`
pub(super) fn action_line(state: &ClusterState, action: &Action) -> String {
    let mut line = format!("{}  {} {} {}", action.id.0 + 1, action.kind.word(), action.resource, action.node);
    if let Some(peer) = &action.peer {
        let way = if action.kind == ActionKind::Migrate { "to" } else { "from" };
        line.push_str(&format!(" {way} {peer}"));
    }
    let pending = action.after.iter().filter(|id| state.actions.contains_key(id));
    let after: Vec<String> = pending.map(|id| (id.0 + 1).to_string()).collect();
    if !after.is_empty() {
        line.push_str(&format!("  after {}", after.join(" ")));
    }
    if action.claimed {
        line.push_str("  claimed");
    }
    let claim = state.activity(&action.resource, &action.node).and_then(|activity| activity.claim.as_ref());
    if claim.and_then(|claim| claim.migration.as_ref()).is_some_and(|migration| migration.called_off) {
        line.push_str("  called-off");
    }
    line
}

impl World {
    pub(super) fn answer(&self) -> String {
        match &self.last {
            None => "nothing was asked".to_owned(),
            Some(Outcome::Done) => "done".to_owned(),
            Some(Outcome::Welcome(incarnation)) => format!("welcome {incarnation}"),
            Some(Outcome::Granted(_)) => "granted".to_owned(),
            Some(Outcome::FenceGranted(attempt)) => format!("fence granted {attempt}"),
            Some(Outcome::Planned(count)) => format!("planned {count}"),
            Some(Outcome::Revision(revision)) => format!("revision {revision}"),
            Some(Outcome::Joined(raft_id)) => format!("joined {raft_id}"),
            Some(Outcome::Refused(refusal)) => format!("refused {}", kind(refusal)),
        }
    }

    /// `n1  online  n1/2 open  incarnation 3`
    pub(super) fn node_line(&self, node: &NodeId) -> String {
        let state = &self.state.nodes[node];
        let session = match &state.session {
            None => "no session".to_owned(),
            Some(session) => {
                let open = match session.state {
                    SessionState::Open => "open",
                    SessionState::Lost => "lost",
                    SessionState::Ended(_) => "ended",
                };
                format!("{} {open}", session.id)
            }
        };
        let intent = if state.intent == Intent::Active { String::new() } else { format!("  {}", state.intent.word()) };
        let leaving = if state.leaving { "  leaving" } else { "" };
        let held =
            [
                state.flapping.quarantine.as_ref().map(|_| "  quarantine"),
                state.disarmed.as_ref().map(|_| "  disarmed"),
                state.asked.as_ref().map(|_| "  asked about"),
                state.dog.armed.as_ref().map(|_| {
                    if self.state.watchdog_proves(node).is_ok() { "  watchdog" } else { "  watchdog for itself" }
                }),
            ];
        let held: String = held.into_iter().flatten().collect();
        format!("{node}  {}  {session}  incarnation {}{intent}{leaving}{held}", state.liveness, state.incarnation)
    }

    /// `vm1  n1=running n2=stopped`
    pub(super) fn resource_line(&self, resource: &ResourceId) -> String {
        let Some(places) = self.state.resources.get(resource) else { return format!("{resource}  nothing is known") };
        let each = places.iter().map(|(node, activity)| {
            let seen = match (&activity.claim, &activity.seen) {
                (Some(claim), _) => {
                    let gone = claim.migration.as_ref().is_some_and(|migration| migration.gone.is_some());
                    format!("{}-claimed{}", claim.kind.word(), if gone { "(gone)" } else { "" })
                }
                (None, Seen::Running) => "running".to_owned(),
                (None, Seen::Promoted) => "promoted".to_owned(),
                (None, Seen::Stopped) => "stopped".to_owned(),
                (None, Seen::Paused(_)) => "paused".to_owned(),
                (None, Seen::Failed(_)) => "failed".to_owned(),
                (None, Seen::Unknown(_)) => "unknown".to_owned(),
            };
            let failures = if activity.failures > 0 { format!("({})", activity.failures) } else { String::new() };
            format!("{node}={seen}{failures}")
        });
        format!("{resource}  {}", each.collect::<Vec<_>>().join(" "))
    }

    /// `vm1 on n2  n1=standby n2=may n3=unarmed`
    pub(super) fn explain_line(&self, resource: &ResourceId) -> Result<String, String> {
        let primitive = self.state.config.primitives.get(resource).ok_or("it is not configured")?;
        let each = self.state.nodes.keys().map(|node| {
            let rule = match unfit(&self.state, resource, primitive, node) {
                None => "may".to_owned(),
                Some(Rejection::NotOnline(_)) => "not-online".to_owned(),
                Some(Rejection::NotActive(intent)) => intent.word().to_owned(),
                Some(Rejection::Witness) => "witness".to_owned(),
                Some(Rejection::Leaving) => "leaving".to_owned(),
                Some(Rejection::Unarmed) => "unarmed".to_owned(),
                Some(Rejection::NotUnfenced(_)) => "not-unfenced".to_owned(),
                Some(Rejection::Disarmed) => "disarmed".to_owned(),
                Some(Rejection::Untested(_)) => "untested".to_owned(),
                Some(Rejection::Unhealthy(_)) => "unhealthy".to_owned(),
                Some(Rejection::Location(id)) => format!("location:{id}"),
                Some(Rejection::Banned(_)) => "banned".to_owned(),
                Some(Rejection::TooManyFailures(count)) => format!("failures:{count}"),
                Some(Rejection::StartFailed(_)) => "start-failed".to_owned(),
                Some(Rejection::CannotWork(_)) => "cannot-work".to_owned(),
                Some(Rejection::Instances(many)) => format!("instances:{many}"),
                Some(Rejection::Colocation) => "colocation".to_owned(),
                Some(Rejection::Score(score)) => format!("score:{score}"),
                Some(Rejection::Room { name, .. }) => format!("room:{name}"),
                Some(Rejection::NotLookedFor(id, _)) => format!("not-looked-for:{id}"),
            };
            format!("{node}={rule}")
        });
        let report = plan(&self.state).report;
        let instances = report.clones.get(resource).into_iter().flatten();
        let places: Vec<&str> = instances.chain(report.placement.get(resource)).map(NodeId::as_str).collect();
        let promoted: Vec<&str> = report.promoted.get(resource).into_iter().flatten().map(NodeId::as_str).collect();
        let mut place = if places.is_empty() { "nowhere".to_owned() } else { format!("on {}", places.join(" ")) };
        if !promoted.is_empty() {
            place.push_str(&format!(" promoted on {}", promoted.join(" ")));
        }
        Ok(format!("{resource} {place}  {}", each.collect::<Vec<_>>().join(" ")))
    }

    /// What an instance is told next: `pre-promote`.
    pub(super) fn told(&self, resource: &ResourceId, node: &NodeId) -> Option<String> {
        let notice = self.state.notices.get(resource)?.next_for(node)?;
        Some(format!("{}-{}", if notice.is_post { "post" } else { "pre" }, notice.operation.word()))
    }

    /// All of it, as its agent is given it; lists of nothing are left out.
    pub(super) fn notice_lines(&self, resource: &ResourceId, node: &NodeId) -> Vec<String> {
        let told = self.state.notice_attributes(resource, node, ActionKind::Notify).unwrap_or_default();
        let said = |name: String| told.get(&name).filter(|value| *value != " ").cloned();
        let lists = told.keys().filter_map(|name| name.strip_suffix("_resource"));
        let lists = lists.filter_map(|list| {
            let instances = said(format!("{list}_resource"))?;
            let nodes = said(format!("{list}_uname")).unwrap_or_default();
            Some(format!("{}  {instances}  {nodes}", list.trim_start_matches("notify_")).trim_end().to_owned())
        });
        let when = [said("notify_type".to_owned()), said("notify_operation".to_owned())];
        let hosts = [said("notify_available_uname".to_owned()), said("notify_all_uname".to_owned())];
        let first = when.into_iter().chain(hosts).flatten().collect::<Vec<_>>().join("  ");
        std::iter::once(first).chain(lists).collect()
    }

    /// What it would be stopped and probed with there.
    pub(super) fn definition_line(&self, resource: &ResourceId, node: &NodeId) -> String {
        match self.state.definition(resource, node) {
            None => format!("{resource} on {node}  no definition"),
            Some(primitive) => {
                let primitive = self.state.definition_on(primitive, node);
                let params: Vec<String> =
                    primitive.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{resource} on {node}  {}", params.join(" "))
            }
        }
    }
}
