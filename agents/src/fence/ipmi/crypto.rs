//! The keyed hashes and the cipher of RMCP+ cipher suites 3 and 17. Pure.

use aes::Aes128;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// An RMCP+ cipher suite: authentication, integrity and confidentiality chosen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suite {
    /// HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128.
    Three,
    /// HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Seventeen,
}

impl Suite {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Seventeen => 17,
        }
    }

    /// The numbers of its three algorithms as Open Session wants them.
    pub(super) fn algorithms(self) -> [u8; 3] {
        match self {
            Self::Three => [1, 1, 1],
            Self::Seventeen => [3, 4, 1],
        }
    }

    /// Length of the key exchange's hashes.
    pub(super) fn hash_len(self) -> usize {
        match self {
            Self::Three => 20,
            Self::Seventeen => 32,
        }
    }

    /// Length of the shortened hash on packets and in RAKP 4.
    pub(super) fn check_len(self) -> usize {
        match self {
            Self::Three => 12,
            Self::Seventeen => 16,
        }
    }

    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Three => keyed::<Hmac<Sha1>>(key, parts).finalize().into_bytes().to_vec(),
            Self::Seventeen => keyed::<Hmac<Sha256>>(key, parts).finalize().into_bytes().to_vec(),
        }
    }

    /// Compares in constant time; `code` may be a left part of the hash, of a length the caller has checked.
    pub(super) fn verify(self, key: &[u8], parts: &[&[u8]], code: &[u8]) -> bool {
        match self {
            Self::Three => keyed::<Hmac<Sha1>>(key, parts).verify_truncated_left(code).is_ok(),
            Self::Seventeen => keyed::<Hmac<Sha256>>(key, parts).verify_truncated_left(code).is_ok(),
        }
    }
}

fn keyed<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]]) -> M {
    let mut mac = <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

/// Encrypts one payload with RMCP+ padding: 1, 2, 3 …, then how many.
pub(super) fn encrypt(key: &[u8; 16], iv: &[u8; 16], payload: &[u8]) -> Vec<u8> {
    let mut body = payload.to_vec();
    let pad = (16 - (body.len() + 1) % 16) % 16;
    body.extend((1..=pad).map(|n| u8::try_from(n).unwrap_or(0)));
    body.push(u8::try_from(pad).unwrap_or(0));
    let len = body.len();
    let cipher = cbc::Encryptor::<Aes128>::new(key.into(), iv.into());
    cipher.encrypt_padded_mut::<NoPadding>(&mut body, len).expect("padded to whole blocks above");
    [&iv[..], &body].concat()
}

/// Decrypts what [`encrypt`] made; `None` when its shape or padding is wrong.
pub(super) fn decrypt(key: &[u8; 16], payload: &[u8]) -> Option<Vec<u8>> {
    let (iv, body) = payload.split_first_chunk::<16>()?;
    if body.is_empty() || body.len() % 16 != 0 {
        return None;
    }
    let mut body = body.to_vec();
    let cipher = cbc::Decryptor::<Aes128>::new(key.into(), iv.into());
    cipher.decrypt_padded_mut::<NoPadding>(&mut body).ok()?;
    let pad = usize::from(body.pop()?);
    let keep = body.len().checked_sub(pad)?;
    if !body[keep..].iter().zip(1u8..).all(|(byte, n)| *byte == n) {
        return None;
    }
    body.truncate(keep);
    Some(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_hashes_are_those_of_the_standards() {
        // RFC 2202 and RFC 4231, test case 2.
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        assert_eq!(hex(&Suite::Three.hmac(b"Jefe", &parts)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let want = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&Suite::Seventeen.hmac(b"Jefe", &parts)), want);
        for suite in [Suite::Three, Suite::Seventeen] {
            let code = suite.hmac(b"k", &parts);
            assert_eq!(code.len(), suite.hash_len());
            assert!(suite.verify(b"k", &parts, &code[..suite.check_len()]));
            assert!(!suite.verify(b"j", &parts, &code[..suite.check_len()]));
        }
    }

    proptest! {
        #[test]
        fn every_payload_comes_back(payload in proptest::collection::vec(any::<u8>(), 0..100), key: [u8; 16], iv: [u8; 16]) {
            let sealed = encrypt(&key, &iv, &payload);
            prop_assert_eq!(sealed.len() % 16, 0);
            prop_assert_eq!(decrypt(&key, &sealed), Some(payload));
        }

        #[test]
        fn no_garbage_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..100), key: [u8; 16]) {
            let _ = decrypt(&key, &payload);
        }
    }
}
