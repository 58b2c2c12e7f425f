//! Mutual TLS between members: how they dial, what the listener asks for, and whom it lets speak.
//!
//! At the TLS level a client may come without a certificate, since a joiner has none; one that it shows must be by our
//! CA. Each service asks here who its caller is. Whether a holder is a member is read from the replicated state.

use super::ca::{self, Credentials};
use quorate_api::{Fault, Reason};
use quorate_core::id::RaftId;
use quorate_core::state::ClusterState;
use quorate_raft::{Dial, Node};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tonic::Extensions;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig};

/// Who is at the other end, as its certificate says and TLS has checked.
pub type PeerIdentity = ca::Holder;

/// What a removed member is told, in these words: it takes them for the truth, since only a member can show a
/// certificate of the cluster, and no member that knows less than it does would say so.
pub const REMOVED: &str = "was removed from this cluster";
/// A handshake takes no longer; what hangs must not hold the listener's memory.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Reaching a peer takes no longer.
const CONNECT: Duration = Duration::from_secs(2);
/// So many certificates are remembered; a cluster has far fewer members.
const MOST_HOLDERS: usize = 512;

/// The listener's TLS. The CA's certificate is shown along with our own: a joiner knows nothing but its fingerprint.
pub fn server(us: &Credentials) -> ServerTlsConfig {
    let chain = format!("{}\n{}", us.certificate_pem.trim_end(), us.ca_pem);
    ServerTlsConfig::new()
        .identity(Identity::from_pem(chain, &us.key_pem))
        .client_ca_root(Certificate::from_pem(&us.ca_pem))
        .client_auth_optional(true)
        .timeout(HANDSHAKE)
}

/// Dials members: by their address, and only talks to the node of that name.
pub fn dial(us: &Credentials) -> Dial {
    let us = us.clone();
    Arc::new(move |node: &Node| endpoint(&us, node))
}

fn endpoint(us: &Credentials, node: &Node) -> Result<Endpoint, String> {
    let tls = ClientTlsConfig::new()
        .domain_name(&node.name)
        .ca_certificate(Certificate::from_pem(&us.ca_pem))
        .identity(Identity::from_pem(&us.certificate_pem, &us.key_pem))
        .timeout(HANDSHAKE);
    let endpoint = Endpoint::from_shared(format!("https://{}", node.address))
        .map_err(|_| format!("'{}' is no address:port", node.address))?;
    let secured = endpoint.tls_config(tls).map_err(|error| format!("our own certificate cannot be used: {error:?}"))?;
    Ok(secured.tcp_nodelay(true).connect_timeout(CONNECT))
}

/// Who called, if it showed a certificate.
pub fn peer_identity(extensions: &Extensions) -> Option<PeerIdentity> {
    // Whoever asks, asks again and again.
    static ASKERS: LazyLock<Holders> = LazyLock::new(Holders::default);
    ASKERS.peer(extensions).map(|holder| PeerIdentity::clone(&holder))
}

/// The same where a certificate is a must.
pub fn require_peer(extensions: &Extensions) -> Result<PeerIdentity, Fault> {
    peer_identity(extensions).ok_or_else(|| {
        Fault::new(Reason::Denied, "this takes a certificate of this cluster")
            .hint("use --ca, --cert and --key, with the files that `qrm cluster certificate` makes on a member")
    })
}

/// What the certificates say that were shown: members send many messages a second, and each is from somebody.
///
/// It spares the reading of a certificate, nothing else: whether its holder is a member is asked of the state each time.
#[derive(Debug, Default)]
pub struct Holders {
    known: Mutex<HashMap<Vec<u8>, Arc<PeerIdentity>>>,
}

impl Holders {
    /// Who called, if it showed a certificate.
    fn peer(&self, extensions: &Extensions) -> Option<Arc<PeerIdentity>> {
        let certificates = extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?.peer_certs()?;
        self.holder(certificates.first()?)
    }

    fn holder(&self, certificate: &[u8]) -> Option<Arc<PeerIdentity>> {
        // Each entry is put there whole.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = known.get(certificate) {
            return Some(holder.clone());
        }
        let holder = Arc::new(ca::holder(certificate).ok()?);
        if known.len() >= MOST_HOLDERS {
            known.clear();
        }
        known.insert(certificate.to_vec(), holder.clone());
        Some(holder)
    }
}

