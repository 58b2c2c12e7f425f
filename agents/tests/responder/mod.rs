//! The BMC's side of RMCP+ from the IPMI 2.0 specification (sections 13.17 to 13.32), for suites that no simulator offers. It
//! shares no code with the client; `ipmitool` judges it.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use aes::Aes128;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use hmac::{Hmac, Mac};

pub(crate) const GUID: [u8; 16] = *b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
const SESSION: u32 = 0x0a0b_0c0d;
const RANDOM: [u8; 16] = [0x5a; 16];
const USER: &[u8] = b"admin";
const PASSWORD: &[u8] = b"secret";
/// RMCP 1.0, no acknowledgement, class IPMI.
const RMCP: [u8; 4] = [6, 0, 0xff, 7];

/// What the responder is made to do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flaws {
    /// Its last proof of the key exchange is wrong.
    pub(crate) forged: bool,
    /// The check value of its sealed answers is wrong.
    pub(crate) damaged: bool,
}

/// What people can see of it.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) power: bool,
    pub(crate) orders: usize,
    /// Which suite sessions were opened with.
    pub(crate) suite: Option<u8>,
}

/// A BMC on loopback that knows only these cipher suites.
pub(crate) struct Responder {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Mutex<Seen>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    pub(crate) fn start(suites: &'static [u8], flaws: Flaws) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let port = socket.local_addr().expect("an address").port();
        let (seen, ends) =
            (Arc::new(Mutex::new(Seen { power: true, ..Seen::default() })), Arc::new(AtomicBool::new(false)));
        let mut bmc =
            Bmc { suites, flaws, seen: seen.clone(), suite: 0, console: [0; 4], random: [0; 16], role: 0, sik: vec![] };
        let stop = ends.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while !stop.load(Ordering::Relaxed) {
                let Ok((n, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(answer) = bmc.answer(&buffer[..n]) {
                    socket.send_to(&answer, from).expect("sent");
                }
            }
        });
        Self { port, seen, ends, thread: Some(thread) }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|it| it.is_ok()), "the responder panicked");
    }
}

struct Bmc {
    suites: &'static [u8],
    flaws: Flaws,
    seen: Arc<Mutex<Seen>>,
    suite: u8,
    console: [u8; 4],
    random: [u8; 16],
    role: u8,
    sik: Vec<u8>,
}

