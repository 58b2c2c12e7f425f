//! Waiting until a resource is as it was asked to be. The deadline is qrm's own: the cluster goes on after it.

use crate::commands::view;
use crate::error::CliError;
use quorate_api::Client;
use quorate_api::proto::ViewKind;
use quorate_core::time::Timestamp;
use quorate_core::view::{PlaceState, ResourceView, Role, Status};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Beyond what its operations may take: for elections, predecessors, and answers on their way.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a stop and a start of it may take by its operations.
pub(crate) fn whole_time(resource: Option<&ResourceView>) -> Duration {
    let millis = resource.map_or(0, |resource| resource.start_timeout_ms.saturating_add(resource.stop_timeout_ms));
    Duration::from_millis(millis).saturating_add(MARGIN)
}

const PAUSE: Duration = Duration::from_millis(250);

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// It runs on one node and nothing is being done to it.
    Running,
    /// It runs, and not from before this time.
    RunningAfresh(Timestamp),
    /// It runs nowhere, for sure.
    Stopped,
    /// It is known where it runs, or that it does not.
    Known,
    /// It runs on this node, and nowhere else.
    On(String),
    /// It runs on one node, which is not this one.
    NotOn(String),
}

impl Goal {
    fn is_reached(&self, resource: &ResourceView) -> bool {
        let rests = resource.doing.is_empty();
        let is_clone = resource.clone.is_some();
        let since = || {
            let since = resource.places.iter().map(|place| place.since);
            // Of a clone every instance has to be new.
            if is_clone { since.min() } else { since.max() }
        };
        let is_at = |node: &str| resource.places.iter().all(|place| place.node.as_str() == node);
        match self {
            Self::Running if is_clone => rests && resource.role == Role::Started && runs_wherever_it_should(resource),
            Self::Running => rests && resource.role == Role::Started && resource.places.len() == 1,
            Self::RunningAfresh(before) => Self::Running.is_reached(resource) && since() > Some(*before),
            Self::On(node) => Self::Running.is_reached(resource) && is_at(node),
            Self::NotOn(node) if is_clone => {
                rests && resource.places.iter().all(|place| place.node.as_str() != node.as_str())
            }
            Self::NotOn(node) => Self::Running.is_reached(resource) && !is_at(node),
            Self::Stopped => rests && resource.role == Role::Stopped,
            Self::Known => rests && resource.role != Role::Unknown,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Running => "running".to_owned(),
            Self::RunningAfresh(_) => "running again".to_owned(),
            Self::Stopped => "stopped".to_owned(),
            Self::Known => "looked at".to_owned(),
            Self::On(node) => format!("running on {node}"),
            Self::NotOn(node) => format!("running elsewhere than on {node}"),
        }
    }
}

/// A clone runs on all nodes that it should be on, and on no other.
fn runs_wherever_it_should(clone: &ResourceView) -> bool {
    let runs = clone.places.iter().all(|place| place.state.runs());
    let promoted = clone.places.iter().filter(|place| place.state == PlaceState::Promoted).map(|place| &place.node);
    runs && promoted.eq(&clone.promoted_on) && clone.places.iter().map(|place| &place.node).eq(&clone.instances_on)
}

/// Returns the resource once it is so, of a group its first member once all are; at the deadline it says what it waits for.
pub(crate) async fn until(
    client: &Client,
    name: &str,
    goal: &Goal,
    timeout: Duration,
) -> Result<Option<ResourceView>, CliError> {
    let end = Instant::now() + timeout;
    loop {
        let status = view::<Status>(client, ViewKind::Status, "").await?.read;
        let named = || status.resources.iter().filter(|resource| resource.is_named(name));
        let missing = named().find(|resource| !goal.is_reached(resource));
        // What is not known yet, a follower that lags may not know; what is gone is stopped.
        let is_there = named().next().is_some() || *goal == Goal::Stopped;
        if is_there && missing.is_none() && status.quorum.confirmed {
            return Ok(named().next().cloned());
        }
        if Instant::now() + PAUSE >= end {
            let seconds = timeout.as_secs();
            let missing = missing.map_or(name, |resource| resource.id.as_str());
            let message = format!("{missing} is not {} after {seconds} s: {}", goal.words(), reason(&status, missing));
            return Err(CliError::NotInTime { message, hint: Some("it goes on: see `qrm status`".to_owned()) });
        }
        sleep(PAUSE).await;
    }
}

