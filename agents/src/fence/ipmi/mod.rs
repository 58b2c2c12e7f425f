//! Our own IPMI 2.0 (RMCP+) client: chassis power status and control of one BMC, with precise errors.
//!
//! `wire` packs and unpacks, `crypto` hashes and encrypts, `handshake` proves the password, `session` talks UDP.
//! One call is one session; nothing is kept between calls, so nothing of an earlier life can be read.

mod crypto;
pub(super) mod doors;
mod handshake;
pub mod sensors;
mod session;
mod wire;

use std::collections::BTreeMap;
use std::fmt;

use tokio::time::Instant;

use super::{Call, Order, PowerReading, Problem, Sent, only_known, optional, required};
use crypto::Suite;
use session::{Line, Session};
use wire::Command;

const KNOWN: &[&str] =
    &["ip", "ipaddr", "ipport", "username", "login", "password", "passwd", "cipher", "privlvl", "lanplus"];

/// One BMC.
#[derive(Clone)]
pub struct Ipmi {
    host: String,
    port: u16,
    user: String,
    password: String,
    suite: Suite,
    /// The suite for a BMC that refuses the other.
    otherwise: Suite,
    privilege: u8,
}

impl Ipmi {
    /// From parameters named as `fence_ipmilan` names them: `ip`, `ipport` (623), `username`, `password`, `cipher`
    /// (3 or 17; 3, and 17 where that is refused), `privlvl` (administrator; operator).
    ///
    /// # Errors
    /// Names the parameter.
    pub fn new(params: &BTreeMap<String, String>) -> Result<Self, Problem> {
        only_known("ipmi", params, KNOWN)?;
        let wrong = |parameter: &str, why: String| Problem::Parameter {
            agent: "ipmi".to_owned(),
            parameter: parameter.to_owned(),
            why,
        };
        let host = required("ipmi", params, &["ip", "ipaddr"])?.to_owned();
        let port = match optional(params, &["ipport"]) {
            None => 623,
            Some(text) => text.parse().map_err(|_| wrong("ipport", format!("is `{text}`, not a port number")))?,
        };
        let user = required("ipmi", params, &["username", "login"])?.to_owned();
        let password = required("ipmi", params, &["password", "passwd"])?.to_owned();
        for (name, text, limit) in [("username", &user, 16), ("password", &password, 20)] {
            if text.len() > limit {
                return Err(wrong(name, format!("is longer than the {limit} bytes IPMI has for it")));
            }
        }
        let (suite, otherwise) = match optional(params, &["cipher"]) {
            None => (Suite::Three, Suite::Seventeen),
            Some("3") => (Suite::Three, Suite::Three),
            Some("17") => (Suite::Seventeen, Suite::Seventeen),
            Some(other) => return Err(wrong("cipher", format!("is `{other}`; 3 and 17 are supported"))),
        };
        let privilege = match optional(params, &["privlvl"]).map(str::to_ascii_lowercase).as_deref() {
            None | Some("administrator" | "admin") => 4,
            Some("operator") => 3,
            Some(other) => {
                return Err(wrong("privlvl", format!("is `{other}`; administrator and operator can switch power")));
            }
        };
        if let Some("0" | "false" | "no" | "off") = optional(params, &["lanplus"]) {
            return Err(wrong(
                "lanplus",
                "is off; this agent speaks IPMI 2.0 only (fence_ipmilan can do 1.5)".to_owned(),
            ));
        }
        Ok(Self { host, port, user, password, suite, otherwise, privilege })
    }

    async fn session(&self, deadline: Instant) -> Result<Session<'_>, Problem> {
        match Session::open(Line::open(self, self.suite, deadline).await?).await {
            Err(Problem::Suite { .. }) if self.otherwise != self.suite => {
                Session::open(Line::open(self, self.otherwise, deadline).await?).await
            }
            opened => opened,
        }
    }

    pub(super) async fn read(&self, deadline: Instant) -> Result<(PowerReading, Option<String>), Problem> {
        let mut session = self.session(deadline).await?;
        let status = Command { net_fn: 0, lun: 0, code: 0x01, data: &[] };
        let answer = session.ask("Get Chassis Status", status, || Ok(true)).await;
        let guid = session.shown_guid();
        session.close().await;
        let power = match answer?.first() {
            // Bit 0 is the power; bits 3 and 4 say that the supply fails or the BMC cannot switch it, and do not
            // make "off" any less off.
            Some(state) if state & 1 == 1 => PowerReading::On,
            Some(_) => PowerReading::Off,
            None => PowerReading::Unknown(format!("{self} answered without a power state")),
        };
        Ok((power, guid))
    }

    pub(super) async fn order(&self, order: Order, call: &Call, sent: &mut Sent) -> Result<(), Problem> {
        let too_late = || Problem::TooLate { device: self.to_string() };
        let mut session = self.session(call.deadline).await?;
        let result = async {
            let level = Command { net_fn: 6, lun: 0, code: 0x3b, data: &[self.privilege] };
            session.ask("Set Session Privilege Level", level, || Ok(true)).await?;
            let control = match order {
                Order::Off => [0],
                Order::On => [1],
            };
            let control = Command { net_fn: 0, lun: 0, code: 0x02, data: &control };
            let may_send = || match (call.send_by.is_some_and(super::BootTime::has_passed), *sent) {
                (false, _) => {
                    *sent = Sent::Maybe;
                    Ok(true)
                }
                (true, Sent::Maybe) => Ok(false),
                (true, Sent::No) => Err(too_late()),
            };
            session.ask("Chassis Control", control, may_send).await
        };
        let result = result.await;
        session.close().await;
        result.map(|_| ())
    }
}

impl fmt::Display for Ipmi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BMC {}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Ipmi {
    /// Without the password: this reaches logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} as {}", self.user)
    }
}
