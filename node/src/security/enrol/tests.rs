//! Joining and dialling over loopback: real TLS, real state, only the log is an in-memory one.

use super::client::enrol_within;
use super::proto::EnrolRequest;
use super::proto::enrol_client::EnrolClient;
use super::proto::enrol_server::Enrol;
use super::{Applicant, Enrolled, Enrolment, Members, rejoin};
use crate::security::ca::{Ca, Credentials, key_fingerprint, new_key};
use crate::security::hardware::Hardware;
use crate::security::lost::Loss;
use crate::security::tls;
use crate::security::token::Token;
use futures::future::BoxFuture;
use quorate_api::{Fault, Reason, SERVER_NAME};
use quorate_core::id::{HardwareId, NodeId, RaftId, StoreId};
use quorate_core::state::{ClusterState, Command, Entry, EventKind, Founding, Member, Outcome};
use quorate_core::time::Timestamp;
use quorate_raft::Node;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Server};
use tonic::{Request, Status};

/// The state without Raft: what is proposed is applied at once.
#[derive(Clone)]
struct Alone(Arc<Mutex<ClusterState>>);

impl Alone {
    fn apply(&self, command: Command) -> Outcome {
        let mut state = self.0.lock().unwrap();
        let (index, at) = (state.index + 1, state.now.max(Timestamp(1_000)));
        state.apply(index, &Entry { at, request: None, command })
    }

    fn index(&self) -> u64 {
        self.state(|state| state.index)
    }
}

impl Members for Alone {
    fn state<T>(&self, look: impl FnOnce(&ClusterState) -> T) -> T {
        look(&self.0.lock().unwrap())
    }

    fn fresh(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn join(&self, token: String, member: Member) -> BoxFuture<'_, Result<RaftId, Fault>> {
        let outcome = self.apply(Command::Join { token, member: Box::new(member) });
        Box::pin(async move {
            match outcome {
                Outcome::Joined(raft_id) => Ok(raft_id),
                Outcome::Refused(why) => Err(Fault::new(Reason::Refused, why.to_string())),
                other => panic!("a join brought {other:?}"),
            }
        })
    }

    fn propose(&self, command: Command) -> BoxFuture<'_, Result<Option<RaftId>, Fault>> {
        let outcome = self.apply(command);
        Box::pin(async move {
            match outcome {
                Outcome::Joined(raft_id) => Ok(Some(raft_id)),
                Outcome::Refused(why) => Err(Fault::new(Reason::Refused, why.to_string())),
                _ => Ok(None),
            }
        })
    }

    fn is_alive(&self, raft_id: RaftId) -> BoxFuture<'_, bool> {
        Box::pin(async move { raft_id == ALIVE })
    }
}

/// What the daemon of a member answers at its pinned address: nothing, in these tests, unless it is member 7.
const ALIVE: RaftId = RaftId(7);