/// What it waits for, as far as the status says.
fn reason(status: &Status, name: &str) -> String {
    if !status.quorum.confirmed {
        return status.health.text.clone();
    }
    let blocked = status.blocked.iter().filter(|blocked| blocked.resource.as_str() == name);
    let mut reasons: Vec<String> = blocked
        .map(|blocked| match &blocked.mend {
            Some(mend) => format!("{} ({mend})", blocked.why),
            None => blocked.why.clone(),
        })
        .collect();
    let Some(resource) = status.resources.iter().find(|resource| resource.id.as_str() == name) else {
        return "it is not configured".to_owned();
    };
    reasons.extend(resource.doing.iter().map(|doing| match doing.since {
        Some(_) => format!("{} on {} is under way", doing.kind, doing.node),
        None => format!("{} on {} is planned", doing.kind, doing.node),
    }));
    reasons.extend(
        resource
            .failures
            .iter()
            .map(|failure| format!("{} failed on {}: {}", failure.operation, failure.node, failure.error)),
    );
    reasons.extend(resource.ticket.clone());
    if !resource.is_managed {
        reasons.push("it is unmanaged, so nobody touches it".to_owned());
    }
    if reasons.is_empty() {
        let places: Vec<String> = resource.places.iter().map(|place| place.node.to_string()).collect();
        let word = crate::output::role(resource);
        let at = if places.is_empty() { String::new() } else { format!(" on {}", places.join(", ")) };
        return format!("it is {word}{at}, and nothing is planned");
    }
    reasons.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;
    use quorate_core::state::ActionKind;

    fn vm1(story: &Story) -> (Status, ResourceView) {
        let status = story.status(&story.live("n1"));
        let vm1 = status.resources.iter().find(|resource| resource.id.as_str() == "vm1").cloned();
        (status, vm1.expect("it is configured"))
    }

    #[test]
    fn a_goal_is_reached_when_it_is_so_and_nothing_is_under_way() {
        let mut story = Story::healthy();
        let (_, before) = vm1(&story);
        let since = before.places[0].since;
        assert!(Goal::Running.is_reached(&before) && !Goal::Stopped.is_reached(&before));
        assert!(!Goal::RunningAfresh(since).is_reached(&before));

        story.configure("set vm1.target-role Stopped");
        story.plan();
        let (status, planned) = vm1(&story);
        assert!(!Goal::Running.is_reached(&planned) && !Goal::Stopped.is_reached(&planned));
        assert_eq!(reason(&status, "vm1"), "stop on n1 is planned");
        story.claim(ActionKind::Stop, "vm1", "n1");
        assert_eq!(reason(&vm1(&story).0, "vm1"), "stop on n1 is under way");
        story.result("vm1", "n1", quorate_core::state::Seen::Stopped, None);
        assert!(Goal::Stopped.is_reached(&vm1(&story).1));

        story.configure("set vm1.target-role Started");
        story.settle();
        assert!(Goal::RunningAfresh(since).is_reached(&vm1(&story).1));
    }

    #[test]
    fn what_is_on_a_lost_node_is_neither_running_nor_stopped() {
        let mut story = Story::healthy();
        story.lose("n1", None);
        let (status, lost) = vm1(&story);
        for goal in [Goal::Running, Goal::Stopped, Goal::Known] {
            assert!(!goal.is_reached(&lost), "{goal:?}");
        }
        let words = reason(&status, "vm1");
        assert!(words.contains("it may be active on n1, which is lost"), "{words}");
    }
}
