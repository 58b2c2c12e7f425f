//! Getting commands into the log, and being honest about those whose fate nobody knows.

use std::time::Duration;

use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::Instant;

use super::{Replica, leader_text};
use crate::codec::{self, CodecError, Kind};
use crate::machine::Machine;
use crate::network::ForwardError;
use crate::types::{Bytes, MemberId, Reply, TypeConfig};

/// The largest command; a VM's definition is a few KiB.
const MAX_COMMAND: usize = 4 * 1024 * 1024;
/// How long a leader waits for its own proposal; after that nobody can tell.
const LOCAL_DEADLINE: Duration = Duration::from_secs(10);
/// A leader whose disk is full hands over to one with room within this; nobody has any after that.
const FULL_PATIENCE: Duration = Duration::from_secs(3);
/// The pause before the next try when there is no leader or it is busy.
const PAUSE: Duration = Duration::from_millis(20);

/// Which lane a proposal takes: one cannot be filled up by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Hellos, proofs, results.
    Vital,
    /// What the planner wants: the lane of the ordinary, and taken as long as the disk takes anything. VMs are kept running
    /// on a disk that is too full for people's changes.
    Planned,
    /// What users want.
    Ordinary,
}

/// A command without an outcome. All but `Unknown` are certainly in no log.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// This member does not lead.
    #[error("not the leader{}", leader_text(*.leader))]
    NotLeader {
        /// Who does, as far as this member knows.
        leader: Option<MemberId>,
    },
    /// Too many proposals are in flight.
    #[error("too many changes are in flight; try again")]
    Busy,
    /// The disk under the log is nearly full.
    #[error("the disk of this member is nearly full; make room under its store")]
    Full,
    /// The command is too large.
    #[error("a command of {0} bytes is larger than a log entry may be")]
    TooLarge(usize),
    /// It cannot be encoded, or the leader cannot read it.
    #[error("the command cannot be proposed: {0}")]
    Unreadable(String),
    /// The deadline passed before it was sent anywhere.
    #[error("not sent before the deadline: {last}")]
    NotSent {
        /// What stood in the way.
        last: String,
    },
    /// This member has stopped.
    #[error("this member has stopped: {0}")]
    Stopped(String),
    /// It may or may not come to be applied. Only its effect, or a retry the machine can
    /// recognise, tells.
    #[error("unknown whether the change happened: {why}")]
    Unknown {
        /// What went wrong after it was handed over.
        why: String,
    },
}

