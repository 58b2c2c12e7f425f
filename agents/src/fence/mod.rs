//! Fence devices: is this host's power on, and how is it cut?
//!
//! Five kinds of agent behind one type: [`ipmi`] (our own IPMI 2.0 client), [`redfish`] (our own Redfish client), [`sbd`]
//! (pills on shared disks), [`exec`]
//! (ClusterLabs `fence_*` programs, unmodified) and [`fake`] (a file; for demos and tests). The power *reading* is the proof that a host
//! is off; the success of an `off` is a claim. Nothing here decides whether to fence.

pub mod boot_time;
pub mod describe;
#[doc(hidden)]
pub mod doors;
pub mod exec;
pub mod fake;
pub mod ipmi;
pub mod redfish;
pub mod sbd;
pub mod strength;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use quorate_core::config::DeviceCall;

use tokio::time::Instant;

pub use boot_time::BootTime;
pub use strength::Strength;

use crate::process::Processes;

/// What a device said about the power of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerReading {
    /// On.
    On,
    /// Off.
    Off,
    /// It answered, and the answer is neither. Never to be taken for off.
    Unknown(String),
}

/// A power reading that was begun and finished within one call.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The power.
    pub power: PowerReading,
    /// The GUID the device shows, lower-case hexadecimal; a device that is pinned by it must show the same.
    pub guid: Option<String>,
    /// When the call began: nothing in the reading is older.
    pub begun: BootTime,
    /// How long it took.
    pub took: Duration,
}

/// Whether an order to change the power can have reached the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Certainly not: no datagram with such an order was written.
    No,
    /// It was written, or nobody can tell.
    Maybe,
}

/// One call to a device.
#[derive(Debug, Clone)]
pub struct Call {
    /// The action's id: names the cgroup of an agent that is a program.
    pub action: String,
    /// When the call ends, whatever happened.
    pub deadline: Instant,
    /// The **send-by** rule: after this no order to change the power leaves, no retransmission either.
    pub send_by: Option<BootTime>,
}

impl Call {
    /// A call that may take this long.
    pub fn new(action: impl Into<String>, time: Duration) -> Self {
        Self { action: action.into(), deadline: Instant::now() + time, send_by: None }
    }

    /// With a send-by.
    #[must_use]
    pub fn send_by(mut self, send_by: BootTime) -> Self {
        self.send_by = Some(send_by);
        self
    }
}

/// A finished order. It is the device's claim; read the power for proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// How long it took.
    pub took: Duration,
}

/// A call that did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem}")]
pub struct FenceError {
    /// What went wrong.
    pub problem: Problem,
    /// Whether an order to change the power can have left.
    pub sent: Sent,
    /// How long it took.
    pub took: Duration,
}