impl Bmc {
    fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let rest = datagram.strip_prefix(&RMCP)?;
        if rest.first()? == &0 {
            // Outside of a session, in the format of IPMI 1.5: which authentication is there?
            let message = rest.get(10..)?;
            let data = [&[message[6] & 0x0f][..], &[0x80, 0x04, 0x02, 0, 0, 0, 0]].concat();
            let answer = (message.get(5)? == &0x38).then(|| response(message, 0, &data))?;
            let length = u8::try_from(answer.len()).ok()?;
            return Some([&RMCP[..], &[0; 9], &[length], &answer].concat());
        }
        let length = usize::from(u16::from_le_bytes([*rest.get(10)?, *rest.get(11)?]));
        let payload = rest.get(12..12 + length)?;
        match rest[1] {
            0x10 => Some(plain(0x11, &self.open(payload)?)),
            0x12 => Some(plain(0x13, &self.rakp_2(payload)?)),
            0x14 => Some(plain(0x15, &self.rakp_4(payload)?)),
            0xc0 => self.sealed(rest, payload),
            _ => None,
        }
    }

    /// Section 13.17 and 13.18.
    fn open(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let console = payload.get(4..8)?;
        let wanted: Vec<u8> = payload.get(8..32)?.chunks(8).map(|one| one[4]).collect();
        let known = |suite: &&u8| match **suite {
            3 => wanted == [1, 1, 1],
            17 => wanted == [3, 4, 1],
            _ => false,
        };
        let Some(suite) = self.suites.iter().find(known) else {
            return Some([&[payload[0], 0x11, 0, 0], console].concat());
        };
        self.suite = *suite;
        self.console.copy_from_slice(console);
        Some([&[payload[0], 0, 4, 0], console, &SESSION.to_le_bytes(), &payload[8..32]].concat())
    }

    /// Section 13.20 and 13.21.
    fn rakp_2(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        self.random = *payload.get(8..24)?.first_chunk()?;
        self.role = *payload.get(24)?;
        let user = payload.get(28..28 + usize::from(*payload.get(27)?))?;
        if user != USER {
            return Some([&[payload[0], 0x0d, 0, 0], &self.console[..]].concat());
        }
        let own = SESSION.to_le_bytes();
        let proof = self.hmac(PASSWORD, &[&self.console, &own, &self.random, &RANDOM, &GUID, &self.name()]);
        Some([&[payload[0], 0, 0, 0], &self.console[..], &RANDOM, &GUID, &proof].concat())
    }

    /// Section 13.22 and 13.23.
    fn rakp_4(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let proof = self.hmac(PASSWORD, &[&RANDOM, &self.console, &self.name()]);
        if payload.get(8..)? != proof {
            return Some([&[payload[0], 0x0f, 0, 0], &self.console[..]].concat());
        }
        self.sik = self.hmac(PASSWORD, &[&self.random, &RANDOM, &self.name()]);
        let mut check = self.hmac(&self.sik, &[&self.random, &SESSION.to_le_bytes(), &GUID]);
        check.truncate(self.short());
        check[0] ^= u8::from(self.flaws.forged);
        self.seen.lock().expect("not poisoned").suite = Some(self.suite);
        Some([&[payload[0], 0, 0, 0], &self.console[..], &check].concat())
    }

    /// Section 13.28 and 13.29: integrity, then confidentiality.
    fn sealed(&mut self, packet: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
        let integrity = self.hmac(&self.sik, &[&[1; 20]]);
        let key: [u8; 16] = *self.hmac(&self.sik, &[&[2; 20]]).first_chunk()?;
        let (covered, code) = packet.split_at_checked(packet.len().checked_sub(self.short())?)?;
        if self.hmac(&integrity, &[covered]).get(..self.short())? != code || packet.get(2..6)? != SESSION.to_le_bytes()
        {
            return None;
        }
        let (iv, body) = payload.split_first_chunk::<16>()?;
        let mut body = body.to_vec();
        cbc::Decryptor::<Aes128>::new(&key.into(), iv.into()).decrypt_padded_mut::<NoPadding>(&mut body).ok()?;
        let pad = usize::from(*body.last()?);
        body.truncate(body.len().checked_sub(pad + 1)?);

        let (code, data) = self.command(&body)?;
        let mut answer = response(&body, code, &data);
        let pad = 15 - answer.len() % 16;
        answer.extend((1..=15u8).take(pad));
        answer.push(u8::try_from(pad).ok()?);
        let (iv, length) = ([0x77; 16], answer.len());
        cbc::Encryptor::<Aes128>::new(&key.into(), &iv.into())
            .encrypt_padded_mut::<NoPadding>(&mut answer, length)
            .ok()?;
        let length = u16::try_from(16 + answer.len()).ok()?;
        let mut packet = [&[6, 0xc0][..], &self.console, &packet[6..10], &length.to_le_bytes(), &iv, &answer].concat();
        let pad = (4 - (packet.len() + 2) % 4) % 4;
        packet.extend(std::iter::repeat_n(0xff, pad));
        packet.extend([u8::try_from(pad).ok()?, 7]);
        let mut check = self.hmac(&integrity, &[&packet]);
        check.truncate(self.short());
        check[0] ^= u8::from(self.flaws.damaged);
        Some([&RMCP[..], &packet, &check].concat())
    }

    /// Chapters 18, 22 and 28.
    fn command(&self, message: &[u8]) -> Option<(u8, Vec<u8>)> {
        let mut seen = self.seen.lock().expect("not poisoned");
        Some(match (message.get(1)? >> 2, message.get(5)?) {
            (0, 1) => (0, vec![u8::from(seen.power), 0, 0, 0]),
            (0, 2) => {
                seen.orders += 1;
                seen.power = *message.get(6)? == 1;
                (0, Vec::new())
            }
            (6, 0x3b) => (0, vec![*message.get(6)?]),
            (6, 0x3c) => (0, Vec::new()),
            _ => (0xc1, Vec::new()),
        })
    }

    fn name(&self) -> Vec<u8> {
        [&[self.role, USER.len() as u8], USER].concat()
    }

    fn short(&self) -> usize {
        if self.suite == 17 { 16 } else { 12 }
    }

    fn hmac(&self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn of<M: Mac + hmac::digest::KeyInit>(key: &[u8], all: &[u8]) -> Vec<u8> {
            <M as Mac>::new_from_slice(key).expect("any length").chain_update(all).finalize().into_bytes().to_vec()
        }
        let all = parts.concat();
        if self.suite == 17 { of::<Hmac<sha2::Sha256>>(key, &all) } else { of::<Hmac<sha1::Sha1>>(key, &all) }
    }
}

/// Section 13.6, without a session.
fn plain(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short");
    [&RMCP[..], &[6, kind], &[0; 8], &length.to_le_bytes(), payload].concat()
}

/// Section 13.8: the answer to a message, with its two checksums.
fn response(message: &[u8], code: u8, data: &[u8]) -> Vec<u8> {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    let head = [message[3], message[1] | 4];
    let body = [&[message[0], message[4], message[5], code], data].concat();
    [&head[..], &[sum(&head)], &body, &[sum(&body)]].concat()
}
