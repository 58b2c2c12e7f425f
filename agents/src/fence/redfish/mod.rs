//! Our own Redfish client: power state and reset of one computer system by HTTPS, with precise errors.
//!
//! `document` reads JSON, `trust` judges certificates, `line` talks HTTP. One call is one connection; nothing is kept
//! between calls, so nothing of an earlier life can be read. Nothing here decides whether an `off` is sent.

mod document;
pub(super) mod doors;
mod line;
mod trust;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::document::{Reset, System};
use self::line::{Answer, Line};
use self::trust::Trust;
use super::{Call, Order, PowerReading, Problem, Sent, only_known, optional, required};

const KNOWN: &[&str] = &[
    "ip",
    "ipaddr",
    "ipport",
    "username",
    "login",
    "password",
    "passwd",
    "auth",
    "ssl_ca_file",
    "ssl_fingerprint",
    "ssl_insecure",
    "ssl",
    "redfish_uri",
    "systems_uri",
];
/// Where a session is opened, under the service's root.
const SESSIONS: &str = "/SessionService/Sessions";
const TOKEN: &str = "x-auth-token";

/// One system of a Redfish service.
#[derive(Clone)]
pub struct Redfish {
    host: String,
    port: u16,
    user: String,
    password: String,
    by_session: bool,
    trust: Trust,
    root: String,
    system: Option<String>,
}

/// What a request shows to be let in.
struct Pass {
    name: &'static str,
    value: String,
    /// The session to be closed in the end.
    session: Option<String>,
}

impl Redfish {
    /// From parameters named as `fence_redfish` names them: `ip`, `ipport` (443), `username`, `password`, `systems_uri`,
    /// `redfish_uri` (/redfish/v1), `ssl_insecure`; and `ssl_ca_file`, `ssl_fingerprint`, `auth` (basic; session).
    ///
    /// # Errors
    /// Names the parameter.
    pub fn new(params: &BTreeMap<String, String>) -> Result<Self, Problem> {
        only_known("redfish", params, KNOWN)?;
        let host = required("redfish", params, &["ip", "ipaddr"])?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match optional(params, &["ipport"]) {
            None => 443,
            Some(text) => text.parse().map_err(|_| wrong("ipport", format!("is `{text}`, not a port number")))?,
        };
        let user = required("redfish", params, &["username", "login"])?.to_owned();
        let password = required("redfish", params, &["password", "passwd"])?.to_owned();
        let by_session = match optional(params, &["auth"]) {
            None | Some("basic") => false,
            Some("session") => true,
            Some(other) => return Err(wrong("auth", format!("is `{other}`; basic or session"))),
        };
        if !by_session && user.contains(':') {
            return Err(wrong(
                "username",
                "has a colon, which basic authentication cannot carry; set auth=session".into(),
            ));
        }
        if flag(params, "ssl")? == Some(false) {
            return Err(wrong("ssl", "is off; the password is sent by HTTPS only".to_owned()));
        }
        let path = |name: &str| {
            let text = optional(params, &[name]);
            text.map(|text| document::checked(text.trim_end_matches('/'), name))
                .transpose()
                .map_err(|why| wrong(name, why))
        };
        let root = path("redfish_uri")?.unwrap_or_else(|| "/redfish/v1".to_owned());
        Ok(Self { host, port, user, password, by_session, trust: trusted(params)?, root, system: path("systems_uri")? })
    }

    pub(super) async fn read(&self, deadline: Instant) -> Result<(PowerReading, Option<String>), Problem> {
        let mut line = Line::new(self, deadline);
        let pass = self.open(&mut line).await?;
        let looked = self.look(&mut line, &pass).await;
        self.close(&mut line, pass).await;
        looked.map(|system| (system.power, system.uuid))
    }

    pub(super) async fn order(&self, order: Order, call: &Call, sent: &mut Sent) -> Result<(), Problem> {
        let mut line = Line::new(self, call.deadline);
        let pass = self.open(&mut line).await?;
        let done = self.reset(order, call, sent, &mut line, &pass).await;
        self.close(&mut line, pass).await;
        done
    }

    async fn reset(
        &self,
        order: Order,
        call: &Call,
        sent: &mut Sent,
        line: &mut Line<'_>,
        pass: &Pass,
    ) -> Result<(), Problem> {
        const STEP: &str = "ComputerSystem.Reset";
        let refuse = |meaning: String| Problem::Refusal { device: self.to_string(), step: STEP, meaning };
        let Some(reset) = self.look(line, pass).await?.reset else {
            return Err(refuse("its system has no such action".to_owned()));
        };
        let word = word(order, &reset).map_err(refuse)?;
        let request = self.request(Method::POST, &reset.target, Some(pass), Some(&json!({ "ResetType": word })))?;
        let may_send = || {
            if call.send_by.is_some_and(super::BootTime::has_passed) {
                return Err(Problem::TooLate { device: self.to_string() });
            }
            *sent = Sent::Maybe;
            Ok(call.send_by.map(|send_by| Instant::now() + send_by.left()))
        };
        let answer = line.ask(STEP, request, may_send).await?;
        self.accepted(STEP, &answer)
    }

    /// What the node's system says.
    async fn look(&self, line: &mut Line<'_>, pass: &Pass) -> Result<System, Problem> {
        let path = match &self.system {
            Some(path) => path.clone(),
            None => {
                let root = self.get(line, pass, "the service root", &self.root).await?;
                let list = document::systems(&root).map_err(|why| self.odd("the service root", why))?;
                let list = self.get(line, pass, "its systems", &list).await?;
                document::only_system(&list).map_err(|why| self.odd("its systems", why))?
            }
        };
        let document = self.get(line, pass, "its system", &path).await?;
        document::system(&document).map_err(|why| self.odd("its system", why))
    }

