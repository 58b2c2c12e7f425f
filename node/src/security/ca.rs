//! The cluster's own certificate authority: what it signs, and how a key is told from another.
//!
//! A certificate says who holds a key; whether that holder is (still) a member is for the replicated state to say.
//! Every member has the CA's key through that state, since any of them may have to sign a joiner.

use quorate_api::SERVER_NAME;
use quorate_core::id::RaftId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SerialNumber,
};
use sha2::{Digest, Sha256};
use std::fmt;
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Clocks of hosts that join may be behind.
const SKEW: Duration = Duration::days(1);
/// How long the CA is good.
const CA_LIFE: Duration = Duration::days(3653);
/// How long a member's or administrator's certificate is good.
const LIFE: Duration = Duration::days(731);
/// The organizational unit of an administrator.
const ADMIN: &str = "admin";
/// The organizational unit of a member is this and its raft id.
const MEMBER: &str = "member-";

/// Why a certificate, key or request is not good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// It could not be made.
    #[error("cannot make {what}: {why}")]
    Make {
        /// What.
        what: &'static str,
        /// What the library says.
        why: String,
    },
    /// It cannot be read.
    #[error("{what} cannot be read: {why}")]
    Read {
        /// What.
        what: &'static str,
        /// What the library says.
        why: String,
    },
    /// Certificate and key are of different owners.
    #[error("the key is not the one of {0}; both files must come from the same place")]
    Mismatch(&'static str),
    /// A request with a key of another kind.
    #[error("the request's key is not ECDSA P-256")]
    KeyKind,
}

/// A certificate with its key and the CA that signed it: all it takes to be somebody.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The CA's certificate, PEM.
    pub ca_pem: String,
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PEM.
    pub key_pem: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Checks that certificate and key belong together.
    pub fn check(&self) -> Result<(), CaError> {
        same_key("the certificate", &self.certificate_pem, &key(&self.key_pem)?)
    }
}

/// A certificate authority.
#[derive(Clone, PartialEq, Eq)]
pub struct Ca {
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PEM.
    pub key_pem: String,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

/// What a certificate says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The common name: a node's, or `admin`.
    pub name: String,
    /// SHA-256 of the public key, hexadecimal.
    pub fingerprint: String,
    /// A member's raft id.
    pub raft_id: Option<RaftId>,
    /// An administrator, who is no member.
    pub is_admin: bool,
}

/// A joiner's request whose own signature was checked.
#[derive(Clone, Debug)]
pub struct Csr(CertificateSigningRequestParams);

impl Csr {
    /// Reads a request and checks that the asker has the key.
    pub fn parse(pem: &str) -> Result<Self, CaError> {
        let read = |error: rcgen::Error| CaError::Read { what: "the certificate request", why: error.to_string() };
        let parsed = CertificateSigningRequestParams::from_pem(pem).map_err(read)?;
        if parsed.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CaError::KeyKind);
        }
        Ok(Self(parsed))
    }

    /// SHA-256 of its public key, hexadecimal: what the certificate's will be.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.0.public_key.subject_public_key_info()))
    }
}

impl Ca {
    /// Makes the CA of a new cluster.
    pub fn create(cluster: &str) -> Result<Self, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make("the CA's key"))?;
        let mark = hex(&Sha256::digest(key.subject_public_key_info()));
        // The mark lets people, and TLS, tell the CAs of clusters of the same name apart.
        let mut params = named(&format!("quorate CA {}", &mark[..16]), None, CA_LIFE)?;
        params.distinguished_name.push(DnType::OrganizationName, cluster);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(make("the CA's certificate"))?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// Takes a CA up again, as from the replicated state.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, CaError> {
        same_key("the CA's certificate", certificate_pem, &key(key_pem)?)?;
        Ok(Self { certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned() })
    }

    /// Signs a member's certificate. Of the request only the key is taken: what else it asks for is ignored.
    pub fn sign(&self, csr: &Csr, node: &str, raft_id: RaftId) -> Result<String, CaError> {
        self.issue(member(node, raft_id, LIFE)?, &csr.0.public_key)
    }

    /// The same for a key at hand: the founder's, and a renewal.
    pub fn member(&self, key_pem: &str, node: &str, raft_id: RaftId) -> Result<Credentials, CaError> {
        self.member_for(key_pem, node, raft_id, LIFE)
    }

    pub(super) fn member_for(
        &self,
        key_pem: &str,
        node: &str,
        raft_id: RaftId,
        life: Duration,
    ) -> Result<Credentials, CaError> {
        let certificate_pem = self.issue(member(node, raft_id, life)?, &key(key_pem)?)?;
        Ok(Credentials { ca_pem: self.certificate_pem.clone(), certificate_pem, key_pem: key_pem.to_owned() })
    }

    /// Makes an administrator's certificate, for a remote `qrm`. It cannot answer as a server.
    pub fn admin(&self) -> Result<Credentials, CaError> {
        self.admin_for(LIFE)
    }

    /// The same, good for so long.
    pub fn admin_for(&self, life: Duration) -> Result<Credentials, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make("the administrator's key"))?;
        let mut params = named(ADMIN, Some(ADMIN), life)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate_pem = self.issue(params, &key)?;
        Ok(Credentials { ca_pem: self.certificate_pem.clone(), certificate_pem, key_pem: key.serialize_pem() })
    }

    fn issue(&self, params: CertificateParams, to: &impl PublicKeyData) -> Result<String, CaError> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate_pem, key(&self.key_pem)?)
            .map_err(|error| CaError::Read { what: "the CA's certificate", why: error.to_string() })?;
        let certificate = params.signed_by(to, &issuer).map_err(make("a certificate"))?;
        Ok(certificate.pem())
    }
}