impl ProposeError {
    /// Whether the command may still come to be applied.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

impl From<CodecError> for ProposeError {
    fn from(error: CodecError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl<M: Machine> Replica<M> {
    /// Proposes a command here, where this member leads. Answers the index it was applied at.
    pub async fn propose(
        &self,
        importance: Importance,
        command: &M::Command,
    ) -> Result<(u64, M::Outcome), ProposeError> {
        let bytes = codec::encode(Kind::Command, M::COMMAND_SCHEMA, command)?;
        let (index, outcome) = self.propose_encoded(importance, bytes).await?;
        Ok((index, outcome_of::<M>(outcome.as_ref())?))
    }

    /// Proposes a command wherever the leader is, waiting for one until the deadline. It is
    /// sent again only while it certainly has not been appended.
    pub async fn propose_anywhere(
        &self,
        importance: Importance,
        command: &M::Command,
        deadline: Duration,
    ) -> Result<(u64, M::Outcome), ProposeError> {
        let bytes = codec::encode(Kind::Command, M::COMMAND_SCHEMA, command)?;
        let end = Instant::now() + deadline;
        let (mut hint, mut full_since) = (None, None);
        loop {
            // rolled back: who is not known to be the member it says it is, speaks for nobody.
            if !self.is_taken() {
                pause(end, "this member's store was not taken by its peers yet").await?;
                continue;
            }
            let target = hint.take().or_else(|| self.leader());
            let failed = match target {
                Some(id) if id == self.id() => {
                    let local = self.propose_encoded(importance, bytes.clone());
                    match tokio::time::timeout_at(end, local).await {
                        Ok(Ok((index, outcome))) => {
                            return Ok((index, outcome_of::<M>(outcome.as_ref())?));
                        }
                        Ok(Err(e)) => e,
                        Err(_) => unknown("no result before the deadline"),
                    }
                }
                Some(id) => match self.forward(id, importance, &bytes, end).await {
                    Ok((index, outcome)) => return Ok((index, outcome_of::<M>(&outcome)?)),
                    Err(e) => e,
                },
                None => ProposeError::NotLeader { leader: None },
            };
            match failed {
                ProposeError::NotLeader { leader } if leader.is_some() && leader != target => {
                    hint = leader;
                }
                ProposeError::NotLeader { .. } | ProposeError::Busy | ProposeError::NotSent { .. } => {}
                ProposeError::Full => {
                    if full_since.get_or_insert_with(Instant::now).elapsed() >= FULL_PATIENCE {
                        return Err(failed);
                    }
                }
                ProposeError::TooLarge(_)
                | ProposeError::Unreadable(_)
                | ProposeError::Stopped(_)
                | ProposeError::Unknown { .. } => return Err(failed),
            }
            pause(end, failed).await?;
        }
    }

    async fn forward(
        &self,
        to: MemberId,
        importance: Importance,
        command: &[u8],
        end: Instant,
    ) -> Result<(u64, Vec<u8>), ProposeError> {
        let Some(node) = self.node(to) else {
            return Err(ProposeError::NotLeader { leader: None });
        };
        let vital = importance == Importance::Vital;
        let left = end.saturating_duration_since(Instant::now());
        let sent = self.peers().forward(to, &node, command.to_vec(), vital, left);
        sent.await.map_err(|e| match e {
            ForwardError::Unknown(why) => ProposeError::Unknown { why },
            ForwardError::NotSent { busy: true, .. } => ProposeError::Busy,
            ForwardError::NotSent { leader: Some(leader), .. } => {
                ProposeError::NotLeader { leader: Some(leader).filter(|id| *id != 0) }
            }
            ForwardError::NotSent { why, .. } if why == ProposeError::Full.to_string() => ProposeError::Full,
            ForwardError::NotSent { why, .. } => ProposeError::NotSent { last: why },
        })
    }

    /// Proposes an encoded command here. A command this member could not apply is refused: once
    /// in the log it would stop every member that cannot read it.
    pub(crate) async fn propose_encoded(
        &self,
        importance: Importance,
        command: Vec<u8>,
    ) -> Result<(u64, Bytes), ProposeError> {
        if command.len() > MAX_COMMAND {
            return Err(ProposeError::TooLarge(command.len()));
        }
        let mut command = codec::decode::<M::Command>(Kind::Command, M::COMMAND_SCHEMA, &command)?;
        M::stamp(&mut command);
        let command = codec::encode(Kind::Command, M::COMMAND_SCHEMA, &command)?;
        // What is known of the world is taken a little longer than what is wanted of it.
        let space = &self.peers().space;
        if space.is_full() && (importance == Importance::Ordinary || space.is_brimming()) {
            return Err(ProposeError::Full);
        }
        let lane = match importance {
            Importance::Vital => &self.inner.vital,
            Importance::Planned | Importance::Ordinary => &self.inner.ordinary,
        };
        let Ok(_in_flight) = lane.try_acquire() else {
            return Err(ProposeError::Busy);
        };
        let write = self.raft().client_write(command.into());
        let Ok(written) = tokio::time::timeout(LOCAL_DEADLINE, write).await else {
            return Err(unknown("no majority has stored it yet"));
        };
        let written = written.map_err(refused)?;
        match written.data {
            Reply::Outcome(outcome) => Ok((written.log_id.index, outcome)),
            Reply::Refused(why) => Err(ProposeError::Unreadable(why)),
            Reply::Nothing => Err(unknown("the entry was applied without an outcome")),
        }
    }
}

/// Before the next try, where there is time for one.
async fn pause(end: Instant, last: impl ToString) -> Result<(), ProposeError> {
    if Instant::now() + PAUSE >= end {
        return Err(ProposeError::NotSent { last: last.to_string() });
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

fn refused(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> ProposeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => ProposeError::NotLeader { leader: to.leader_id },
        // Appended here, then this member lost its leadership.
        RaftError::APIError(other) => unknown(&other.to_string()),
        RaftError::Fatal(fatal) => unknown(&format!("this member stopped: {fatal}")),
    }
}

fn unknown(why: &str) -> ProposeError {
    let why = why.to_owned();
    ProposeError::Unknown { why }
}

/// An outcome this member cannot read says nothing about whether the command was applied: it was.
fn outcome_of<M: Machine>(bytes: &[u8]) -> Result<M::Outcome, ProposeError> {
    codec::decode(Kind::Outcome, M::COMMAND_SCHEMA, bytes)
        .map_err(|e| unknown(&format!("it was applied, but its outcome is unreadable: {e}")))
}
