//! How a member whose store was lost comes back: both sides.
//!
//! It shows the certificate it joined with, so no token is needed; hardware and key must be those that were pinned. The
//! cluster gives it a raft id never used before and a certificate for that. A copy of its disk is refused: it is seen by
//! its hardware, by the raft id it had, or by the daemon that answers in the same name at the pinned address.

use super::client::{ANSWER, Applicant, Enrolled, taken};
use super::proto::enrol_client::EnrolClient;
use super::proto::{EnrolReply, RejoinRequest};
use super::server::{Enrolment, Members, is_known, reply};
use crate::security::ca::{self, Credentials, Csr};
use crate::security::files::Identity;
use crate::security::lost::Loss;
use crate::security::names::check_node_name;
use crate::security::tls::{self, PeerIdentity};
use quorate_api::{Fault, Reason};
use quorate_core::id::{HardwareId, NodeId, RaftId, StoreId};
use quorate_core::state::{Command, Trouble};
use quorate_raft::Node;
use tokio::time::timeout;

/// Asks one member to be taken back with a new store.
pub async fn rejoin(to: &Node, identity: &Identity, credentials: &Credentials, loss: &Loss) -> Result<Enrolled, Fault> {
    let unreachable = |why: String| Fault::new(Reason::Unreachable, format!("{to} cannot be reached: {why}"));
    let failed = |error: ca::CaError| Fault::new(Reason::Failed, error.to_string());
    let request = RejoinRequest {
        node_name: identity.node.to_string(),
        csr: ca::request(&credentials.key_pem).map_err(failed)?,
        hardware_id: identity.hardware.to_string(),
        old_raft_id: loss.old.0,
        store_id: loss.store.to_string(),
        why: loss.why.clone(),
    };
    let endpoint = tls::dial(credentials)(to).map_err(unreachable)?;
    let channel = timeout(ANSWER, endpoint.connect()).await;
    let channel = channel.map_err(|_| unreachable("no answer".to_owned()))?;
    let channel = channel.map_err(|error| unreachable(error.to_string()))?;
    let mut client = EnrolClient::new(channel).max_decoding_message_size(super::MESSAGE_LIMIT);
    let answer = timeout(ANSWER, client.rejoin(request)).await;
    let answer = answer.map_err(|_| unreachable("no answer".to_owned()))?;
    let reply: EnrolReply = answer.map_err(Fault::from)?.into_inner();
    let who = Applicant {
        node: identity.node.clone(),
        address: identity.address.clone(),
        hardware: crate::security::Hardware { id: identity.hardware.clone(), is_dmi: identity.hardware_is_dmi },
        store: loss.store.clone(),
        key_pem: credentials.key_pem.clone(),
        // It was decided when it joined, and is not asked again.
        witness: false,
    };
    let wanted = ca::fingerprint(&credentials.ca_pem).map_err(failed)?;
    taken(&wanted, &who, reply)
}

impl<M: Members> Enrolment<M> {
    pub(super) async fn readmit(&self, peer: &PeerIdentity, request: &RejoinRequest) -> Result<EnrolReply, Fault> {
        let invalid = |why: String| Fault::new(Reason::Invalid, why);
        check_node_name(&request.node_name).map_err(invalid)?;
        if uuid::Uuid::parse_str(&request.store_id).is_err() {
            return Err(invalid("the store id is no UUID".to_owned()));
        }
        let csr = Csr::parse(&request.csr).map_err(|error| invalid(error.to_string()))?;
        let node = NodeId::new(&request.node_name);
        self.members.fresh().await?;
        let known = self.members.state(|state| state.members.get(&node).cloned());
        let Some(known) = known else {
            return Err(Fault::new(Reason::Denied, format!("{node} is no member of this cluster any more"))
                .hint("empty its data directory and join with a token"));
        };
        if known.fingerprint != peer.fingerprint || csr.fingerprint() != known.fingerprint {
            let message = format!("the certificate that was shown is not the one pinned when {node} joined");
            return Err(Fault::new(Reason::Denied, message).hint("empty its data directory and join with a token"));
        }
        let is_answered = known.store.as_str() == request.store_id;
        if !is_answered && self.members.is_alive(known.raft_id).await {
            return Err(self.copied(&node, &known.address, &request.why).await);
        }
        let command = Command::Rejoin {
            node: node.clone(),
            hardware: HardwareId::new(&request.hardware_id),
            old: RaftId(request.old_raft_id),
            store: StoreId::new(&request.store_id),
            why: request.why.clone(),
        };
        match self.members.propose(command).await {
            Ok(raft_id) => {
                let raft_id = is_known(raft_id)?;
                self.members.state(|state| reply(state, &csr, &node, raft_id))
            }
            Err(fault) => {
                if fault.reason == Reason::Refused {
                    self.tell(&node, fault.message.clone()).await;
                }
                Err(fault)
            }
        }
    }

    /// Two speak for one member, and this one is the copy: the other answers where the member was pinned.
    async fn copied(&self, node: &NodeId, address: &str, why: &str) -> Fault {
        let message = format!(
            "another daemon speaks for {node}: it is alive at {address}, and a host with the same key asked to rejoin in \
             its name ({why}): a copied disk; empty the data directory of the copy and join it under a name of its own"
        );
        self.tell(node, message.clone()).await;
        Fault::new(Reason::Refused, message).hint("if this host is the right one, stop the other first")
    }

    async fn tell(&self, node: &NodeId, text: String) {
        // The refusal stands all the same.
        let _ = self.members.propose(Command::Report { node: node.clone(), trouble: Trouble::Copy, text }).await;
    }
}
