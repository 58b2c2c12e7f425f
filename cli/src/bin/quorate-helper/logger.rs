//! `ha_logger`: a line for the system's log.

use super::options::{Given, Known, value};
use super::{Answer, Failed};
use std::os::unix::net::UnixDatagram;

pub(super) const HA_LOGGER: &[Known] = &[value('t', "tag"), value('D', "log-entity")];

/// Where the system's log listens.
const LOG: &str = "/dev/log";
/// daemon.notice
const PRIORITY: u8 = 29;
/// A longer line is cut.
const LONGEST: usize = 2000;

pub(super) fn ha_logger(given: &Given) -> Answer {
    let text: String = given.words.join(" ").chars().take(LONGEST).collect();
    let line = format!("<{PRIORITY}>{}: {text}", given.get(&["tag"]).unwrap_or("ha_logger"));
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(line.as_bytes(), LOG));
    sent.map(|_| String::new()).map_err(|error| Failed::Unimplemented(format!("{LOG}: {error}")))
}
