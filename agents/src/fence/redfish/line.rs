//! One HTTPS connection to a Redfish service: ask, and have a bounded answer by the deadline. It follows no redirection, and
//! nothing of it outlives the call: what is dropped is reset, so no order lies in a queue of ours and leaves later.

use std::io::ErrorKind;
use std::pin::{Pin, pin};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::sync::{Arc, PoisonError};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::Problem;
use super::{Redfish, trust};

/// A document of a service is some kilobytes.
const LARGEST: usize = 1 << 20;

type Wire = Pin<Box<Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>>>>;

/// A way to the service, opened when it is needed.
pub(super) struct Line<'a> {
    device: &'a Redfish,
    opened: Instant,
    deadline: Instant,
    open: Option<(SendRequest<Full<Bytes>>, Option<Wire>)>,
}

/// An answer, whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: header::HeaderMap,
    pub(super) body: Bytes,
}

impl<'a> Line<'a> {
    pub(super) fn new(device: &'a Redfish, deadline: Instant) -> Self {
        Self { device, opened: Instant::now(), deadline, open: None }
    }

    /// Sends a request; `may_send` is asked when there is a connection and nothing lies between it and the wire, and may give
    /// an earlier end.
    pub(super) async fn ask(
        &mut self,
        step: &'static str,
        request: Request<Full<Bytes>>,
        may_send: impl FnOnce() -> Result<Option<Instant>, Problem>,
    ) -> Result<Answer, Problem> {
        self.connect(step).await?;
        let Some((sender, wire)) = &mut self.open else { return Err(self.silence(step, String::new())) };
        let end = may_send()?.map_or(self.deadline, |end| end.min(self.deadline));
        let asked = timeout_at(end, drive(wire, answer(sender, request))).await;
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.open = None;
                Err(self.broken(step, error))
            }
            Err(_) => {
                self.open = None;
                Err(self.silence(step, String::new()))
            }
        }
    }

    /// Whether the service has closed the connection, as it may after any answer.
    async fn is_closed(&mut self) -> bool {
        let Some((sender, wire)) = &mut self.open else { return true };
        let ready = timeout_at(self.deadline, drive(wire, sender.ready())).await;
        !matches!(ready, Ok(Ok(()))) || wire.is_none()
    }

    async fn connect(&mut self, step: &'static str) -> Result<(), Problem> {
        if !self.is_closed().await {
            return Ok(());
        }
        let device = self.device;
        let (config, shown) = trust::client(&device.trust).map_err(|why| device.problem(why))?;
        let target = (device.host.as_str(), device.port);
        let stream = match timeout_at(self.deadline, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                return Err(Problem::Closed { device: device.to_string() });
            }
            Ok(Err(error)) => return Err(self.silence("connect", format!(": {error}"))),
            Err(_) => return Err(self.silence("connect", String::new())),
        };
        // send-by: what was not taken when this is dropped is not sent again by the kernel either.
        stream.set_zero_linger().and_then(|()| stream.set_nodelay(true)).map_err(|e| device.problem(e.to_string()))?;
        let name = ServerName::try_from(device.host.clone()).map_err(|error| device.problem(error.to_string()))?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = match timeout_at(self.deadline, connected).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(untrusted(device, &error, &shown)),
            Err(_) => return Err(self.silence("TLS handshake", String::new())),
        };
        let (sender, wire) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| self.broken(step, e.to_string()))?;
        self.open = Some((sender, Some(Box::pin(wire))));
        Ok(())
    }

    fn silence(&self, step: &'static str, detail: String) -> Problem {
        Problem::NoAnswer { device: self.device.to_string(), step, tried: self.opened.elapsed(), detail }
    }

    fn broken(&self, step: &'static str, why: String) -> Problem {
        Problem::Protocol { device: self.device.to_string(), step, protocol: "Redfish over HTTP", why }
    }
}

async fn answer(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let response: Response<Incoming> = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// Carries on the connection until the work is done. It ends with whoever waits for it: no task is left behind.
async fn drive<T>(wire: &mut Option<Wire>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Some(connection) = wire {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = connection.as_mut() => {}
        }
        *wire = None;
    }
    work.await
}

fn untrusted(device: &Redfish, error: &std::io::Error, shown: &trust::Shown) -> Problem {
    let is_certificate = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
    if !is_certificate {
        return device.problem(format!("TLS fails: {error}; check address and port (`ip`, `ipport`)"));
    }
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
    Problem::Certificate { device: device.to_string(), why: error.to_string(), shown }
}
