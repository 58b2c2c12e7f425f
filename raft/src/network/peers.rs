//! The connections to the other members, and calls over them.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::MAX_MESSAGE;
use super::proto::members_client::MembersClient;
use super::proto::{CallRequest, Message, ProposeRequest, propose_reply};
use super::reach::Reach;
use super::server::ROLL;
use crate::codec::{self, CodecError, Kind};
use crate::replica::Space;
use crate::standing::record::Standing;
use crate::standing::roll::RollV1;
use crate::standing::{ShowReplyV1, ShowV1, TellReplyV1, TellV1};
use crate::types::{MemberId, Node};
use crate::wire::V1;

/// Makes the endpoint of a member: its address and the cluster's TLS.
pub type Dial = Arc<dyn Fn(&Node) -> Result<Endpoint, String> + Send + Sync>;

/// Reaching an address takes no longer than this; the rest is the call's own deadline.
const CONNECT: Duration = Duration::from_millis(500);
/// A connection whose other end answers no ping for this long is given up: a host that lost
/// its power leaves connections behind that would otherwise hang for minutes.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Which of a peer's two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Votes, heartbeats, beats: small and urgent.
    Control,
    /// Entries, snapshots, proposals.
    Bulk,
}

/// Why a call brought no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// It never left this host, or no connection came up.
    #[error("{to} is not reachable: {why}")]
    Unreachable {
        /// The peer.
        to: Node,
        /// What the connection said.
        why: String,
    },
    /// No answer within the deadline.
    #[error("{to} did not answer within {after:?}")]
    Timeout {
        /// The peer.
        to: Node,
        /// The deadline.
        after: Duration,
    },
    /// The peer answered that it will not.
    #[error("{to} refused: {why}")]
    Refused {
        /// The peer.
        to: Node,
        /// Its reason.
        why: String,
    },
}

/// What became of a forwarded proposal without an outcome.
#[derive(Debug)]
pub(crate) enum ForwardError {
    /// Certainly not appended. The leader the peer knows of, if it is not one itself.
    NotSent { why: String, leader: Option<MemberId>, busy: bool },
    /// Nobody can tell.
    Unknown(String),
}

/// All peers of one member.
pub struct Peers {
    pub(super) me: MemberId,
    pub(super) cluster: String,
    /// What was seen of the others, and whether this member takes part.
    pub(crate) standing: Arc<Standing>,
    pub(crate) space: Arc<Space>,
    /// Whom Raft does not reach, for the daemon's log.
    pub(super) reach: Reach,
    dial: Dial,
    channels: Mutex<HashMap<(String, Lane), Channel>>,
}

impl Peers {
    pub(crate) fn new(me: MemberId, cluster: String, dial: Dial, standing: Arc<Standing>, space: Arc<Space>) -> Self {
        Self { me, cluster, standing, space, reach: Reach::default(), dial, channels: Mutex::default() }
    }

    /// Shows our store to a member; why it refuses it, if it does.
    pub(crate) async fn show(
        &self,
        to: MemberId,
        node: &Node,
        shown: &ShowV1,
        deadline: Duration,
    ) -> Result<Option<String>, CallError> {
        let garbled = |e: CodecError| CallError::Refused { to: node.clone(), why: e.to_string() };
        let message = self.message(to, codec::encode(Kind::Show, V1, shown).map_err(garbled)?);
        let mut client = self.client(node, Lane::Control)?;
        let reply = within(node, deadline, client.show(message)).await?;
        let reply: ShowReplyV1 = codec::decode(Kind::ShowReply, V1, &reply.get_ref().body).map_err(garbled)?;
        Ok(reply.refused)
    }

