//! Polls of the other members: an answer proves life when it was asked for, a refused connection a living kernel.

use super::clock::boot_time;
use super::cluster::Cluster;
use crate::engine::{Event, Presence, Question};
use crate::security::tls::REMOVED;
use quorate_core::id::NodeId;
use quorate_raft::CallError;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

/// A poll that was not answered by then is given up; its answer would prove nothing of now.
const POLL_DEADLINE: Duration = Duration::from_millis(600);
/// A connection that is not refused by then is not answered at all.
const CONNECT_DEADLINE: Duration = Duration::from_millis(300);
/// Polls of one member under way at once.
const POLLS_AT_ONCE: usize = 3;

pub(super) struct Polls {
    cluster: Cluster,
    events: mpsc::Sender<Event>,
    under_way: BTreeMap<NodeId, Arc<Semaphore>>,
}

impl Polls {
    pub(super) fn new(cluster: Cluster, events: mpsc::Sender<Event>) -> Self {
        Self { cluster, events, under_way: BTreeMap::new() }
    }

    pub(super) fn poll(&mut self, node: NodeId, question: Question) {
        let places = self.under_way.entry(node.clone()).or_insert_with(|| Arc::new(Semaphore::new(POLLS_AT_ONCE)));
        let Ok(place) = places.clone().try_acquire_owned() else { return };
        let (cluster, events) = (self.cluster.clone(), self.events.clone());
        tokio::spawn(async move {
            let event = ask(&cluster, node, &question).await;
            drop(place);
            // Nobody listens any more when the daemon stops.
            let _ = events.send(event).await;
        });
    }
}

async fn ask(cluster: &Cluster, node: NodeId, question: &Question) -> Event {
    let asked = boot_time();
    let member =
        cluster.state(|state| state.members.get(&node).map(|member| (member.raft_id.0, member.address.clone())));
    let Some((raft_id, address)) = member else {
        return Event::NotHeard { node, asked, refused: false };
    };
    let question = serde_json::to_vec(question).unwrap_or_default();
    let answer = cluster.replica.call(raft_id, "poll", question, POLL_DEADLINE).await;
    if let Err(CallError::Refused { why, .. }) = &answer
        && why.contains(REMOVED)
    {
        return Event::CastOut(why.clone());
    }
    let presence = answer.ok().and_then(|bytes| serde_json::from_slice::<Presence>(&bytes).ok());
    match presence {
        Some(presence) if presence.node == node => Event::Heard { asked, presence },
        _ => {
            let asked = boot_time();
            let refused = is_refused(&address).await;
            Event::NotHeard { node, asked, refused }
        }
    }
}

/// daemon-gone: the kernel of the pinned address says that nobody listens.
async fn is_refused(address: &str) -> bool {
    let connected = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await;
    matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
}
