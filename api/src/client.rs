//! The client: one connection to one daemon, every call with a time limit, every retry with the same request id.
//!
//! It follows no leader and keeps no cache: any member answers for the whole cluster.

use crate::fault::turned_away;
use crate::proto::quorate_client::QuorateClient;
use crate::proto::{
    AttributeRequest, CertificateReply, CertificateRequest, ChangeReply, ConfigureMode, ConfigureReply,
    ConfigureRequest, Document, FenceRequest, FenceVerb, InitReply, InitRequest, JoinReply, JoinRequest, NodeRequest,
    NodeVerb, RecoverReply, RecoverRequest, RequestId, ResourceRequest, ResourceVerb, TicketRequest, TicketVerb,
    TokenReply, TokenRequest, ViewKind, ViewRequest, WatchRequest,
};
use crate::{Fault, MESSAGE_LIMIT, Reason, SERVER_NAME};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status, Streaming};
use tower::service_fn;

/// How long the client waits, for each of its calls.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// For the connection.
    pub connect: Duration,
    /// For one answer; then it asks again.
    pub attempt: Duration,
    /// For an answer in all, retries included.
    pub patience: Duration,
    /// For a cluster to be founded or joined: it is asked once.
    pub forming: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(10),
            patience: Duration::from_secs(20),
            forming: Duration::from_secs(120),
        }
    }
}

/// A daemon to be reached over the network, and who asks.
#[derive(Clone, Debug)]
pub struct Remote {
    /// `address:port`
    pub address: String,
    /// The cluster's CA, PEM.
    pub ca_pem: String,
    /// The asker's certificate, PEM.
    pub cert_pem: String,
    /// Its key, PEM.
    pub key_pem: String,
}

/// A change of configuration to be asked for.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Statements of the configure grammar.
    pub text: String,
    /// What becomes of objects that exist.
    pub mode: ConfigureMode,
    /// The revision it was made from; `None`: whatever it is.
    pub base_revision: Option<u64>,
    /// See the contract.
    pub force: bool,
    /// Only says what would change.
    pub dry_run: bool,
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stub: QuorateClient<Channel>,
    options: ClientOptions,
    name: String,
    serial: AtomicU64,
}

/// Events as they happen.
#[derive(Debug)]
pub struct Watch(Streaming<Document>);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Client {
    /// Connects to the daemon of this host.
    pub async fn connect_socket(path: impl AsRef<Path>, options: ClientOptions) -> Result<Self, Fault> {
        let path = path.as_ref();
        // Tried once by hand, since the channel would hide the reason.
        UnixStream::connect(path).await.map_err(|error| no_socket(path, &error))?;
        let target = path.to_path_buf();
        let connector = service_fn(move |_| open_socket(target.clone()));
        let channel = Endpoint::from_static("http://quorated").connect_with_connector_lazy(connector);
        Ok(Self::over(channel, options))
    }

    /// Connects to a daemon over the network.
    pub async fn connect_tls(remote: &Remote, options: ClientOptions) -> Result<Self, Fault> {
        let tls = ClientTlsConfig::new()
            .domain_name(SERVER_NAME)
            .ca_certificate(Certificate::from_pem(&remote.ca_pem))
            .identity(Identity::from_pem(&remote.cert_pem, &remote.key_pem));
        let invalid = |error: tonic::transport::Error| Fault::new(Reason::Invalid, causes(&error));
        let endpoint = Endpoint::from_shared(format!("https://{}", remote.address))
            .map_err(|_| Fault::new(Reason::Invalid, format!("'{}' is no address:port", remote.address)))?
            .tls_config(tls)
            .map_err(invalid)?
            .tcp_nodelay(true)
            .connect_timeout(options.connect);
        let connected = endpoint.connect().await;
        let channel = connected.map_err(|error| {
            let words = causes(&error);
            if let Some(fault) = turned_away(&words) {
                return fault;
            }
            let message = format!("cannot reach quorated at {}: {words}", remote.address);
            Fault::new(Reason::Unreachable, message)
                .hint("look whether it runs there, and whether --ca and --cert are of this cluster")
        })?;
        Ok(Self::over(channel, options))
    }