    /// Tells a member who the members are; it is told again if that fails.
    pub(crate) async fn call_roll(&self, to: MemberId, node: &Node, roll: &RollV1, deadline: Duration) {
        let told = match codec::encode(Kind::Roll, V1, roll) {
            Ok(body) => self.call(to, node, ROLL, body, deadline).await.map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = told {
            tracing::debug!(to = %node, error, "a member does not know yet who the members are");
        }
    }

    /// Tells a member what was seen; where it stands.
    pub(crate) async fn tell(
        &self,
        to: MemberId,
        node: &Node,
        tell: TellV1,
        deadline: Duration,
    ) -> Result<TellReplyV1, CallError> {
        let garbled = |e: CodecError| CallError::Refused { to: node.clone(), why: e.to_string() };
        let message = self.message(to, codec::encode(Kind::Tell, V1, &tell).map_err(garbled)?);
        let mut client = self.client(node, Lane::Bulk)?;
        let reply = within(node, deadline, client.tell(message)).await?;
        codec::decode(Kind::TellReply, V1, &reply.get_ref().body).map_err(garbled)
    }

    /// The connection to a node; it is made when first used, and again after it broke.
    pub(super) fn client(&self, node: &Node, lane: Lane) -> Result<MembersClient<Channel>, CallError> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (node.address.clone(), lane);
        let channel = match channels.get(&key) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = (self.dial)(node).map_err(|why| CallError::Unreachable { to: node.clone(), why })?;
                let channel = endpoint
                    .connect_timeout(CONNECT)
                    .tcp_nodelay(true)
                    .http2_keep_alive_interval(PING_EVERY)
                    .keep_alive_timeout(PING_TIMEOUT)
                    .keep_alive_while_idle(true)
                    .connect_lazy();
                channels.insert(key, channel.clone());
                channel
            }
        };
        Ok(MembersClient::new(channel).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE))
    }

    /// Forgets the connections to an address, as when its certificate was renewed.
    pub fn forget(&self, address: &str) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|(at, _), _| at != address);
    }

    pub(super) fn message(&self, to: MemberId, body: Vec<u8>) -> Message {
        Message { from: self.me, to, cluster: self.cluster.clone(), body: body.into() }
    }

    /// Asks a member something of the embedder's own; see [`super::Calls`].
    pub async fn call(
        &self,
        to: MemberId,
        node: &Node,
        kind: &str,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let mut client = self.client(node, Lane::Control)?;
        let request =
            CallRequest { from: self.me, to, cluster: self.cluster.clone(), kind: kind.to_owned(), body: body.into() };
        let reply = within(node, deadline, client.call(request)).await?;
        Ok(reply.into_inner().body.into())
    }

    pub(crate) async fn forward(
        &self,
        to: MemberId,
        node: &Node,
        command: Vec<u8>,
        vital: bool,
        deadline: Duration,
    ) -> Result<(u64, Vec<u8>), ForwardError> {
        let not_sent = |why: String| ForwardError::NotSent { why, leader: None, busy: false };
        let mut client = self.client(node, Lane::Bulk).map_err(|e| not_sent(e.to_string()))?;
        let request =
            ProposeRequest { from: self.me, to, cluster: self.cluster.clone(), command: command.into(), vital };
        let reply = match tokio::time::timeout(deadline, client.propose(request)).await {
            Err(_) => return Err(ForwardError::Unknown(format!("{node} did not answer"))),
            Ok(Err(status)) if never_sent(&status) => {
                return Err(not_sent(format!("{node}: {}", status.message())));
            }
            Ok(Err(status)) => {
                return Err(ForwardError::Unknown(format!("{node}: {}", status.message())));
            }
            Ok(Ok(reply)) => reply.into_inner(),
        };
        match reply.result {
            Some(propose_reply::Result::Applied(a)) => Ok((a.index, a.outcome.into())),
            Some(propose_reply::Result::Refused(r)) => {
                Err(ForwardError::NotSent { why: r.reason, leader: r.leader, busy: r.busy })
            }
            Some(propose_reply::Result::Unknown(why)) => Err(ForwardError::Unknown(why)),
            None => Err(ForwardError::Unknown(format!("{node} gave no answer"))),
        }
    }
}

/// Runs a call under its deadline.
pub(super) async fn within<T>(
    to: &Node,
    after: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, CallError> {
    let to = to.clone();
    match tokio::time::timeout(after, call).await {
        Err(_) => Err(CallError::Timeout { to, after }),
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(status)) => Err(match status.code() {
            Code::Unavailable | Code::Cancelled => CallError::Unreachable { to, why: deepest(&status) },
            Code::DeadlineExceeded => CallError::Timeout { to, after },
            _ => CallError::Refused { to, why: status.message().to_owned() },
        }),
    }
}

/// Whether a failed call certainly did not reach the other end: no connection came up, or the
/// other end refused the message before looking at it.
fn never_sent(status: &Status) -> bool {
    if matches!(status.code(), Code::FailedPrecondition | Code::PermissionDenied) {
        return true;
    }
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn deepest(status: &Status) -> String {
    let mut source: Option<&dyn Error> = status.source();
    let mut text = status.message().to_owned();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}