/// A new private key, PEM.
pub fn new_key() -> Result<String, CaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make("a key"))?;
    Ok(key.serialize_pem())
}

/// A request that the holder of this key be signed, PEM.
pub fn request(key_pem: &str) -> Result<String, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key(key_pem)?).map_err(make("a certificate request"))?;
    request.pem().map_err(make("a certificate request"))
}

/// SHA-256 of a private key's public half, hexadecimal.
pub fn key_fingerprint(key_pem: &str) -> Result<String, CaError> {
    Ok(hex(&Sha256::digest(key(key_pem)?.subject_public_key_info())))
}

/// SHA-256 of a certificate's public key, hexadecimal; of the first certificate in the PEM text.
pub fn fingerprint(certificate_pem: &str) -> Result<String, CaError> {
    fingerprint_der(&der(certificate_pem)?)
}

/// The same for DER.
pub fn fingerprint_der(certificate: &[u8]) -> Result<String, CaError> {
    Ok(hex(&Sha256::digest(parse(certificate)?.public_key().raw)))
}

/// How long a certificate is still good; zero when it has expired.
pub fn remaining(certificate_pem: &str) -> Result<std::time::Duration, CaError> {
    let der = der(certificate_pem)?;
    let end = parse(&der)?.validity().not_after.to_datetime();
    Ok((end - OffsetDateTime::now_utc()).try_into().unwrap_or_default())
}

/// What a certificate says of its holder; it says so truly only where TLS has checked it.
pub fn holder(certificate: &[u8]) -> Result<Holder, CaError> {
    let parsed = parse(certificate)?;
    let text = |entry: &x509_parser::x509::AttributeTypeAndValue<'_>| entry.as_str().map(str::to_owned).ok();
    let unit = parsed.subject().iter_organizational_unit().next().and_then(text).unwrap_or_default();
    Ok(Holder {
        name: parsed.subject().iter_common_name().next().and_then(text).unwrap_or_default(),
        fingerprint: hex(&Sha256::digest(parsed.public_key().raw)),
        raft_id: unit.strip_prefix(MEMBER).and_then(|id| id.parse().ok()).map(RaftId),
        is_admin: unit == ADMIN,
    })
}

