//! Enrolment in the running cluster: its applied state, and its log.

use super::Members;
use crate::daemon::cluster::Cluster;
use futures::future::BoxFuture;
use quorate_api::{Fault, Reason};
use quorate_core::id::RaftId;
use quorate_core::state::{ClusterState, Command, Member, Outcome};
use quorate_raft::ProposeError;
use std::time::Duration;

/// A daemon that lives answers a poll within this.
const LIVING: Duration = Duration::from_secs(1);

impl Members for Cluster {
    fn state<T>(&self, look: impl FnOnce(&ClusterState) -> T) -> T {
        Self::state(self, look)
    }

    fn fresh(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            Self::fresh(self).await.map_err(|error| {
                let message = format!("this member cannot tell whether the token is good: {error}");
                Fault::new(Reason::NoLeader, message).hint("see `qrm status` on a member: joining takes a majority")
            })
        })
    }

    fn join(&self, token: String, member: Member) -> BoxFuture<'_, Result<RaftId, Fault>> {
        Box::pin(async move {
            match self.change(None, Command::Join { token, member: Box::new(member) }).await {
                Ok((_, Outcome::Joined(raft_id))) => Ok(raft_id),
                Ok((_, Outcome::Refused(why))) => Err(Fault::new(Reason::Refused, why.to_string())),
                Ok((_, other)) => Err(Fault::new(Reason::Failed, format!("a join was answered with {other:?}"))),
                Err(error) => Err(not_joined(&error)),
            }
        })
    }

    fn propose(&self, command: Command) -> BoxFuture<'_, Result<Option<RaftId>, Fault>> {
        Box::pin(async move {
            match self.change(None, command).await {
                Ok((_, Outcome::Joined(raft_id))) => Ok(Some(raft_id)),
                Ok((_, Outcome::Refused(why))) => Err(Fault::new(Reason::Refused, why.to_string())),
                Ok(_) => Ok(None),
                Err(error) => Err(not_joined(&error)),
            }
        })
    }

    fn is_alive(&self, raft_id: RaftId) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.replica.call(raft_id.0, "poll", Vec::new(), LIVING).await.is_ok() })
    }
}

/// All of these may pass; the joiner asks again, and is recognised if its first request was applied after all.
fn not_joined(error: &ProposeError) -> Fault {
    let reason = match error {
        ProposeError::Busy => Reason::Busy,
        ProposeError::Unknown { .. } => Reason::Timeout,
        ProposeError::NotLeader { .. } | ProposeError::NotSent { .. } | ProposeError::Stopped(_) => Reason::NoLeader,
        _ => Reason::Failed,
    };
    Fault::new(reason, format!("the join could not be entered: {error}"))
}
