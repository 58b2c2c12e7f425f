//! Trust in a server whose CA is known only by its fingerprint.
//!
//! The server shows its CA along with its certificate. The one whose public key has the fingerprint becomes the only
//! trust anchor, and the library's own verification does the rest.

use crate::security::ca;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::{Arc, Mutex, PoisonError};

/// Accepts only what the CA of this fingerprint signed.
#[derive(Debug)]
pub(super) struct PinnedCa {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
    refused: Mutex<Option<String>>,
}

impl PinnedCa {
    pub(super) fn new(fingerprint: String) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Self { fingerprint, provider, refused: Mutex::default() }
    }

    /// Why the last server was refused; the transport's error hides it.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned =
            |other: &&CertificateDer<'_>| ca::fingerprint_der(other).is_ok_and(|found| found == self.fingerprint);
        let Some(anchor) = others.iter().find(pinned) else {
            return Err(Error::General("its certificate is not of the cluster that the token is for".to_owned()));
        };
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, others, name, &[], now)
    }
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verify(end_entity, intermediates, server_name, now);
        let why = verified.as_ref().err().map(|error| match error {
            Error::General(why) => why.clone(),
            other => other.to_string(),
        });
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = why;
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