/// A founding member `n1` that enrols on one port and, on another, answers only those whom it admits as member 2.
struct Cluster {
    ca: Ca,
    members: Alone,
    enrols: SocketAddr,
    guards: SocketAddr,
    servers: Vec<JoinHandle<()>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Cluster {
    fn start() -> Self {
        let ca = Ca::create("test").unwrap();
        let us = ca.member(&new_key().unwrap(), "n1", RaftId(1)).unwrap();
        Self::start_as(ca, &us)
    }

    fn start_as(ca: Ca, us: &Credentials) -> Self {
        let members = Alone(Arc::default());
        let member = Member { raft_id: RaftId(1), ..member("n1", 1, &us.key_pem) };
        let founding = Founding {
            cluster_id: "id-of-test".to_owned(),
            name: "test".to_owned(),
            ca_certificate: ca.certificate_pem.clone(),
            ca_key: ca.key_pem.clone(),
            member,
        };
        assert_eq!(members.apply(Command::Found(founding)), Outcome::Joined(RaftId(1)));
        let open = Enrolment::service(members.clone());
        let asked = members.clone();
        let guard = move |request: Request<()>| {
            let admitted = asked.state(|state| tls::admit(2, request.extensions(), &tls::Holders::default(), state));
            admitted.map(|()| request).map_err(Status::permission_denied)
        };
        let guarded = InterceptedService::new(Enrolment::service(members.clone()), guard);
        let (enrols, open) = serve(us, |server| server.add_service(open));
        let (guards, guarded) = serve(us, |server| server.add_service(guarded));
        Self { ca, members, enrols, guards, servers: vec![open, guarded] }
    }

    fn token(&self) -> Token {
        let fingerprint = crate::security::ca::fingerprint(&self.ca.certificate_pem).unwrap();
        let token = Token::create([self.enrols], &fingerprint).unwrap();
        self.create(&token, Timestamp(60_000));
        token
    }

    fn create(&self, token: &Token, expires: Timestamp) {
        let command = Command::CreateToken { hash: token.hash(), expires, actor: "test".to_owned() };
        assert_eq!(self.members.apply(command), Outcome::Done);
    }

    /// What the guarded port says to a caller: `Ok` when it was let in.
    async fn knock(&self, us: &Credentials) -> Result<(), String> {
        let node = Node { name: "n1".to_owned(), address: self.guards.to_string() };
        call(tls::dial(us)(&node).unwrap()).await
    }
}

fn serve(
    us: &Credentials,
    mount: impl FnOnce(&mut Server) -> tonic::transport::server::Router,
) -> (SocketAddr, JoinHandle<()>) {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let mut server = Server::builder().tls_config(tls::server(us)).unwrap();
    let router = mount(&mut server);
    let served = tokio::spawn(async move { router.serve_with_incoming(incoming).await.unwrap() });
    (address, served)
}

/// An empty enrolment: who is let in learns that it is not valid.
async fn call(endpoint: Endpoint) -> Result<(), String> {
    let asked = async {
        let channel: Channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
        let answer = EnrolClient::new(channel).enrol(EnrolRequest::default()).await;
        let fault = Fault::from(answer.expect_err("an empty request cannot be good"));
        if fault.reason == Reason::Invalid { Ok(()) } else { Err(fault.message) }
    };
    tokio::time::timeout(Duration::from_secs(10), asked).await.expect("no answer at all")
}

fn member(name: &str, number: u16, key_pem: &str) -> Member {
    Member {
        name: NodeId::new(name),
        raft_id: RaftId(0),
        address: format!("127.0.0.1:{}", 7400 + number),
        hardware: HardwareId::new(format!("hardware-{number}")),
        hardware_is_dmi: true,
        store: StoreId::new(format!("5eed0000-0000-4000-8000-{number:012}")),
        fingerprint: key_fingerprint(key_pem).unwrap(),
        joined: Timestamp(0),
        witness: false,
    }
}

fn applicant(name: &str, number: u16) -> Applicant {
    let key_pem = new_key().unwrap();
    let member = member(name, number, &key_pem);
    let hardware = Hardware { id: member.hardware, is_dmi: true };
    Applicant { node: member.name, address: member.address, hardware, store: member.store, witness: false, key_pem }
}

async fn join(token: &Token, who: &Applicant) -> Result<Enrolled, Fault> {
    enrol_within(token, who, Duration::from_millis(200)).await
}

#[tokio::test]
async fn a_joiner_becomes_a_member_and_is_let_in() {
    let cluster = Cluster::start();
    let who = applicant("n2", 2);
    let enrolled = join(&cluster.token(), &who).await.unwrap();
    assert_eq!(enrolled.identity.raft_id, RaftId(2));
    assert_eq!(
        (enrolled.identity.cluster_id.as_str(), enrolled.identity.cluster_name.as_str()),
        ("id-of-test", "test")
    );
    let members: Vec<_> = enrolled.members.iter().map(|peer| (peer.raft_id.0, peer.name.as_str())).collect();
    assert_eq!(members, [(1, "n1"), (2, "n2")]);
    assert_eq!(cluster.knock(&enrolled.credentials).await, Ok(()));
}

#[tokio::test]
async fn the_same_joiner_is_answered_again_and_another_is_not() {
    let cluster = Cluster::start();
    let (token, who) = (cluster.token(), applicant("n2", 2));
    let first = join(&token, &who).await.unwrap();
    let again = join(&token, &who).await.unwrap();
    assert_eq!(first.identity, again.identity);
    assert_eq!(cluster.members.state(|state| state.members.len()), 2);

    let index = cluster.members.index();
    let other_key = Applicant { key_pem: new_key().unwrap(), ..who.clone() };
    for other in [applicant("n3", 3), other_key] {
        let fault = join(&token, &other).await.unwrap_err();
        assert_eq!((fault.reason, fault.message.as_str()), (Reason::Denied, "the join token was used already, by n2"));
    }
    assert_eq!(cluster.members.index(), index, "a used token must not get into the log");
}

#[tokio::test]
async fn unknown_and_expired_tokens_are_refused_without_a_log_entry() {
    let cluster = Cluster::start();
    let unknown = Token::create([cluster.enrols], &cluster.token().ca_fingerprint()).unwrap();
    let expired = Token::create([cluster.enrols], &unknown.ca_fingerprint()).unwrap();
    cluster.create(&expired, Timestamp(500));
    let index = cluster.members.index();
    for (token, why) in
        [(unknown, "the join token is not known in this cluster"), (expired, "the join token has expired")]
    {
        let fault = join(&token, &applicant("n2", 2)).await.unwrap_err();
        assert_eq!((fault.reason, fault.message.as_str()), (Reason::Denied, why));
    }
    assert_eq!(cluster.members.index(), index);
}

#[tokio::test]
async fn a_server_of_another_ca_is_told_nothing() {
    let (cluster, other) = (Cluster::start(), Cluster::start());
    let (token, index) = (cluster.token(), other.members.index());
    let astray = Token::create([other.enrols], &token.ca_fingerprint()).unwrap();
    // Even if it knew the secret, it is not asked.
    other.create(&astray, Timestamp(60_000));
    let fault = join(&astray, &applicant("n2", 2)).await.unwrap_err();
    assert_eq!(fault.reason, Reason::Denied);
    assert!(fault.message.contains("not of the cluster that the token is for"), "{fault}");
    assert_eq!(other.members.index(), index + 1);
}

#[tokio::test]
async fn a_server_that_only_shows_our_ca_is_told_nothing() {
    // Its leaf is by its own CA; it adds the certificate of ours, which is public, to the chain.
    let (cluster, ca) = (Cluster::start(), Ca::create("test").unwrap());
    let mut us = ca.member(&new_key().unwrap(), "n1", RaftId(1)).unwrap();
    us.ca_pem = cluster.ca.certificate_pem.clone();
    let impostor = Cluster::start_as(ca, &us);
    let astray = Token::create([impostor.enrols], &cluster.token().ca_fingerprint()).unwrap();
    impostor.create(&astray, Timestamp(60_000));
    let fault = join(&astray, &applicant("n2", 2)).await.unwrap_err();
    assert_eq!(fault.reason, Reason::Denied, "{fault}");
    assert_eq!(impostor.members.state(|state| state.members.len()), 1);
}

#[tokio::test]
async fn an_expired_server_is_told_nothing() {
    let ca = Ca::create("test").unwrap();
    let us = ca.member_for(&new_key().unwrap(), "n1", RaftId(1), time::Duration::hours(-1)).unwrap();
    let cluster = Cluster::start_as(ca, &us);
    let fault = join(&cluster.token(), &applicant("n2", 2)).await.unwrap_err();
    assert!(fault.reason == Reason::Denied && fault.message.contains("expired"), "{fault}");
}

#[tokio::test]
async fn what_the_request_says_is_checked() {
    let cluster = Cluster::start();
    let refused = async |who: &Applicant| join(&cluster.token(), who).await.unwrap_err();
    let twin = Applicant { hardware: Hardware { id: "hardware-1".into(), is_dmi: true }, ..applicant("n2", 2) };
    let fault = refused(&twin).await;
    assert!(fault.message.contains("hardware id hardware-1 belongs to member n1"), "{fault}");
    assert!(refused(&applicant("N1", 2)).await.message.contains("there is a member named n1 already"));
    let zeros = Hardware { id: "00000000-0000-0000-0000-000000000000".into(), is_dmi: true };
    assert_eq!(refused(&Applicant { hardware: zeros, ..applicant("n2", 2) }).await.reason, Reason::Invalid);
    assert_eq!(refused(&applicant("n_2", 2)).await.reason, Reason::Invalid);
    let nowhere = Applicant { address: "0.0.0.0:7400".to_owned(), ..applicant("n2", 2) };
    assert_eq!(refused(&nowhere).await.reason, Reason::Invalid);
    assert_eq!(cluster.members.state(|state| state.members.len()), 1);
}

#[tokio::test]
async fn the_next_member_is_asked_when_one_is_down() {
    let cluster = Cluster::start();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut token = cluster.token();
    token.addresses.insert(0, gone);
    assert!(join(&token, &applicant("n2", 2)).await.is_ok());

    token.addresses = vec![gone];
    let fault = join(&token, &applicant("n3", 3)).await.unwrap_err();
    assert!(fault.reason == Reason::Unreachable && fault.message.contains(&gone.to_string()), "{fault}");
}

#[tokio::test]
async fn without_a_certificate_only_enrolment_is_open() {
    let cluster = Cluster::start();
    let tls = || {
        let ca = Certificate::from_pem(&cluster.ca.certificate_pem);
        ClientTlsConfig::new().domain_name(SERVER_NAME).ca_certificate(ca)
    };
    let to =
        |address: SocketAddr| Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(tls()).unwrap();
    assert_eq!(call(to(cluster.enrols)).await, Ok(()));
    assert_eq!(call(to(cluster.guards)).await, Err("member 2 showed no certificate of this cluster".to_owned()));
}

#[tokio::test]
async fn foreign_and_expired_certificates_do_not_get_through_tls() {
    let cluster = Cluster::start();
    let key = new_key().unwrap();
    let good = cluster.ca.member(&key, "n2", RaftId(2)).unwrap();
    assert_eq!(cluster.knock(&good).await, Ok(()));

    let mut foreign = Ca::create("test").unwrap().member(&key, "n2", RaftId(2)).unwrap();
    foreign.ca_pem = cluster.ca.certificate_pem.clone();
    let expired = cluster.ca.member_for(&key, "n2", RaftId(2), time::Duration::hours(-1)).unwrap();
    for (bad, alert) in [(foreign, "another CA has signed it"), (expired, "it has expired")] {
        let refused = cluster.knock(&bad).await.unwrap_err();
        assert!(refused.contains(alert), "{alert}: {refused}");
    }
}

#[tokio::test]
async fn a_dialler_talks_only_to_the_node_it_means() {
    let cluster = Cluster::start();
    let us = cluster.ca.member(&new_key().unwrap(), "n2", RaftId(2)).unwrap();
    let other = Node { name: "n3".to_owned(), address: cluster.guards.to_string() };
    let refused = call(tls::dial(&us)(&other).unwrap()).await.unwrap_err();
    assert!(refused.contains("NotValidForName"), "{refused}");
    let mut astray = us.clone();
    astray.ca_pem = Ca::create("test").unwrap().certificate_pem;
    let refused = cluster.knock(&astray).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer") || refused.contains("BadSignature"), "{refused}");
}

#[tokio::test]
async fn an_administrator_is_no_member() {
    let cluster = Cluster::start();
    let refused = cluster.knock(&cluster.ca.admin().unwrap()).await.unwrap_err();
    assert!(refused.contains("not a certificate for that member"), "{refused}");
}

#[tokio::test]
async fn when_all_places_are_taken_the_joiner_is_told_to_try_again() {
    let crowded = Enrolment::new(Alone(Arc::default()), 0);
    let refused = crowded.enrol(Request::new(EnrolRequest::default())).await.unwrap_err();
    let fault = Fault::from(refused);
    assert!(fault.reason == Reason::Busy && fault.reason.is_passing(), "{fault}");
}

#[tokio::test]
async fn a_member_that_lost_its_store_gets_a_new_raft_id_once() {
    let cluster = Cluster::start();
    let joined = join(&cluster.token(), &applicant("n2", 2)).await.unwrap();
    let to = Node { name: "n1".to_owned(), address: cluster.enrols.to_string() };
    let new = |store: &str| Loss {
        old: joined.identity.raft_id,
        store: StoreId::new(store),
        why: "damaged".to_owned(),
        aside: std::path::PathBuf::new(),
    };
    let store = uuid::Uuid::new_v4().to_string();
    let ask = async |loss: &Loss| rejoin(&to, &joined.identity, &joined.credentials, loss).await;
    let back = ask(&new(&store)).await.unwrap();
    assert_eq!((back.identity.raft_id, back.identity.store.as_str()), (RaftId(3), store.as_str()));
    assert_eq!(back.credentials.key_pem, joined.credentials.key_pem);
    // Asked again, as when the answer was lost, it is the same; a copy of the disk as it was before gets none.
    assert_eq!(ask(&new(&store)).await.unwrap().identity, back.identity);
    let copy = ask(&new(&uuid::Uuid::new_v4().to_string())).await.unwrap_err();
    assert!(copy.reason == Reason::Refused && copy.message.contains("copy of an older disk"), "{copy}");
    let told = cluster.members.state(|state| state.events.back().cloned()).unwrap();
    assert_eq!((told.kind, told.node), (EventKind::Copy, Some(NodeId::from("n2"))));
}

#[tokio::test]
async fn a_copied_disk_is_refused_while_the_member_lives() {
    let cluster = Cluster::start();
    let mut joined = join(&cluster.token(), &applicant("n2", 2)).await.unwrap();
    let to = Node { name: "n1".to_owned(), address: cluster.enrols.to_string() };
    for _ in 2..ALIVE.0 {
        let store = StoreId::new(uuid::Uuid::new_v4().to_string());
        let loss = Loss { old: joined.identity.raft_id, store, why: String::new(), aside: std::path::PathBuf::new() };
        joined = rejoin(&to, &joined.identity, &joined.credentials, &loss).await.unwrap();
    }
    assert_eq!(joined.identity.raft_id, ALIVE);
    let store = StoreId::new(uuid::Uuid::new_v4().to_string());
    let loss = Loss { old: ALIVE, store, why: String::new(), aside: std::path::PathBuf::new() };
    let fault = rejoin(&to, &joined.identity, &joined.credentials, &loss).await.unwrap_err();
    assert!(fault.reason == Reason::Refused && fault.message.contains("it is alive at"), "{fault}");
    assert_eq!(cluster.members.state(|state| state.members[&NodeId::from("n2")].raft_id), ALIVE);
    // Another member's certificate does not speak for it, nor does an administrator's.
    let other = join(&cluster.token(), &applicant("n3", 3)).await.unwrap();
    for credentials in [other.credentials, cluster.ca.admin().unwrap()] {
        let fault = rejoin(&to, &joined.identity, &credentials, &loss).await.unwrap_err();
        assert!(fault.reason == Reason::Denied, "{fault}");
    }
}
