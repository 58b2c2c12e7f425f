//! Beats: a host with a watchdog asks the leader whether it may feed it on, and the leader's engine answers.

use super::clock::boot_time;
use super::cluster::Cluster;
use crate::engine::Event;
use quorate_core::id::{NodeId, RaftId, SessionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How members call it.
pub(super) const BEAT_CALL: &str = "beat";
/// An answer that takes longer is not waited for: the next beat is on its way.
const DEADLINE: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Serialize, Deserialize)]
struct Beat {
    node: NodeId,
    session: SessionId,
}

/// Beats that wait for this member's engine.
#[derive(Debug, Default)]
pub struct Beats {
    events: OnceLock<mpsc::Sender<Event>>,
    waiting: Mutex<(u64, BTreeMap<u64, oneshot::Sender<bool>>)>,
}

impl Beats {
    fn waiting(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, oneshot::Sender<bool>>)> {
        // Tickets only: a panic elsewhere cannot leave them half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the engine is there.
    pub(super) fn begin(&self, events: mpsc::Sender<Event>) {
        // A member has one driver.
        let _ = self.events.set(events);
    }

    /// The engine's answer.
    pub(super) fn answer(&self, ticket: u64, may_feed: bool) {
        if let Some(asker) = self.waiting().1.remove(&ticket) {
            // Who asked has given up.
            let _ = asker.send(may_feed);
        }
    }

    async fn ask(&self, node: NodeId, session: SessionId) -> bool {
        let Some(events) = self.events.get() else { return false };
        let (asker, answer) = oneshot::channel();
        let ticket = {
            let mut waiting = self.waiting();
            waiting.0 += 1;
            let ticket = waiting.0;
            waiting.1.insert(ticket, asker);
            ticket
        };
        let asked = async {
            events.send(Event::Beat { ticket, node, session }).await.ok()?;
            answer.await.ok()
        };
        let answer = tokio::time::timeout(DEADLINE, asked).await;
        self.waiting().1.remove(&ticket);
        answer.ok().flatten().unwrap_or(false)
    }
}

/// A member's beat, on the leader.
pub(super) async fn answer(cluster: &Cluster, from: RaftId, body: &[u8]) -> Result<Vec<u8>, String> {
    let Beat { node, session } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !cluster.state(|state| state.members.get(&node).is_some_and(|member| member.raft_id == from)) {
        return Err(format!("member {} is not {node}: it beats for itself only", from.0));
    }
    Ok(vec![u8::from(cluster.beats.ask(node, session).await)])
}

/// Asks the leader; the event says when that was, where it said yes.
pub(super) async fn beat(cluster: &Cluster) -> Option<Event> {
    // Before anything is sent: the answer is good from here.
    let asked = boot_time();
    let (node, session) = (cluster.me.node.clone(), cluster.me.session.clone());
    let leader = cluster.replica.leader()?;
    let may_feed = if leader == cluster.replica.id() {
        cluster.beats.ask(node, session).await
    } else {
        let body = serde_json::to_vec(&Beat { node, session }).ok()?;
        cluster.replica.call(leader, BEAT_CALL, body, DEADLINE).await.ok()? == [1]
    };
    may_feed.then_some(Event::Answered(asked))
}