/// The same for PEM.
pub fn holder_pem(certificate_pem: &str) -> Result<Holder, CaError> {
    holder(&der(certificate_pem)?)
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn member(node: &str, raft_id: RaftId, life: Duration) -> Result<CertificateParams, CaError> {
    let mut params = named(node, Some(&format!("{MEMBER}{raft_id}")), life)?;
    let names = CertificateParams::new(vec![SERVER_NAME.to_owned(), node.to_owned()]).map_err(make("a certificate"))?;
    params.subject_alt_names = names.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn named(name: &str, unit: Option<&str>, life: Duration) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(unit) = unit {
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    let now = OffsetDateTime::now_utc();
    let span = now.checked_sub(SKEW).zip(now.checked_add(life));
    let (from, to) =
        span.ok_or(CaError::Make { what: "a certificate", why: "this host's clock is absurd".to_owned() })?;
    (params.not_before, params.not_after) = (from, to);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Random, and positive as DER has it.
fn serial() -> [u8; 16] {
    let mut serial: [u8; 16] = rand::random();
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

fn key(pem: &str) -> Result<KeyPair, CaError> {
    KeyPair::from_pem(pem).map_err(|error| CaError::Read { what: "the private key", why: error.to_string() })
}

fn same_key(what: &'static str, certificate_pem: &str, key: &KeyPair) -> Result<(), CaError> {
    let der = der(certificate_pem)?;
    if parse(&der)?.public_key().raw != key.subject_public_key_info() {
        return Err(CaError::Mismatch(what));
    }
    Ok(())
}

fn der(pem: &str) -> Result<Vec<u8>, CaError> {
    let parsed = x509_parser::pem::parse_x509_pem(pem.as_bytes());
    let (_, block) = parsed.map_err(|error| CaError::Read { what: "the certificate", why: error.to_string() })?;
    Ok(block.contents)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CaError> {
    let parsed = X509Certificate::from_der(der);
    Ok(parsed.map_err(|error| CaError::Read { what: "the certificate", why: error.to_string() })?.1)
}

fn make(what: &'static str) -> impl Fn(rcgen::Error) -> CaError {
    move |error| CaError::Make { what, why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_tells_its_holder() {
        let ca = Ca::create("test").unwrap();
        let ca = Ca::load(&ca.certificate_pem, &ca.key_pem).unwrap();
        let key_pem = new_key().unwrap();
        let csr = Csr::parse(&request(&key_pem).unwrap()).unwrap();
        let certificate = ca.sign(&csr, "n2", RaftId(7)).unwrap();
        let mark = key_fingerprint(&key_pem).unwrap();
        assert_eq!((mark.len(), &mark), (64, &csr.fingerprint()));
        let wanted =
            Holder { name: "n2".to_owned(), fingerprint: mark.clone(), raft_id: Some(RaftId(7)), is_admin: false };
        assert_eq!(holder_pem(&certificate).unwrap(), wanted);
        assert_eq!(fingerprint(&certificate).unwrap(), mark);
        let days = remaining(&certificate).unwrap().as_secs() / 86_400;
        assert!((729..=731).contains(&days), "{days}");

        let admin = ca.admin().unwrap();
        let holder = holder_pem(&admin.certificate_pem).unwrap();
        assert_eq!((holder.name.as_str(), holder.raft_id, holder.is_admin), ("admin", None, true));
    }

    #[test]
    fn a_node_named_admin_is_no_administrator() {
        let ca = Ca::create("test").unwrap();
        let member = ca.member(&new_key().unwrap(), "admin", RaftId(2)).unwrap();
        assert!(!holder_pem(&member.certificate_pem).unwrap().is_admin);
    }

    #[test]
    fn a_request_gets_nothing_but_its_key_signed() {
        let ca = Ca::create("test").unwrap();
        let key_pair = KeyPair::generate().unwrap();
        let mut greedy = CertificateParams::new(vec!["n1".to_owned()]).unwrap();
        greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        greedy.distinguished_name.push(DnType::OrganizationalUnitName, ADMIN);
        let csr = Csr::parse(&greedy.serialize_request(&key_pair).unwrap().pem().unwrap()).unwrap();
        let certificate = der(&ca.sign(&csr, "n2", RaftId(2)).unwrap()).unwrap();
        let parsed = parse(&certificate).unwrap();
        assert!(!parsed.is_ca() && !holder(&certificate).unwrap().is_admin);
        let names = format!("{:?}", parsed.subject_alternative_name().unwrap().unwrap().value.general_names);
        assert!(names.contains("n2") && names.contains("quorated") && !names.contains("n1"), "{names}");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let (one, two) = (Ca::create("test").unwrap(), Ca::create("test").unwrap());
        assert!(matches!(Ca::load(&one.certificate_pem, &two.key_pem), Err(CaError::Mismatch(_))));
        assert!(matches!(Ca::load("", &one.key_pem), Err(CaError::Read { .. })));
        assert!(matches!(Ca::load(&one.certificate_pem, "x"), Err(CaError::Read { .. })));
        assert!(matches!(Csr::parse("x"), Err(CaError::Read { .. })));
        let big = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let request = CertificateParams::default().serialize_request(&big).unwrap().pem().unwrap();
        assert!(matches!(Csr::parse(&request), Err(CaError::KeyKind)));
    }

    #[test]
    fn secrets_are_not_shown() {
        let ca = Ca::create("test").unwrap();
        let shown = format!("{ca:?} {:?}", ca.admin().unwrap());
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}
