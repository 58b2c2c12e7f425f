//! The joiner's side of joining.

use super::MESSAGE_LIMIT;
use super::pinned::PinnedCa;
use super::proto::enrol_client::EnrolClient;
use super::proto::{EnrolReply, EnrolRequest};
use crate::security::ca::{self, CaError, Credentials};
use crate::security::files::Identity;
use crate::security::hardware::Hardware;
use crate::security::names::{check_address, check_node_name};
use crate::security::token::Token;
use quorate_api::{Fault, Reason, SERVER_NAME};
use quorate_core::id::{NodeId, RaftId, StoreId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::{ClientTlsConfig, Endpoint};

/// Reaching a member takes no longer.
const CONNECT: Duration = Duration::from_secs(3);
/// One member's answer takes no longer: it may have to wait for an election.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
/// All members are asked again and again for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between one round and the next.
const PAUSE: Duration = Duration::from_secs(1);

/// Who wants to join.
#[derive(Clone)]
pub struct Applicant {
    /// Its name.
    pub node: NodeId,
    /// Where its peers will reach it.
    pub address: String,
    /// Its hardware.
    pub hardware: Hardware,
    /// Its data directory.
    pub store: StoreId,
    /// It votes and runs nothing.
    pub witness: bool,
    /// Its private key, PEM, from [`crate::security::DataDir::key`]: a second try must use the same.
    pub key_pem: String,
}

impl std::fmt::Debug for Applicant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Applicant");
        shown.field("node", &self.node).field("address", &self.address).field("hardware", &self.hardware);
        shown.field("store", &self.store).finish_non_exhaustive()
    }
}

/// A member as the cluster knew it when this one joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its id in Raft.
    pub raft_id: RaftId,
    /// Its name.
    pub name: NodeId,
    /// Where it is reached.
    pub address: String,
}

/// What a joiner becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Who it is now.
    pub identity: Identity,
    /// Its certificate.
    pub credentials: Credentials,
    /// All members, itself included.
    pub members: Vec<Peer>,
}

/// Joins: asks one member of the token after the other until one answers for good.
pub async fn enrol(token: &Token, who: &Applicant) -> Result<Enrolled, Fault> {
    enrol_within(token, who, PATIENCE).await
}

pub(super) async fn enrol_within(token: &Token, who: &Applicant, patience: Duration) -> Result<Enrolled, Fault> {
    let request = request(token, who)?;
    let end = Instant::now() + patience;
    loop {
        let mut faults = Vec::new();
        for address in &token.addresses {
            if !faults.is_empty() && Instant::now() >= end {
                break;
            }
            match ask(*address, token, &request).await {
                Ok(reply) => return accept(token, who, reply),
                Err(Attempt::Answered(fault)) if !fault.reason.is_passing() => return Err(fault),
                Err(attempt) => faults.push((*address, attempt)),
            }
        }
        // A server of another cluster stays one; all else may pass.
        let hopeless = faults.iter().all(|(_, attempt)| matches!(attempt, Attempt::Foreign(_)));
        if hopeless || Instant::now() + PAUSE >= end {
            return Err(nobody(&faults));
        }
        sleep(PAUSE).await;
    }
}

/// Why one member did not enrol us.
enum Attempt {
    /// It said so, or did not answer.
    Answered(Fault),
    /// It could not be reached.
    Unreachable(String),
    /// It is not who the token speaks of; it was told nothing.
    Foreign(String),
}

fn request(token: &Token, who: &Applicant) -> Result<EnrolRequest, Fault> {
    let invalid = |why: String| Fault::new(Reason::Invalid, why);
    check_node_name(who.node.as_str()).map_err(invalid)?;
    check_address(&who.address).map_err(invalid)?;
    Ok(EnrolRequest {
        token_secret: token.secret().to_vec(),
        csr: ca::request(&who.key_pem).map_err(|error| Fault::new(Reason::Failed, error.to_string()))?,
        node_name: who.node.to_string(),
        address: who.address.clone(),
        hardware_id: who.hardware.id.to_string(),
        hardware_is_dmi: who.hardware.is_dmi,
        store_id: who.store.to_string(),
        is_witness: who.witness,
    })
}

