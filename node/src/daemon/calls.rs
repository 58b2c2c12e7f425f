//! What this member answers its peers, beside Raft itself.
//!
//! `poll`: its presence. `read-index`: an index no older than the question, on the leader. `live`: what only the
//! leader knows. `hand-over`: leadership goes to another voter.

use super::beats;
use super::clock::boot_time;
use super::cluster::Cluster;
use super::store;
use crate::engine::Question;
use crate::security::tls;
use crate::service;
use futures::future::BoxFuture;
use quorate_core::id::RaftId;
use quorate_raft::{Calls, MemberId};
use std::time::Duration;

/// A read for a peer waits so long for the majority.
const READ_DEADLINE: Duration = Duration::from_secs(2);

/// The answers.
pub struct Answers {
    cluster: Cluster,
    holders: tls::Holders,
}

impl Answers {
    /// Answers for this member.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, holders: tls::Holders::default() }
    }
}

impl Calls for Answers {
    fn call(&self, from: MemberId, kind: String, body: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let cluster = &self.cluster;
            let json = |result: Result<Vec<u8>, serde_json::Error>| result.map_err(|error| error.to_string());
            match kind.as_str() {
                "poll" => {
                    // Earlier releases ask without words.
                    let question = serde_json::from_slice(&body).unwrap_or_else(|_| Question::everything());
                    let presence = cluster.engine().presence(boot_time(), &question);
                    json(serde_json::to_vec(&presence))
                }
                beats::BEAT_CALL => beats::answer(cluster, RaftId(from), &body).await,
                "live" => json(serde_json::to_vec(&cluster.own_live())),
                "read-index" => {
                    let index = cluster.replica.linearizable_read(READ_DEADLINE).await;
                    index.map(|index| index.to_be_bytes().to_vec()).map_err(|error| error.to_string())
                }
                service::HAND_OVER_CALL => {
                    service::hand_over(cluster).await.map(|_| Vec::new()).map_err(|fault| fault.to_string())
                }
                service::units::UNIT_CALL => service::units::answer(cluster, &body).await,
                other => Err(format!("{other} is not answered here")),
            }
        })
    }

    fn admit(&self, from: MemberId, extensions: &tonic::Extensions) -> Result<(), String> {
        self.cluster.state(|state| tls::admit(from, extensions, &self.holders, state))
    }

    fn replaced(&self, from: MemberId) -> Option<String> {
        let id = RaftId(from);
        let is_past = self.cluster.state(|state| {
            let is_here = state.members.values().any(|member| member.raft_id == id);
            id < state.next_raft_id && !is_here && !state.removed.contains_key(&id)
        });
        is_past.then(|| {
            format!("member {from} lost that store and has another one since: this is a copy of an older disk")
        })
    }

    fn refused(&self, from: MemberId, why: &str) {
        tracing::error!(from, why, "a member's store is refused");
        let cluster = self.cluster.clone();
        let text = format!("{} refuses the store of member {from}: {why}", cluster.me.node);
        tokio::spawn(async move { store::report_refused(&cluster, from, text).await });
    }
}
