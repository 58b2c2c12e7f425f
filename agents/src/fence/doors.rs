//! What comes from BMCs and fence agents, read without either: for fuzzing. Not part of the interface.

use std::time::Duration;

use super::{exec, ipmi, redfish};
use crate::process::{Bound, Captured, Cleared, Exit, Outcome};

/// A datagram of a BMC, at whatever step it comes.
pub fn bmc_packet(bytes: &[u8]) {
    ipmi::doors::packet(bytes);
}

/// Datagrams as a BMC sends them.
pub fn bmc_packets() -> Vec<Vec<u8>> {
    ipmi::doors::packets()
}

/// An answer of a Redfish service, whatever was asked.
pub fn redfish_answer(bytes: &[u8]) {
    redfish::doors::answer(bytes);
}

/// Answers as a Redfish service gives them.
pub fn redfish_answers() -> Vec<Vec<u8>> {
    redfish::doors::answers()
}

/// What a fence agent printed, and how it ended. Off is believed only when code and word agree.
pub fn agent_output(code: u8, how: u8, said: &[u8]) {
    let exit = match how % 4 {
        0 => Exit::Code(i32::from(code)),
        1 => Exit::Signal(i32::from(code)),
        2 => Exit::Deadline,
        _ => Exit::Limited(Bound::Processes(u32::from(code))),
    };
    let stdout = Captured { bytes: said.to_vec(), dropped: 0 };
    let (took, stderr) = (Duration::ZERO, stdout.clone());
    let outcome = Outcome { exit, stdout, stderr, took, cleared: Cleared::Empty, stragglers: false };
    let is_off = exec::reading(&outcome) == Some(super::PowerReading::Off);
    assert!(!is_off || exit == Exit::Code(2), "off was believed of {exit:?}");
}
