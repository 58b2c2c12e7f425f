//! One UDP conversation with a BMC: open a session, ask, close. Retransmits inside an overall deadline.
//!
//! Ports, silence, passwords and refusals become [`Problem`]s that name the device. Datagrams that are not an
//! answer to what was just asked are passed over.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::super::Problem;
use super::Ipmi;
use super::crypto::Suite;
use super::handshake::{Answer, Failure, Handshake, meaning};
use super::wire::{self, Command, Keys};

/// First wait for an answer; each further one is half as long again, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);
const PROTOCOL: &str = "IPMI 2.0";

/// What a closure says about one datagram.
pub(super) type Seen<T> = Result<Option<T>, Problem>;

/// The socket and its patience.
pub(super) struct Line<'a> {
    device: &'a Ipmi,
    suite: Suite,
    socket: UdpSocket,
    opened: Instant,
    deadline: Instant,
    wait: Duration,
    detail: String,
}

/// An open session.
pub(super) struct Session<'a> {
    line: Line<'a>,
    keys: Keys,
    console: u32,
    bmc: u32,
    sequence: u32,
    request: u8,
    /// The GUID the BMC showed, covered by its proof of the password.
    guid: [u8; 16],
}

impl<'a> Line<'a> {
    pub(super) async fn open(device: &'a Ipmi, suite: Suite, deadline: Instant) -> Result<Self, Problem> {
        let opened = Instant::now();
        let refuse = |why: String| Problem::Address { device: device.to_string(), why };
        let lookup = tokio::net::lookup_host((device.host.as_str(), device.port));
        let address = match timeout_at(deadline, lookup).await {
            Ok(Ok(mut found)) => found.next().ok_or_else(|| refuse("no address".to_owned()))?,
            Ok(Err(e)) => return Err(refuse(format!("cannot resolve: {e}; use the address as `ip`"))),
            Err(_) => return Err(refuse("the name lookup took too long; use the address as `ip`".to_owned())),
        };
        let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await.map_err(|e| refuse(e.to_string()))?;
        // Connected: the kernel drops datagrams of others and reports a closed port.
        socket.connect(address).await.map_err(|e| refuse(e.to_string()))?;
        Ok(Self { device, suite, socket, opened, deadline, wait: FIRST_WAIT, detail: String::new() })
    }

    /// Sends what `make` gives, again and again, until `accept` takes an answer or the deadline passes.
    /// `make` may give nothing any more: then it is only listened.
    pub(super) async fn exchange<T>(
        &mut self,
        step: &'static str,
        mut make: impl FnMut() -> Result<Option<Vec<u8>>, Problem>,
        mut accept: impl FnMut(&[u8]) -> Seen<T>,
    ) -> Result<T, Problem> {
        let mut wait = self.wait;
        let mut buffer = [0u8; wire::DATAGRAM];
        loop {
            if Instant::now() >= self.deadline {
                return Err(self.silence(step));
            }
            if let Some(datagram) = make()?
                && let Err(e) = self.socket.send(&datagram).await
            {
                self.failed(&e)?;
            }
            let again = (Instant::now() + wait).min(self.deadline);
            loop {
                match timeout_at(again, self.socket.recv(&mut buffer)).await {
                    Ok(Ok(n)) => {
                        if let Some(answer) = accept(&buffer[..n])? {
                            return Ok(answer);
                        }
                    }
                    Ok(Err(e)) => {
                        self.failed(&e)?;
                        tokio::time::sleep_until(again).await;
                        break;
                    }
                    Err(_) => break,
                }
            }
            wait = (wait * 3 / 2).min(LONGEST_WAIT);
        }
    }

    /// A closed port ends the call; everything else may pass and is remembered.
    fn failed(&mut self, error: &std::io::Error) -> Result<(), Problem> {
        if error.kind() == std::io::ErrorKind::ConnectionRefused {
            return Err(Problem::Refused { device: self.device.to_string() });
        }
        self.detail = format!(": {error}");
        Ok(())
    }

