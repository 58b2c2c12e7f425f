//! Whose certificate is believed: one of the system's authorities, of a file's, one certificate by its fingerprint, or,
//! said so by name, any.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

/// What is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// What an authority of this host's operating system signed.
    System,
    /// What an authority in this file signed.
    File(String),
    /// The certificate with this SHA-256.
    Fingerprint([u8; 32]),
    /// Anything.
    Anything,
}

/// The fingerprint of the certificate that was shown last.
pub(super) type Shown = Arc<Mutex<Option<String>>>;

/// A fingerprint as people write it: 64 hexadecimal digits, with or without colons.
pub(super) fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A configuration for one connection.
///
/// # Errors
/// What is wrong with the file of authorities, or that there are none.
pub(super) fn client(trust: &Trust) -> Result<(ClientConfig, Shown), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let shown = Shown::default();
    let judge = match trust {
        Trust::System => Judge::Signed(signed(system_roots()?, &provider)?),
        Trust::File(path) => Judge::Signed(signed(file_roots(path)?, &provider)?),
        Trust::Fingerprint(wanted) => Judge::Pinned(*wanted),
        Trust::Anything => Judge::Anything,
    };
    let verifier = Verifier { judge, provider: provider.clone(), shown: shown.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok((config, shown))
}

fn signed(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    built.map_err(|error| error.to_string())
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err("this host has no certificate authorities of its own: name one with ssl_ca_file".to_owned()),
        false => Ok(roots),
    }
}

fn file_roots(path: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| format!("ssl_ca_file {path}: {error}"))?;
    for certificate in read {
        let certificate = certificate.map_err(|error| format!("ssl_ca_file {path}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("ssl_ca_file {path}: {error}"))?;
    }
    match roots.is_empty() {
        true => Err(format!("ssl_ca_file {path} has no certificate in it; it has to be PEM")),
        false => Ok(roots),
    }
}

enum Judge {
    Signed(Arc<WebPkiServerVerifier>),
    Pinned([u8; 32]),
    Anything,
}

struct Verifier {
    judge: Judge,
    provider: Arc<CryptoProvider>,
    shown: Shown,
}

impl Verifier {
    fn signature(
        &self,
        verify: impl FnOnce(&WebPkiSupportedAlgorithms) -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.judge {
            // Old certificates cannot be read at all, and nothing rests on them.
            Judge::Anything => Ok(HandshakeSignatureValid::assertion()),
            _ => verify(&self.provider.signature_verification_algorithms),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let digest: [u8; 32] = Sha256::digest(end_entity).into();
        let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(hex);
        match &self.judge {
            Judge::Signed(verifier) => {
                verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            Judge::Pinned(wanted) if *wanted == digest => Ok(ServerCertVerified::assertion()),
            Judge::Pinned(_) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
            Judge::Anything => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(|algorithms| rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(|algorithms| rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
