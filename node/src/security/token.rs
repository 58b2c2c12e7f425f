//! A join token: what a person carries from a member to a joiner. It says where to ask, whom to trust there, and
//! holds the secret that is good once.
//!
//! The cluster keeps only the secret's hash. Neither `Debug` nor any error shows the secret.

use super::ca::hex;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const PREFIX: &str = "qrt1-";
const SECRET: usize = 32;
const FINGERPRINT: usize = 32;
const CHECKSUM: usize = 4;
/// More addresses make a token that nobody can paste, and one that answers is enough.
const MOST_ADDRESSES: usize = 16;

/// What is wrong with a token's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Something else altogether.
    #[error("this is no join token: one begins with {PREFIX}; make one with `qrm cluster token` on a member")]
    NotAToken,
    /// Of another version.
    #[error("this join token is of another version of quorate; install the same version on all nodes")]
    OtherVersion,
    /// A character that does not occur in tokens.
    #[error("the join token has a character that does not belong there; copy it again, whole and without blanks")]
    Garbled,
    /// Too short, or its checksum does not fit.
    #[error("the join token is not whole; copy it again from its beginning to its end")]
    Damaged,
    /// Nobody to ask.
    #[error("a join token needs between 1 and {MOST_ADDRESSES} addresses of members")]
    Addresses,
    /// The CA's fingerprint is not SHA-256 in hexadecimal.
    #[error("'{0}' is no fingerprint of a CA")]
    Fingerprint(String),
}

/// A join token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Members to ask.
    pub addresses: Vec<SocketAddr>,
    ca: [u8; FINGERPRINT],
    secret: [u8; SECRET],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ca = self.ca_fingerprint();
        f.debug_struct("Token").field("addresses", &self.addresses).field("ca", &ca).finish_non_exhaustive()
    }
}

/// The hash under which the cluster knows a token's secret: SHA-256, hexadecimal.
pub fn hash(secret: &[u8]) -> String {
    hex(&Sha256::digest(secret))
}

impl Token {
    /// A token with a new secret; of many members the first few are named.
    pub fn create(members: impl IntoIterator<Item = SocketAddr>, ca_fingerprint: &str) -> Result<Self, TokenError> {
        let addresses: Vec<SocketAddr> = members.into_iter().take(MOST_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err(TokenError::Addresses);
        }
        Ok(Self { addresses, ca: unhex(ca_fingerprint)?, secret: rand::random() })
    }

    /// SHA-256 of the CA's public key, hexadecimal.
    pub fn ca_fingerprint(&self) -> String {
        hex(&self.ca)
    }

    /// The secret, for the one request that trades it in.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// The hash of its secret, as the replicated state knows it.
    pub fn hash(&self) -> String {
        hash(&self.secret)
    }

    /// The text to carry. Not `Display`, so that no log shows it by accident.
    pub fn reveal(&self) -> String {
        let mut bytes = vec![u8::try_from(self.addresses.len()).expect("create and parse allow only a few addresses")];
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend(ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend(ip.octets());
                }
            }
            bytes.extend(address.port().to_be_bytes());
        }
        bytes.extend(self.ca);
        bytes.extend(self.secret);
        bytes.extend(checksum(&bytes));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token's text.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let Some(body) = text.strip_prefix(PREFIX) else {
            let other = text.strip_prefix("qrt").and_then(|rest| rest.split_once('-'));
            let is_version =
                |(version, _): (&str, &str)| !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
            return Err(if other.is_some_and(is_version) { TokenError::OtherVersion } else { TokenError::NotAToken });
        };
        if body.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-' && byte != b'_') {
            return Err(TokenError::Garbled);
        }
        // What is left to go wrong here is the length: the text was cut.
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Damaged)?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(TokenError::Damaged)?;
        if checksum(content) != *sum {
            return Err(TokenError::Damaged);
        }
        Reader(content).token().ok_or(TokenError::Damaged)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.take::<1>()? {
            [4] => IpAddr::V4(Ipv4Addr::from(self.take::<4>()?)),
            [6] => IpAddr::V6(Ipv6Addr::from(self.take::<16>()?)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(self.take()?)))
    }

    fn token(mut self) -> Option<Token> {
        let [count] = self.take()?;
        let count = usize::from(count);
        if count == 0 || count > MOST_ADDRESSES {
            return None;
        }
        let addresses = (0..count).map(|_| self.address()).collect::<Option<_>>()?;
        let token = Token { addresses, ca: self.take()?, secret: self.take()? };
        self.0.is_empty().then_some(token)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let sum = Sha256::new().chain_update(PREFIX).chain_update(bytes).finalize();
    [sum[0], sum[1], sum[2], sum[3]]
}

fn unhex(text: &str) -> Result<[u8; FINGERPRINT], TokenError> {
    let wrong = || TokenError::Fingerprint(text.to_owned());
    if text.len() != 2 * FINGERPRINT || !text.is_ascii() {
        return Err(wrong());
    }
    let mut bytes = [0; FINGERPRINT];
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> Token {
        let members = ["192.0.2.1:7400", "[2001:db8::2]:7400"].map(|address| address.parse().unwrap());
        Token::create(members, &hex(&[0xab; 32])).unwrap()
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = token().reveal();
        assert_eq!(Token::parse(&format!("  {text}\n")), Token::parse(&text));
        assert_eq!(Token::parse(""), Err(TokenError::NotAToken));
        assert_eq!(Token::parse("hello"), Err(TokenError::NotAToken));
        assert_eq!(Token::parse("qrt2-AAAA"), Err(TokenError::OtherVersion));
        assert_eq!(Token::parse(&text.replace("qrt1-", "qrt1-=")), Err(TokenError::Garbled));
        for end in PREFIX.len()..text.len() {
            assert_eq!(Token::parse(&text[..end]), Err(TokenError::Damaged), "cut at {end}");
        }
        assert_eq!(Token::create([], &hex(&[0; 32])), Err(TokenError::Addresses));
        assert!(matches!(Token::create(token().addresses, "no"), Err(TokenError::Fingerprint(_))));
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        let text = token().reveal();
        for at in PREFIX.len()..text.len() {
            let mut garbled = text.clone().into_bytes();
            garbled[at] = if garbled[at] == b'A' { b'B' } else { b'A' };
            let garbled = String::from_utf8(garbled).unwrap();
            assert_eq!(Token::parse(&garbled), Err(TokenError::Damaged), "at {at}");
        }
    }

    #[test]
    fn the_secret_is_not_shown_and_differs_each_time() {
        let token = token();
        let shown = format!("{token:?}");
        let secret = token.secret.map(|byte| byte.to_string()).join(", ");
        assert!(!shown.contains(&hex(&token.secret)) && !shown.contains(&secret) && !shown.contains(&token.reveal()));
        assert_ne!(token.hash(), self::token().hash());
    }

    proptest! {
        #[test]
        fn a_token_survives_the_paste(
            addresses in prop::collection::vec(any::<(IpAddr, u16)>(), 1..=MOST_ADDRESSES),
            ca in any::<[u8; 32]>(),
        ) {
            let token = Token::create(addresses.into_iter().map(SocketAddr::from), &hex(&ca)).unwrap();
            prop_assert_eq!(Token::parse(&token.reveal()), Ok(token));
        }

        #[test]
        fn no_text_panics(text in "(qrt1-)?\\PC{0,200}") {
            let _ = Token::parse(&text);
        }

        #[test]
        fn no_bytes_under_a_good_checksum_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            bytes.extend(checksum(&bytes));
            let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes));
            if let Ok(token) = Token::parse(&text) {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }
}
