//! Open Session and RAKP 1 to 4: two parties prove to each other that they know the password. Pure.
//!
//! ```text
//! -> open session    <- its id at the BMC
//! -> RAKP 1 (random) <- RAKP 2 (random, GUID, proof of the password)   wrong password: seen here
//! -> RAKP 3 (proof)  <- RAKP 4 (proof)                                 keys of the session
//! ```

use super::crypto::Suite;
use super::wire::Keys;

/// What both sides prove.
#[derive(Clone)]
pub(super) struct Handshake {
    pub(super) suite: Suite,
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
    pub(super) privilege: u8,
    /// Our session id, random and not 0.
    pub(super) console: u32,
    pub(super) console_random: [u8; 16],
    pub(super) bmc: u32,
    pub(super) bmc_random: [u8; 16],
    pub(super) guid: [u8; 16],
}

/// Why a key exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The BMC answered with a status.
    Status(u8),
    /// The BMC's proof does not match our password.
    Password,
    /// The last proof does not match: keys differ although the passwords agreed.
    Forged,
    /// It chose algorithms we did not offer.
    OtherSuite,
    /// Too short or too long.
    Length(usize),
}

/// `Ok(None)`: not an answer to our message of this tag.
pub(super) type Answer<T> = Result<Option<T>, Failure>;

impl Handshake {
    pub(super) fn open_request(&self, tag: u8) -> Vec<u8> {
        let mut message = vec![tag, self.privilege, 0, 0];
        message.extend_from_slice(&self.console.to_le_bytes());
        for (kind, algorithm) in (0u8..).zip(self.suite.algorithms()) {
            message.extend_from_slice(&[kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        message
    }

    /// The BMC's session id.
    pub(super) fn open_response(&self, tag: u8, payload: &[u8]) -> Answer<u32> {
        let Some(body) = self.addressed(tag, payload)? else { return Ok(None) };
        let (id, algorithms) = body.split_first_chunk::<4>().ok_or(Failure::Length(payload.len()))?;
        let chosen: Vec<u8> = algorithms.chunks_exact(8).map(|c| c[4] & 0x3f).collect();
        if chosen != self.suite.algorithms() {
            return Err(Failure::OtherSuite);
        }
        Ok(Some(u32::from_le_bytes(*id)))
    }

    pub(super) fn rakp_1(&self, tag: u8) -> Vec<u8> {
        let mut message = vec![tag, 0, 0, 0];
        message.extend_from_slice(&self.bmc.to_le_bytes());
        message.extend_from_slice(&self.console_random);
        message.extend_from_slice(&[self.role(), 0, 0, self.user_len()]);
        message.extend_from_slice(&self.user);
        message
    }

    /// The BMC's random number and GUID, once its proof of the password holds.
    pub(super) fn rakp_2(&self, tag: u8, payload: &[u8]) -> Answer<([u8; 16], [u8; 16])> {
        let Some(body) = self.addressed(tag, payload)? else { return Ok(None) };
        let length = Failure::Length(payload.len());
        let (random, rest) = body.split_first_chunk::<16>().ok_or(length.clone())?;
        let (guid, proof) = rest.split_first_chunk::<16>().ok_or(length.clone())?;
        if proof.len() != self.suite.hash_len() {
            return Err(length);
        }
        let (console, bmc) = (self.console.to_le_bytes(), self.bmc.to_le_bytes());
        let role = [self.role(), self.user_len()];
        let parts: [&[u8]; 7] = [&console, &bmc, &self.console_random, random, guid, &role, &self.user];
        if !self.suite.verify(&self.password, &parts, proof) {
            return Err(Failure::Password);
        }
        Ok(Some((*random, *guid)))
    }

    pub(super) fn rakp_3(&self, tag: u8) -> Vec<u8> {
        let role = [self.role(), self.user_len()];
        let console = self.console.to_le_bytes();
        let parts: [&[u8]; 4] = [&self.bmc_random, &console, &role, &self.user];
        let mut message = vec![tag, 0, 0, 0];
        message.extend_from_slice(&self.bmc.to_le_bytes());
        message.extend_from_slice(&self.suite.hmac(&self.password, &parts));
        message
    }

    /// The keys of the session, once the BMC has proved it has them too.
    pub(super) fn rakp_4(&self, tag: u8, payload: &[u8]) -> Answer<Keys> {
        let Some(proof) = self.addressed(tag, payload)? else { return Ok(None) };
        if proof.len() != self.suite.check_len() {
            return Err(Failure::Length(payload.len()));
        }
        let session_key = self.session_key();
        let parts: [&[u8]; 3] = [&self.console_random, &self.bmc.to_le_bytes(), &self.guid];
        if !self.suite.verify(&session_key, &parts, proof) {
            return Err(Failure::Forged);
        }
        Ok(Some(self.keys(&session_key)))
    }

    fn session_key(&self) -> Vec<u8> {
        let role = [self.role(), self.user_len()];
        self.suite.hmac(&self.password, &[&self.console_random, &self.bmc_random, &role, &self.user])
    }

    fn keys(&self, session_key: &[u8]) -> Keys {
        let integrity = self.suite.hmac(session_key, &[&[1; 20]]);
        let second = self.suite.hmac(session_key, &[&[2; 20]]);
        let cipher = *second.first_chunk::<16>().expect("both hashes are longer than 16 bytes");
        Keys { suite: self.suite, integrity, cipher }
    }

    /// What follows tag, status, two bytes and our session id, if the message answers ours.
    fn addressed<'a>(&self, tag: u8, payload: &'a [u8]) -> Answer<&'a [u8]> {
        match payload {
            [found, ..] if *found != tag => Ok(None),
            [_, 0, _, _, rest @ ..] => {
                let (id, body) = rest.split_first_chunk::<4>().ok_or(Failure::Length(payload.len()))?;
                Ok((u32::from_le_bytes(*id) == self.console).then_some(body))
            }
            [_, status, ..] if *status != 0 => Err(Failure::Status(*status)),
            _ => Err(Failure::Length(payload.len())),
        }
    }

    /// Privilege asked for; the high bit: look the user up by name alone.
    fn role(&self) -> u8 {
        0x10 | self.privilege
    }

    fn user_len(&self) -> u8 {
        u8::try_from(self.user.len()).unwrap_or(u8::MAX)
    }
}

/// A status of Open Session and RAKP in words.
pub(super) fn meaning(status: u8) -> String {
    let text = match status {
        0x01 | 0x0b => "no free session slot; sessions left open end by themselves after a minute",
        0x02 => "invalid session id",
        0x03 => "invalid payload type",
        0x04 => "authentication algorithm not supported",
        0x05 => "integrity algorithm not supported",
        0x06 | 0x07 | 0x11 => "no matching cipher suite",
        0x08 => "inactive session id",
        0x09 => "invalid role",
        0x0a => "privilege not granted to this user",
        0x0c => "invalid name length",
        0x0d => "unauthorized name",
        0x0e => "unauthorized GUID",
        0x0f => "wrong integrity check value",
        0x10 => "confidentiality algorithm not supported",
        0x12 => "illegal or unrecognized parameter",
        other => return format!("status 0x{other:02x}"),
    };
    text.to_owned()
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