/// Whether the caller may speak as member `from`.
pub fn admit(from: u64, extensions: &Extensions, holders: &Holders, state: &ClusterState) -> Result<(), String> {
    admit_peer(RaftId(from), holders.peer(extensions).as_deref(), state)
}

fn admit_peer(from: RaftId, peer: Option<&PeerIdentity>, state: &ClusterState) -> Result<(), String> {
    let Some(peer) = peer else {
        return Err(format!("member {from} showed no certificate of this cluster"));
    };
    if let Some(member) = state.members.values().find(|member| member.raft_id == from) {
        if member.fingerprint == peer.fingerprint {
            return Ok(());
        }
        return Err(format!(
            "the certificate shown for member {from} ({}) is not the one pinned when it joined",
            member.name
        ));
    }
    if from < state.next_raft_id {
        let is_here = |member: &&quorate_core::state::Member| member.fingerprint == peer.fingerprint;
        if let Some(member) = state.members.values().find(is_here).filter(|_| !state.removed.contains_key(&from)) {
            return Err(format!(
                "{} lost the store of member {from}, and is member {} since",
                member.name, member.raft_id
            ));
        }
        let name = state.removed.get(&from).map_or_else(|| format!("member {from}"), |old| old.name.to_string());
        return Err(format!("{name} {REMOVED}; join again to come back"));
    }
    // It joined after what this member knows: a joiner knows nobody, and one that was away long does not know a
    // leader who joined meanwhile and alone can tell it. The CA has bound the id, never used again, to this key.
    if peer.raft_id == Some(from) {
        return Ok(());
    }
    Err(format!("the certificate shown for member {from} is not a certificate for that member"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::state::Member;
    use quorate_core::time::Timestamp;

    fn peer(key: &str, raft_id: Option<u64>) -> PeerIdentity {
        let is_admin = raft_id.is_none();
        PeerIdentity { name: "n".to_owned(), fingerprint: key.to_owned(), raft_id: raft_id.map(RaftId), is_admin }
    }

    /// Members 1 and 3 with keys k1 and k3; 2 was removed.
    fn state() -> ClusterState {
        let mut state = ClusterState { next_raft_id: RaftId(4), ..ClusterState::default() };
        for id in [1, 3] {
            let name = quorate_core::id::NodeId::new(format!("n{id}"));
            let member = Member {
                name: name.clone(),
                raft_id: RaftId(id),
                address: String::new(),
                hardware: "h".into(),
                hardware_is_dmi: true,
                store: "s".into(),
                fingerprint: format!("k{id}"),
                joined: Timestamp(0),
                witness: false,
            };
            state.members.insert(name, member);
        }
        state
    }

    #[test]
    fn a_member_speaks_for_itself_only() {
        let state = state();
        let admit = |from, peer: PeerIdentity| admit_peer(RaftId(from), Some(&peer), &state);
        assert_eq!(admit(1, peer("k1", Some(1))), Ok(()));
        assert!(admit(1, peer("k3", Some(3))).unwrap_err().contains("not the one pinned"));
        assert!(admit(1, peer("k1-new", Some(1))).unwrap_err().contains("not the one pinned"));
        assert!(admit(1, peer("admin", None)).is_err());
        assert!(admit_peer(RaftId(1), None, &state).unwrap_err().contains("no certificate"));
    }

    #[test]
    fn who_was_removed_stays_out_and_who_is_newer_gets_in() {
        let state = state();
        let admit = |from, peer: PeerIdentity| admit_peer(RaftId(from), Some(&peer), &state);
        assert!(admit(2, peer("k2", Some(2))).unwrap_err().contains("was removed"));
        assert_eq!(admit(4, peer("k4", Some(4))), Ok(()));
        // A removed or present member cannot claim to be a newer one, nor can an administrator.
        assert!(admit(4, peer("k2", Some(2))).is_err());
        assert!(admit(4, peer("k1", Some(1))).is_err());
        assert!(admit(4, peer("admin", None)).is_err());
        let joiner = ClusterState::default();
        assert_eq!(admit_peer(RaftId(1), Some(&peer("k1", Some(1))), &joiner), Ok(()));
        assert!(admit_peer(RaftId(1), Some(&peer("k2", Some(2))), &joiner).is_err());
    }
}
