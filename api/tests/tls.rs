//! Over the network only who holds a certificate of the cluster's CA is heard, and only a member is believed.

mod daemon;

use daemon::Daemon;
use quorate_api::proto::ViewKind;
use quorate_api::proto::quorate_server::QuorateServer;
use quorate_api::{Client, ClientOptions, Fault, Reason, Remote, SERVER_NAME};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

/// A certificate authority of a cluster.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("random numbers");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a cluster's CA");
        let pem = params.self_signed(&key).expect("its own key").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key for this name.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("random numbers");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a host name");
        let certificate = params.signed_by(&key, &self.issuer).expect("its own key");
        (certificate.pem(), key.serialize_pem())
    }
}

async fn serve(authority: &Authority, name: &str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let (certificate, key) = authority.sign(name);
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(&authority.pem));
    let mut server = Server::builder().tls_config(tls).expect("its own certificate");
    let serving = server.add_service(QuorateServer::new(Daemon::default()));
    let incoming = TcpListenerStream::new(listener);
    let task = tokio::spawn(async move {
        serving.serve_with_incoming(incoming).await.expect("it runs until it is aborted");
    });
    (address, task)
}

async fn ask(address: &str, ca: &Authority, signer: &Authority) -> Result<(), Fault> {
    let (cert_pem, key_pem) = signer.sign("admin");
    let remote = Remote { address: address.to_owned(), ca_pem: ca.pem.clone(), cert_pem, key_pem };
    let patience = Duration::from_millis(500);
    let options = ClientOptions { connect: patience, attempt: patience, patience, ..ClientOptions::default() };
    let client = Client::connect_tls(&remote, options).await?;
    client.view(ViewKind::Events, "").await.map(|_| ())
}

#[tokio::test]
async fn a_certificate_of_the_clusters_ca_is_heard_and_no_other() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let (address, server) = serve(&ours, SERVER_NAME).await;
    ask(&address, &ours, &ours).await.expect("both are of one cluster");
    let fault = ask(&address, &ours, &foreign).await.expect_err("a stranger asks");
    assert_eq!(fault.reason, Reason::Denied, "{fault}");
    assert!(fault.message.contains("another CA has signed it"), "{fault}");
    let fault = ask(&address, &foreign, &ours).await.expect_err("a stranger answers");
    assert_eq!(fault.reason, Reason::Unreachable, "{fault}");
    server.abort();
}

#[tokio::test]
async fn one_who_may_ask_may_not_pose_as_a_member() {
    let ours = Authority::new();
    let (address, server) = serve(&ours, "admin").await;
    let fault = ask(&address, &ours, &ours).await.expect_err("its certificate does not carry the members' name");
    assert_eq!(fault.reason, Reason::Unreachable, "{fault}");
    assert!(fault.hint.is_some());
    server.abort();
}

#[tokio::test]
async fn nonsense_is_named() {
    let ours = Authority::new();
    let (cert_pem, key_pem) = ours.sign("admin");
    let remote = Remote { address: "not an address".to_owned(), ca_pem: ours.pem.clone(), cert_pem, key_pem };
    let fault = Client::connect_tls(&remote, ClientOptions::default()).await.expect_err("no address");
    assert_eq!(fault.to_string(), "'not an address' is no address:port");
    let remote = Remote { address: "127.0.0.1:1".to_owned(), key_pem: "no key".to_owned(), ..remote };
    let fault = Client::connect_tls(&remote, ClientOptions::default()).await.expect_err("no key");
    assert_eq!(fault.reason, Reason::Invalid, "{fault}");
}