/// What went wrong with a device. Texts name the device and say how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such agent.
    #[error("there is no fence agent `{agent}`; {hint}")]
    NoAgent {
        /// The name asked for.
        agent: String,
        /// What there is.
        hint: String,
    },
    /// A parameter is missing or wrong.
    #[error("fence agent {agent}: parameter `{parameter}` {why}")]
    Parameter {
        /// The agent.
        agent: String,
        /// The parameter.
        parameter: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// Silence until the deadline.
    #[error("{device} does not answer ({step}, tried for {tried:.1?}){detail}")]
    NoAnswer {
        /// The device.
        device: String,
        /// What was asked last.
        step: &'static str,
        /// How long.
        tried: Duration,
        /// `: no route to host`, or empty.
        detail: String,
    },
    /// The host answers that nobody listens on the port.
    #[error(
        "{device}: nothing listens there (port unreachable); check address and port, and whether the BMC's LAN channel is on"
    )]
    Refused {
        /// The device.
        device: String,
    },
    /// The host answers that nobody listens on the TCP port.
    #[error("{device}: nothing listens there (connection refused); check address and port (`ip`, `ipport`)")]
    Closed {
        /// The device.
        device: String,
    },
    /// Its certificate is not one that is believed.
    #[error(
        "{device}: its certificate is not trusted ({why}); name the file of its authority in `ssl_ca_file`, or pin what it \
         shows with ssl_fingerprint={shown}, or set ssl_insecure=true"
    )]
    Certificate {
        /// The device.
        device: String,
        /// What is wrong with it.
        why: String,
        /// Its fingerprint.
        shown: String,
    },
    /// It takes no such user and password.
    #[error("{device} refuses the password of user {user} (HTTP 401{told}); check `username` and `password`")]
    Login {
        /// The device.
        device: String,
        /// The user.
        user: String,
        /// `: ` and what it says, or empty.
        told: String,
    },
    /// The address cannot be resolved or used.
    #[error("{device}: {why}")]
    Address {
        /// The device.
        device: String,
        /// Why.
        why: String,
    },
    /// The key exchange shows another password.
    #[error(
        "{device} refuses the password of user {user} (RAKP 2: the key exchange does not match); check `username` and `password`"
    )]
    Password {
        /// The device.
        device: String,
        /// The user.
        user: String,
    },
    /// The device knows no such user.
    #[error("{device} knows no user {user} for this privilege ({step}: {meaning}); check `username` and `privlvl`")]
    User {
        /// The device.
        device: String,
        /// The user.
        user: String,
        /// The message that said so.
        step: &'static str,
        /// The status in words.
        meaning: String,
    },
    /// The device cannot do the cipher suite.
    #[error("{device} does not support cipher suite {suite} ({meaning}); set `cipher` to 3 or 17")]
    Suite {
        /// The device.
        device: String,
        /// The suite asked for.
        suite: u8,
        /// The status in words.
        meaning: String,
    },
    /// The device answered with an error.
    #[error("{device} refuses {step}: {meaning}")]
    Refusal {
        /// The device.
        device: String,
        /// What was asked.
        step: &'static str,
        /// The code in words.
        meaning: String,
    },
    /// The answer makes no sense.
    #[error("{device} answers {step} with something that is not {protocol}: {why}")]
    Protocol {
        /// The device.
        device: String,
        /// What was asked.
        step: &'static str,
        /// What it should have been.
        protocol: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A fence agent program failed.
    #[error("{agent} {action}: {why}")]
    Agent {
        /// The program's name.
        agent: String,
        /// What it was asked.
        action: &'static str,
        /// Exit code and last words.
        why: String,
    },
    /// The order came too late to be sent.
    #[error("{device}: the order was not sent, its send-by had passed")]
    TooLate {
        /// The device.
        device: String,
    },
}

/// A configured device.
#[derive(Debug, Clone)]
pub struct FenceDevice {
    agent: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Ipmi(ipmi::Ipmi),
    Redfish(redfish::Redfish),
    Exec(exec::Exec),
    Fake(fake::Fake),
    Sbd(sbd::Sbd),
}

/// Every fence agent of this host, as `stonith:` names it.
pub fn installed() -> Vec<String> {
    ["ipmi", "redfish", "sbd"].into_iter().map(str::to_owned).chain(exec::installed()).collect()
}

impl FenceDevice {
    /// A device from its agent's name (`ipmi`, `redfish`, `fake`, `fence_ipmilan` …) and parameters. `processes` runs agents
    /// that are programs.
    ///
    /// # Errors
    /// Names the parameter that is wrong and what would be right.
    pub fn new(agent: &str, params: &BTreeMap<String, String>, processes: &Processes) -> Result<Self, Problem> {
        let kind = match agent {
            "ipmi" => Kind::Ipmi(ipmi::Ipmi::new(params)?),
            "redfish" => Kind::Redfish(redfish::Redfish::new(params)?),
            "sbd" | "fence_sbd" => Kind::Sbd(sbd::Sbd::new(params)?),
            "fake" => Kind::Fake(fake::Fake::new(params, processes.clone())?),
            name if name.starts_with("fence_") => Kind::Exec(exec::Exec::new(name, params, processes.clone())?),
            other => {
                let hint = "use ipmi, redfish, or an installed fence_* program (`ls /usr/sbin/fence_*`)".to_owned();
                return Err(Problem::NoAgent { agent: other.to_owned(), hint });
            }
        };
        Ok(Self { agent: agent.to_owned(), kind })
    }

    /// With this way to call one of its actions: `off`, `on`, `status` or `list`. What is built in has its own.
    #[must_use]
    pub fn called(mut self, action: &'static str, call: DeviceCall) -> Self {
        if let Kind::Exec(agent) = &mut self.kind {
            agent.called(action, call);
        }
        self
    }

    /// What the device calls the hosts that it is for; nothing is changed by that.
    ///
    /// # Errors
    /// It has no list, or did not answer.
    pub async fn list(&self, call: &Call) -> Result<Vec<String>, Problem> {
        match &self.kind {
            Kind::Exec(agent) => agent.list(call).await,
            Kind::Ipmi(_) | Kind::Redfish(_) | Kind::Fake(_) | Kind::Sbd(_) => Err(Problem::Agent {
                agent: self.agent.clone(),
                action: "list",
                why: "it is one host's and has no list; name its node in pcmk_host_list".to_owned(),
            }),
        }
    }