    async fn get(&self, line: &mut Line<'_>, pass: &Pass, step: &'static str, path: &str) -> Result<Value, Problem> {
        let answer = line.ask(step, self.request(Method::GET, path, Some(pass), None)?, || Ok(None)).await?;
        self.accepted(step, &answer)?;
        document::json(&answer.body).map_err(|why| self.odd(step, why))
    }

    /// A session where one is wanted; the password itself otherwise.
    async fn open(&self, line: &mut Line<'_>) -> Result<Pass, Problem> {
        const STEP: &str = "a session";
        if !self.by_session {
            let both = base64::prelude::BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
            return Ok(Pass { name: header::AUTHORIZATION.as_str(), value: format!("Basic {both}"), session: None });
        }
        let path = format!("{}{SESSIONS}", self.root);
        let body = json!({ "UserName": self.user, "Password": self.password });
        let answer = line.ask(STEP, self.request(Method::POST, &path, None, Some(&body))?, || Ok(None)).await?;
        self.accepted(STEP, &answer)?;
        let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let token = text(TOKEN).ok_or_else(|| self.odd(STEP, "no X-Auth-Token".to_owned()))?;
        // Some give a whole URL; only its path is used, and only here.
        let location = text(header::LOCATION.as_str()).unwrap_or_default();
        let path =
            location.split_once("://").map_or(&*location, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        Ok(Pass { name: TOKEN, value: token, session: document::checked(path, "the session").ok() })
    }

    /// Gives a session back: services have few. What it answers changes nothing.
    async fn close(&self, line: &mut Line<'_>, pass: Pass) {
        let Some(path) = &pass.session else { return };
        let Ok(request) = self.request(Method::DELETE, path, Some(&pass), None) else { return };
        if let Err(error) = line.ask("the end of a session", request, || Ok(None)).await {
            tracing::debug!(device = %self, %error, "session not closed");
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        pass: Option<&Pass>,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Problem> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, format!("{host}:{}", self.port))
            .header(header::ACCEPT, "application/json")
            .header("OData-Version", "4.0");
        if let Some(pass) = pass {
            request = request.header(pass.name, &pass.value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        request.body(Full::new(body.into())).map_err(|error| self.problem(error.to_string()))
    }

    fn accepted(&self, step: &'static str, answer: &Answer) -> Result<(), Problem> {
        let told = document::error(&answer.body);
        let told = if told.is_empty() { String::new() } else { format!(": {told}") };
        let device = self.to_string();
        match answer.status {
            200..=299 => Ok(()),
            401 => Err(Problem::Login { device, user: self.user.clone(), told }),
            status => Err(Problem::Refusal { device, step, meaning: format!("HTTP {status}{told}") }),
        }
    }

    fn odd(&self, step: &'static str, why: String) -> Problem {
        Problem::Protocol { device: self.to_string(), step, protocol: "Redfish", why }
    }

    fn problem(&self, why: String) -> Problem {
        Problem::Address { device: self.to_string(), why }
    }
}

/// The reset type for an order, of those that are listed. One that asks the operating system would wait for a host that hangs.
fn word(order: Order, reset: &Reset) -> Result<&'static str, String> {
    let words: &[&'static str] = match order {
        Order::Off => &["ForceOff"],
        Order::On => &["On", "ForceOn"],
    };
    let listed = |word: &&&str| reset.allowed.is_empty() || reset.allowed.iter().any(|allowed| allowed == **word);
    match words.iter().find(listed) {
        Some(word) => Ok(word),
        None => Err(format!("it has no reset type {}; it lists {}", words[0], reset.allowed.join(", "))),
    }
}

fn trusted(params: &BTreeMap<String, String>) -> Result<Trust, Problem> {
    let insecure = flag(params, "ssl_insecure")? == Some(true);
    match (optional(params, &["ssl_ca_file"]), optional(params, &["ssl_fingerprint"]), insecure) {
        (None, None, false) => Ok(Trust::System),
        (Some(path), None, false) => Ok(Trust::File(path.to_owned())),
        (None, Some(text), false) => {
            let read = trust::fingerprint(text);
            let why = || wrong("ssl_fingerprint", "is no SHA-256 fingerprint: 64 hexadecimal digits".to_owned());
            read.map(Trust::Fingerprint).ok_or_else(why)
        }
        (None, None, true) => Ok(Trust::Anything),
        _ => {
            Err(wrong("ssl_insecure", "contradicts: set one of ssl_ca_file, ssl_fingerprint, ssl_insecure".to_owned()))
        }
    }
}

fn flag(params: &BTreeMap<String, String>, name: &str) -> Result<Option<bool>, Problem> {
    match optional(params, &[name]) {
        None => Ok(None),
        Some(text) => match quorate_core::config::boolean(text) {
            Some(value) => Ok(Some(value)),
            None => Err(wrong(name, format!("is `{text}`; true or false"))),
        },
    }
}

fn wrong(parameter: &str, why: String) -> Problem {
    Problem::Parameter { agent: "redfish".to_owned(), parameter: parameter.to_owned(), why }
}

impl fmt::Display for Redfish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redfish service {}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Redfish {
    /// Without the password: this reaches logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} as {}", self.user)
    }
}