async fn ask(address: SocketAddr, token: &Token, request: &EnrolRequest) -> Result<EnrolReply, Attempt> {
    let verifier = Arc::new(PinnedCa::new(token.ca_fingerprint()));
    let tls = ClientTlsConfig::new().domain_name(SERVER_NAME).timeout(CONNECT);
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .and_then(|endpoint| endpoint.connect_timeout(CONNECT).tls_config_with_verifier(tls, verifier.clone()))
        .map_err(|error| Attempt::Unreachable(causes(&error)))?;
    // Bounded as a whole too: a host that lost its power may leave any stage hanging.
    let channel = match timeout(CONNECT * 2, endpoint.connect()).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => {
            return Err(verifier.refused().map_or_else(|| Attempt::Unreachable(causes(&error)), Attempt::Foreign));
        }
        Err(_) => return Err(Attempt::Unreachable("no answer".to_owned())),
    };
    let mut client = EnrolClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
    match timeout(ANSWER, client.enrol(request.clone())).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(Attempt::Answered(status.into())),
        Err(_) => {
            let message = format!("no answer within {} s", ANSWER.as_secs());
            Err(Attempt::Answered(Fault::new(Reason::Timeout, message)))
        }
    }
}

/// Takes the answer only if it is of the cluster that the token is of.
fn accept(token: &Token, who: &Applicant, reply: EnrolReply) -> Result<Enrolled, Fault> {
    taken(&token.ca_fingerprint(), who, reply)
}

/// Takes the answer only if it is by this CA and makes us who we asked to be.
pub(super) fn taken(authority: &str, who: &Applicant, reply: EnrolReply) -> Result<Enrolled, Fault> {
    let wrong = |why: &str| Fault::new(Reason::Failed, format!("the member's answer cannot be used: {why}"));
    let unread = |error: CaError| wrong(&error.to_string());
    if ca::fingerprint(&reply.ca_certificate).map_err(unread)? != authority {
        return Err(wrong("its CA is not the one of this cluster"));
    }
    let credentials =
        Credentials { ca_pem: reply.ca_certificate, certificate_pem: reply.certificate, key_pem: who.key_pem.clone() };
    credentials.check().map_err(unread)?;
    let holder = ca::holder_pem(&credentials.certificate_pem).map_err(unread)?;
    if holder.name != who.node.as_str() || holder.raft_id != Some(RaftId(reply.raft_id)) {
        return Err(wrong("the certificate is not for this node"));
    }
    let members = reply.members.into_iter();
    let peer = |member: super::proto::EnrolledMember| Peer {
        raft_id: RaftId(member.raft_id),
        name: NodeId::new(member.name),
        address: member.address,
    };
    let identity = Identity {
        cluster_id: reply.cluster_id,
        cluster_name: reply.cluster_name,
        node: who.node.clone(),
        raft_id: RaftId(reply.raft_id),
        address: who.address.clone(),
        store: who.store.clone(),
        hardware: who.hardware.id.clone(),
        hardware_is_dmi: who.hardware.is_dmi,
    };
    Ok(Enrolled { identity, credentials, members: members.map(peer).collect() })
}

fn nobody(faults: &[(SocketAddr, Attempt)]) -> Fault {
    let told = faults.iter().map(|(address, attempt)| match attempt {
        Attempt::Answered(fault) => format!("{address}: {fault}"),
        Attempt::Unreachable(why) => format!("{address} cannot be reached: {why}"),
        Attempt::Foreign(why) => format!("{address} is not trusted: {why}"),
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let (reason, hint) = match faults.last() {
        Some((_, Attempt::Foreign(_))) => {
            (Reason::Denied, "make a new token on a member of the cluster that is meant, and look at this host's clock")
        }
        Some((_, Attempt::Answered(fault))) => (fault.reason, "look at `qrm status` on a member, then try again"),
        _ => (Reason::Unreachable, "look whether quorated runs on the members, and at firewalls in between"),
    };
    Fault::new(reason, format!("no member let this node join: {told}")).hint(hint)
}

/// The deepest cause: what is above it only says that something failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