    fn over(channel: Channel, options: ClientOptions) -> Self {
        Self {
            stub: QuorateClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT),
            options,
            name: uuid::Uuid::new_v4().to_string(),
            serial: AtomicU64::new(0),
        }
    }

    /// Founds a cluster on the daemon.
    pub async fn init(&self, cluster_name: &str, node_name: &str, address: &str) -> Result<InitReply, Fault> {
        let request = InitRequest {
            cluster_name: cluster_name.to_owned(),
            node_name: node_name.to_owned(),
            address: address.to_owned(),
        };
        self.once(|mut stub| async move { stub.init(request).await }).await
    }

    /// Makes the daemon join a cluster.
    pub async fn join(&self, token: &str, node_name: &str, address: &str, witness: bool) -> Result<JoinReply, Fault> {
        let request = JoinRequest {
            token: token.to_owned(),
            node_name: node_name.to_owned(),
            address: address.to_owned(),
            witness,
        };
        self.once(|mut stub| async move { stub.join(request).await }).await
    }

    /// Makes the member that is asked the only one; every other is off for good.
    pub async fn recover(&self, lost: Vec<String>) -> Result<RecoverReply, Fault> {
        self.once(|mut stub| async move { stub.recover(RecoverRequest { lost }).await }).await
    }

    /// Makes a join token; `None` is the server's own time.
    pub async fn token(&self, valid: Option<Duration>) -> Result<TokenReply, Fault> {
        let request = TokenRequest {
            request_id: self.next_request(),
            valid_seconds: valid.map_or(0, |valid| valid.as_secs().max(1)),
        };
        self.repeat(request, |mut stub, request| async move { stub.token(request).await }).await
    }

    /// Makes an administrator's certificate; `None` is the server's own time.
    pub async fn certificate(&self, valid: Option<Duration>) -> Result<CertificateReply, Fault> {
        let request = CertificateRequest { valid_seconds: valid.map_or(0, |valid| valid.as_secs().max(1)) };
        self.repeat(request, |mut stub, request| async move { stub.certificate(request).await }).await
    }

    /// Looks at the cluster.
    pub async fn view(&self, kind: ViewKind, argument: &str) -> Result<Document, Fault> {
        let request = ViewRequest { kind: kind.into(), argument: argument.to_owned() };
        self.repeat(request, |mut stub, request| async move { stub.view(request).await }).await
    }

    /// Follows the events, from this number on or only those to come.
    pub async fn watch(&self, from_number: Option<u64>) -> Result<Watch, Fault> {
        let mut stub = self.stub.clone();
        let opened = tokio::time::timeout(self.options.attempt, stub.watch(WatchRequest { from_number }));
        let stream = opened.await.map_err(|_| no_answer(self.options.attempt))??;
        Ok(Watch(stream.into_inner()))
    }

    /// Changes the configuration.
    pub async fn configure(&self, change: Change) -> Result<ConfigureReply, Fault> {
        let request = ConfigureRequest {
            request_id: self.next_request(),
            base_revision: change.base_revision,
            text: change.text,
            mode: change.mode.into(),
            force: change.force,
            dry_run: change.dry_run,
        };
        self.repeat(request, |mut stub, request| async move { stub.configure(request).await }).await
    }

    /// Changes what is wanted of a resource.
    pub async fn resource(&self, verb: ResourceVerb, resource: &str, node: Option<&str>) -> Result<ChangeReply, Fault> {
        let request = ResourceRequest {
            request_id: self.next_request(),
            verb: verb.into(),
            resource: resource.to_owned(),
            node: node.map(str::to_owned),
            lasts_seconds: None,
            count: None,
        };
        self.repeat(request, |mut stub, request| async move { stub.resource(request).await }).await
    }

    /// Sets how often a resource counts as failed on a node; 0 forgets its failures there.
    pub async fn set_failures(&self, resource: &str, node: &str, count: u32) -> Result<ChangeReply, Fault> {
        let request = ResourceRequest {
            request_id: self.next_request(),
            verb: ResourceVerb::SetFailures.into(),
            resource: resource.to_owned(),
            node: Some(node.to_owned()),
            lasts_seconds: None,
            count: Some(count),
        };
        self.repeat(request, |mut stub, request| async move { stub.resource(request).await }).await
    }

    /// Moves a resource or bans it from a node, for a while or until that is cleared.
    pub async fn place(
        &self,
        verb: ResourceVerb,
        resource: &str,
        node: Option<&str>,
        lasts: Option<Duration>,
    ) -> Result<ChangeReply, Fault> {
        let request = ResourceRequest {
            request_id: self.next_request(),
            verb: verb.into(),
            resource: resource.to_owned(),
            node: node.map(str::to_owned),
            lasts_seconds: lasts.map(|lasts| lasts.as_secs().max(1)),
            count: None,
        };
        self.repeat(request, |mut stub, request| async move { stub.resource(request).await }).await
    }

    /// The same client, which asks for another time before it gives up.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.options.patience = patience;
        self
    }

    /// Changes what is wanted of a node; `session` is for `confirm-off` only.
    pub async fn node(&self, verb: NodeVerb, node: &str, session: Option<&str>) -> Result<ChangeReply, Fault> {
        let request = NodeRequest {
            request_id: self.next_request(),
            verb: verb.into(),
            node: node.to_owned(),
            session: session.map(str::to_owned),
        };
        self.repeat(request, |mut stub, request| async move { stub.node(request).await }).await
    }

    /// Gives this cluster a ticket, or takes it.
    pub async fn ticket(&self, verb: TicketVerb, ticket: &str) -> Result<ChangeReply, Fault> {
        self.ticket_with(verb, ticket, &BTreeMap::new()).await
    }

    /// The same, and at once what is kept with it, or with no value is not.
    pub async fn ticket_with(
        &self,
        verb: TicketVerb,
        ticket: &str,
        attributes: &BTreeMap<String, Option<String>>,
    ) -> Result<ChangeReply, Fault> {
        let is_set = |(name, value): (&String, &Option<String>)| Some((name.clone(), value.clone()?));
        let request = TicketRequest {
            request_id: self.next_request(),
            verb: verb.into(),
            ticket: ticket.to_owned(),
            set: attributes.iter().filter_map(is_set).collect(),
            unset: attributes.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.clone()).collect(),
        };
        self.repeat(request, |mut stub, request| async move { stub.ticket(request).await }).await
    }

    /// Says something of a node, for as long as it runs; `None` takes it back.
    pub async fn attribute(&self, node: &str, name: &str, value: Option<&str>) -> Result<ChangeReply, Fault> {
        let request = AttributeRequest {
            request_id: self.next_request(),
            node: node.to_owned(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        self.repeat(request, |mut stub, request| async move { stub.attribute(request).await }).await
    }

    /// Asks that a node be proven off; what follows the proof, `off` or `reboot`, is as stonith-action says when `None`.
    pub async fn fence(&self, node: &str, action: Option<&str>) -> Result<ChangeReply, Fault> {
        let action = action.unwrap_or_default().to_owned();
        let request =
            FenceRequest { request_id: self.next_request(), node: node.to_owned(), action, ..FenceRequest::default() };
        self.repeat(request, |mut stub, request| async move { stub.fence(request).await }).await
    }

    /// Says whether the word of a fence device proves anything.
    pub async fn trust(&self, device: &str, trusted: bool) -> Result<ChangeReply, Fault> {
        let verb = if trusted { FenceVerb::Trust } else { FenceVerb::Distrust };
        let request = FenceRequest {
            request_id: self.next_request(),
            verb: verb.into(),
            device: device.to_owned(),
            ..FenceRequest::default()
        };
        self.repeat(request, |mut stub, request| async move { stub.fence(request).await }).await
    }

    /// Has slots made on a shared disk by the host that is asked.
    pub async fn prepare_disk(&self, path: &str, force: bool) -> Result<ChangeReply, Fault> {
        let request = FenceRequest {
            request_id: self.next_request(),
            verb: FenceVerb::PrepareDisk.into(),
            device: path.to_owned(),
            force,
            ..FenceRequest::default()
        };
        self.repeat(request, |mut stub, request| async move { stub.fence(request).await }).await
    }

    fn next_request(&self) -> Option<RequestId> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        Some(RequestId { client: self.name.clone(), serial })
    }

    /// Calls until it is answered for good or patience ends; the request, its id included, stays the same.
    async fn repeat<Q, A, F>(
        &self,
        request: Q,
        call: impl Fn(QuorateClient<Channel>, Request<Q>) -> F,
    ) -> Result<A, Fault>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let end = Instant::now() + self.options.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let until = end.min(Instant::now() + self.options.attempt);
            let mut asked = Request::new(request.clone());
            // The server gives up with us: what nobody waits for must not pile up there.
            asked.set_timeout(until.saturating_duration_since(Instant::now()));
            let fault = match timeout_at(until, call(self.stub.clone(), asked)).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(status)) => Fault::from(status),
                Err(_) => no_answer(self.options.attempt),
            };
            if !fault.reason.is_passing() || Instant::now() + pause >= end {
                return Err(fault);
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Calls once: what may not be done twice.
    async fn once<A, F>(&self, call: impl FnOnce(QuorateClient<Channel>) -> F) -> Result<A, Fault>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let answer = tokio::time::timeout(self.options.forming, call(self.stub.clone())).await;
        Ok(answer.map_err(|_| no_answer(self.options.forming))??.into_inner())
    }
}

impl Watch {
    /// The next event; `None` when the daemon ends in order.
    pub async fn next(&mut self) -> Result<Option<Document>, Fault> {
        Ok(self.0.message().await?)
    }
}

async fn open_socket(path: PathBuf) -> io::Result<TokioIo<UnixStream>> {
    UnixStream::connect(path).await.map(TokioIo::new)
}

fn no_answer(waited: Duration) -> Fault {
    let message = format!("the daemon did not answer within {} s", waited.as_secs());
    Fault::new(Reason::Timeout, message).hint("it may have been done or not: look at `qrm status`")
}

fn no_socket(path: &Path, error: &io::Error) -> Fault {
    let message = format!("cannot reach quorated at {}: {error}", path.display());
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "only root and members of the group quorate may ask it",
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "start it with `systemctl start quorated`, or name its socket with --socket"
        }
        _ => "look at `systemctl status quorated`",
    };
    Fault::new(Reason::Unreachable, message).hint(hint)
}

/// An error with its causes: the transport's own words alone say little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
