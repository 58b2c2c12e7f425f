//! Packets of RMCP+ and the IPMI messages in them, as bytes. Pure and total: what does not fit is refused.
//!
//! ```text
//! RMCP 4 | auth type, payload type, session, sequence, length 12 | payload | pad, pad length, next header, code
//! ```

use super::crypto::{Suite, decrypt, encrypt};

/// Largest datagram a BMC sends us.
pub(super) const DATAGRAM: usize = 1024;

const RMCP: [u8; 4] = [0x06, 0x00, 0xff, 0x07];
const RMCP_PLUS: u8 = 0x06;
const HEADER: usize = 16;
const ENCRYPTED: u8 = 0x80;
const AUTHENTICATED: u8 = 0x40;
const BMC: u8 = 0x20;
const CONSOLE: u8 = 0x81;

/// Payload types.
pub(super) const IPMI: u8 = 0x00;
pub(super) const OPEN_REQUEST: u8 = 0x10;
pub(super) const OPEN_RESPONSE: u8 = 0x11;
pub(super) const RAKP_1: u8 = 0x12;
pub(super) const RAKP_2: u8 = 0x13;
pub(super) const RAKP_3: u8 = 0x14;
pub(super) const RAKP_4: u8 = 0x15;

/// The keys of an open session.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) suite: Suite,
    /// Signs packets (K1).
    pub(super) integrity: Vec<u8>,
    /// Encrypts payloads (the first 16 bytes of K2).
    pub(super) cipher: [u8; 16],
}

/// A packet outside a session.
pub(super) fn plain(payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = header(payload_type, 0, 0, payload.len());
    packet.extend_from_slice(payload);
    packet
}

/// A packet of a session, encrypted and signed.
pub(super) fn sealed(keys: &Keys, session: u32, sequence: u32, iv: &[u8; 16], message: &[u8]) -> Vec<u8> {
    let payload = encrypt(&keys.cipher, iv, message);
    let mut packet = header(IPMI | ENCRYPTED | AUTHENTICATED, session, sequence, payload.len());
    packet.extend_from_slice(&payload);
    // The signed part, from the auth type to the next header, has a length divisible by four.
    let pad = (4 - (packet.len() - RMCP.len() + 2) % 4) % 4;
    packet.extend(std::iter::repeat_n(0xff, pad));
    packet.push(u8::try_from(pad).unwrap_or(0));
    packet.push(0x07);
    let code = keys.suite.hmac(&keys.integrity, &[&packet[RMCP.len()..]]);
    packet.extend_from_slice(&code[..keys.suite.check_len()]);
    packet
}

fn header(payload_type: u8, session: u32, sequence: u32, len: usize) -> Vec<u8> {
    let mut packet = RMCP.to_vec();
    packet.extend_from_slice(&[RMCP_PLUS, payload_type]);
    packet.extend_from_slice(&session.to_le_bytes());
    packet.extend_from_slice(&sequence.to_le_bytes());
    packet.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes());
    packet
}

/// The payload of a packet outside a session, if it is one of this type.
pub(super) fn open_plain(datagram: &[u8], payload_type: u8) -> Option<&[u8]> {
    let (found, _, rest) = split(datagram)?;
    (found == payload_type).then_some(())?;
    let len = usize::from(u16::from_le_bytes([datagram[14], datagram[15]]));
    rest.get(..len)
}

/// The message in a packet of our session, if it is signed and encrypted with our keys.
pub(super) fn open_sealed(keys: &Keys, session: u32, datagram: &[u8]) -> Option<Vec<u8>> {
    let (payload_type, found, rest) = split(datagram)?;
    (payload_type == IPMI | ENCRYPTED | AUTHENTICATED && found == session).then_some(())?;
    let len = usize::from(u16::from_le_bytes([datagram[14], datagram[15]]));
    let payload = rest.get(..len)?;
    let signed = datagram.len().checked_sub(keys.suite.check_len())?;
    // Trailer: up to 15 bytes of pad, how many, next header.
    let trailer = datagram.get(HEADER + len..signed)?;
    let [pad @ .., pad_len, 0x07] = trailer else { return None };
    (pad.len() == usize::from(*pad_len) && pad.len() < 16).then_some(())?;
    let (body, code) = (&datagram[RMCP.len()..signed], &datagram[signed..]);
    keys.suite.verify(&keys.integrity, &[body], code).then_some(())?;
    decrypt(&keys.cipher, payload)
}

/// Payload type with its two flags, session id, and what follows the header.
fn split(datagram: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (head, rest) = datagram.split_first_chunk::<HEADER>()?;
    // The RMCP sequence number (third byte) is ours to ignore.
    (head[0] == RMCP[0] && head[3] == RMCP[3] && head[4] == RMCP_PLUS).then_some(())?;
    Some((head[5], u32::from_le_bytes([head[6], head[7], head[8], head[9]]), rest))
}

/// A command to the BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) net_fn: u8,
    /// Which part of the BMC; nearly always 0.
    pub(super) lun: u8,
    pub(super) code: u8,
    pub(super) data: &'a [u8],
}

/// The message that carries a command; `sequence` has six bits.
pub(super) fn request(command: Command<'_>, sequence: u8) -> Vec<u8> {
    let mut message = vec![BMC, command.net_fn << 2 | command.lun];
    message.push(checksum(&message));
    let body = message.len();
    message.extend_from_slice(&[CONSOLE, (sequence & 0x3f) << 2, command.code]);
    message.extend_from_slice(command.data);
    message.push(checksum(&message[body..]));
    message
}

/// Completion code and data of the answer to this command and sequence number, if the message is that.
pub(super) fn response<'a>(message: &'a [u8], command: Command<'_>, sequence: u8) -> Option<(u8, &'a [u8])> {
    let (head, rest) = message.split_first_chunk::<7>()?;
    let (check, data) = rest.split_last()?;
    let ours = head[0] == CONSOLE
        && head[1] >> 2 == command.net_fn + 1
        && checksum(&head[..2]) == head[2]
        && head[4] >> 2 == sequence & 0x3f
        && head[5] == command.code
        && checksum(&message[3..message.len() - 1]) == *check;
    ours.then_some((head[6], data))
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)).wrapping_neg()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