    /// Reads the sensors of the host, and the event log of its BMC. Harmless at any time.
    ///
    /// # Errors
    /// It has none that are read, or did not answer.
    pub async fn sensors(&self, wish: &ipmi::sensors::Wish, call: &Call) -> Result<ipmi::sensors::Sensed, Problem> {
        match &self.kind {
            Kind::Ipmi(device) => device.sense(wish, call.deadline).await,
            Kind::Redfish(_) | Kind::Exec(_) | Kind::Fake(_) | Kind::Sbd(_) => Err(Problem::Agent {
                agent: self.agent.clone(),
                action: "sensors",
                why: "only stonith:ipmi reads sensors".to_owned(),
            }),
        }
    }

    /// The agent's name.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// What an `off` reading of this device is worth.
    pub fn strength(&self) -> Strength {
        strength::of(&self.agent)
    }

    /// Reads the power. Harmless at any time.
    ///
    /// # Errors
    /// When there is no reading; `sent` is always [`Sent::No`].
    pub async fn read(&self, call: &Call) -> Result<Reading, FenceError> {
        let (begun, clock) = (BootTime::now(), Instant::now());
        let result = match &self.kind {
            Kind::Ipmi(device) => device.read(call.deadline).await,
            Kind::Redfish(device) => device.read(call.deadline).await,
            Kind::Exec(agent) => agent.read(call).await,
            Kind::Fake(device) => device.read(call).await,
            Kind::Sbd(device) => device.read(call.deadline).await,
        };
        let took = clock.elapsed();
        match result {
            Ok((power, guid)) => Ok(Reading { power, guid, begun, took }),
            Err(problem) => Err(FenceError { problem, sent: Sent::No, took }),
        }
    }

    /// Orders the power off. A call that is dropped before it ends counts as [`Sent::Maybe`].
    ///
    /// # Errors
    /// When the device did not confirm; `sent` tells whether it may happen all the same.
    pub async fn off(&self, call: &Call) -> Result<Done, FenceError> {
        self.order(Order::Off, call).await
    }

    /// Orders the power on. Never part of a proof.
    ///
    /// # Errors
    /// As [`Self::off`].
    pub async fn on(&self, call: &Call) -> Result<Done, FenceError> {
        self.order(Order::On, call).await
    }

    async fn order(&self, order: Order, call: &Call) -> Result<Done, FenceError> {
        let clock = Instant::now();
        let mut sent = Sent::No;
        let result = match &self.kind {
            Kind::Ipmi(device) => device.order(order, call, &mut sent).await,
            Kind::Redfish(device) => device.order(order, call, &mut sent).await,
            Kind::Exec(agent) => agent.order(order, call, &mut sent).await,
            Kind::Fake(device) => device.order(order, call, &mut sent).await,
            Kind::Sbd(_) => Err(sbd::Sbd::order()),
        };
        let took = clock.elapsed();
        result.map(|()| Done { took }).map_err(|problem| FenceError { problem, sent, took })
    }
}

/// A change of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Off,
    On,
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

impl fmt::Display for PowerReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => f.write_str("on"),
            Self::Off => f.write_str("off"),
            Self::Unknown(why) => write!(f, "unknown ({why})"),
        }
    }
}

/// A required parameter.
fn required<'a>(agent: &str, params: &'a BTreeMap<String, String>, names: &[&str]) -> Result<&'a str, Problem> {
    optional(params, names).ok_or_else(|| Problem::Parameter {
        agent: agent.to_owned(),
        parameter: names[0].to_owned(),
        why: "is missing".to_owned(),
    })
}

/// The first of these parameters that is set to something.
fn optional<'a>(params: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|n| params.get(*n)).map(String::as_str).filter(|v| !v.is_empty())
}

/// Refuses parameters the agent does not know: a misspelt one would be silently without effect.
fn only_known(agent: &str, params: &BTreeMap<String, String>, known: &[&str]) -> Result<(), Problem> {
    match params.keys().find(|k| !known.contains(&k.as_str())) {
        None => Ok(()),
        Some(parameter) => Err(Problem::Parameter {
            agent: agent.to_owned(),
            parameter: parameter.clone(),
            why: format!("is not known; known are {}", known.join(", ")),
        }),
    }
}