    fn silence(&self, step: &'static str) -> Problem {
        let (device, tried) = (self.device.to_string(), self.opened.elapsed());
        Problem::NoAnswer { device, step, tried, detail: self.detail.clone() }
    }
}

impl<'a> Session<'a> {
    /// Opens a session. A key exchange that a retransmission has confused is begun anew, with more patience.
    pub(super) async fn open(mut line: Line<'a>) -> Result<Self, Problem> {
        loop {
            match handshake(&mut line).await {
                Err(Failed::Confused) if line.wait < LONGEST_WAIT && Instant::now() < line.deadline => {
                    line.wait = (line.wait * 4).min(LONGEST_WAIT);
                }
                Err(Failed::Confused) => {
                    let (device, why) = (line.device.to_string(), "the key exchange fails at its end".to_owned());
                    return Err(Problem::Protocol { device, step: "RAKP 4", protocol: PROTOCOL, why });
                }
                Err(Failed::For(problem)) => return Err(problem),
                Ok((it, keys)) => {
                    let (console, bmc, guid) = (it.console, it.bmc, it.guid);
                    return Ok(Self { line, keys, console, bmc, sequence: 0, request: 0, guid });
                }
            }
        }
    }

    /// The GUID the BMC showed, if it has one.
    pub(super) fn shown_guid(&self) -> Option<String> {
        (self.guid != [0; 16]).then(|| self.guid.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Asks the BMC; the data of the answer. `may_send` is asked before every single datagram.
    pub(super) async fn ask(
        &mut self,
        step: &'static str,
        command: Command<'_>,
        may_send: impl FnMut() -> Result<bool, Problem>,
    ) -> Result<Vec<u8>, Problem> {
        match self.ask_coded(step, command, may_send).await? {
            (0, data) => Ok(data),
            (code, _) => Err(self.refusal(step, code)),
        }
    }

    /// The same with the completion code, where others than zero say something.
    pub(super) async fn ask_coded(
        &mut self,
        step: &'static str,
        command: Command<'_>,
        mut may_send: impl FnMut() -> Result<bool, Problem>,
    ) -> Result<(u8, Vec<u8>), Problem> {
        self.request = (self.request + 1) & 0x3f;
        let request = self.request;
        let message = wire::request(command, request);
        let (keys, bmc, console, sequence) = (&self.keys, self.bmc, self.console, &mut self.sequence);
        let make = || {
            if !may_send()? {
                return Ok(None);
            }
            *sequence += 1;
            Ok(Some(wire::sealed(keys, bmc, *sequence, &rand::random(), &message)))
        };
        let accept = |datagram: &[u8]| {
            let message = wire::open_sealed(keys, console, datagram);
            let answer = message.as_deref().and_then(|m| wire::response(m, command, request));
            Ok(answer.map(|(code, data)| (code, data.to_vec())))
        };
        self.line.exchange(step, make, accept).await
    }

    /// That the BMC answered with this code.
    pub(super) fn refusal(&self, step: &'static str, code: u8) -> Problem {
        Problem::Refusal { device: self.line.device.to_string(), step, meaning: completion(code) }
    }

    /// Says goodbye so that the BMC has its slot back; nobody waits for the answer.
    pub(super) async fn close(mut self) {
        let id = self.bmc.to_le_bytes();
        let message = wire::request(Command { net_fn: 6, lun: 0, code: 0x3c, data: &id }, self.request.wrapping_add(1));
        self.sequence += 1;
        let packet = wire::sealed(&self.keys, self.bmc, self.sequence, &rand::random(), &message);
        if let Err(e) = self.line.socket.send(&packet).await {
            tracing::debug!(device = %self.line.device, error = %e, "session not closed");
        }
    }
}

/// Why a handshake ended.
enum Failed {
    For(Problem),
    /// The BMC answered one retransmission while we went on with another.
    Confused,
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::For(problem)
    }
}

async fn handshake(line: &mut Line<'_>) -> Result<(Handshake, Keys), Failed> {
    let (device, suite) = (line.device, line.suite);
    let mut it = Handshake {
        suite,
        user: device.user.clone().into_bytes(),
        password: device.password.clone().into_bytes(),
        privilege: device.privilege,
        console: rand::random::<u32>() | 1,
        console_random: rand::random(),
        bmc: 0,
        bmc_random: [0; 16],
        guid: [0; 16],
    };
    let tag: u8 = rand::random();
    let packet = wire::plain(wire::OPEN_REQUEST, &it.open_request(tag));
    let accept = |d: &[u8]| seen((device, suite), "Open Session", d, wire::OPEN_RESPONSE, |p| it.open_response(tag, p));
    it.bmc = line.exchange("Open Session", || Ok(Some(packet.clone())), accept).await?;

    let tag = tag.wrapping_add(1);
    let packet = wire::plain(wire::RAKP_1, &it.rakp_1(tag));
    let accept = |d: &[u8]| seen((device, suite), "RAKP 2", d, wire::RAKP_2, |p| it.rakp_2(tag, p));
    let mut sent = 0u32;
    let make = || {
        sent += 1;
        Ok(Some(packet.clone()))
    };
    (it.bmc_random, it.guid) = line.exchange("RAKP 1", make, accept).await?;

    let tag = tag.wrapping_add(1);
    let packet = wire::plain(wire::RAKP_3, &it.rakp_3(tag));
    let mut again = 0u32;
    let make = || {
        again += 1;
        Ok(Some(packet.clone()))
    };
    let accept = |d: &[u8]| Ok(wire::open_plain(d, wire::RAKP_4).map(|p| it.rakp_4(tag, p)));
    match line.exchange("RAKP 3", make, accept).await? {
        Ok(Some(keys)) => Ok((it, keys)),
        // With nothing sent twice the BMC means what it says.
        Err(failure) if sent == 1 && again == 1 => Err(problem((device, suite), "RAKP 4", failure).into()),
        Ok(None) | Err(_) => Err(Failed::Confused),
    }
}

fn seen<T>(
    to: (&Ipmi, Suite),
    step: &'static str,
    datagram: &[u8],
    payload_type: u8,
    read: impl FnOnce(&[u8]) -> Answer<T>,
) -> Seen<T> {
    match wire::open_plain(datagram, payload_type) {
        None => Ok(None),
        Some(payload) => read(payload).map_err(|failure| problem(to, step, failure)),
    }
}

fn problem((device, suite): (&Ipmi, Suite), step: &'static str, failure: Failure) -> Problem {
    let (user, name) = (device.user.clone(), device.to_string());
    match failure {
        Failure::Password => Problem::Password { device: name, user },
        Failure::Status(status) => match status {
            0x04..=0x07 | 0x10 | 0x11 => {
                Problem::Suite { device: name, suite: suite.number(), meaning: meaning(status) }
            }
            0x09 | 0x0a | 0x0d => Problem::User { device: name, user, step, meaning: meaning(status) },
            // Some BMCs judge the password themselves and say so only here.
            0x0f => Problem::Password { device: name, user },
            _ => Problem::Refusal { device: name, step, meaning: meaning(status) },
        },
        Failure::OtherSuite => {
            Problem::Suite { device: name, suite: suite.number(), meaning: "it chose other algorithms".to_owned() }
        }
        Failure::Forged => {
            Problem::Protocol { device: name, step, protocol: PROTOCOL, why: "its last proof is wrong".to_owned() }
        }
        Failure::Length(n) => {
            Problem::Protocol { device: name, step, protocol: PROTOCOL, why: format!("a message of {n} bytes") }
        }
    }
}

/// A completion code in words.
fn completion(code: u8) -> String {
    let text = match code {
        0xc0 => "it is busy",
        0xc1 => "it does not know the command",
        0xc3 => "it timed out inside",
        0xc9 | 0xcc => "it does not accept the parameter",
        0xd4 => "the user's privilege does not suffice; it needs operator",
        0xd5 | 0xd6 => "not possible in its present state",
        0xff => "unspecified error (0xff)",
        other => return format!("completion code 0x{other:02x}"),
    };
    text.to_owned()
}
