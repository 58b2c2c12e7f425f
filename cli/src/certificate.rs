//! Whether a certificate can be any good, before it is shown to anybody: a server that refuses one just hangs up.
//!
//! It answers for clear words only. Whether its holder is let in, the server says.

use crate::error::CliError;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;

/// Checks that the certificate is of this CA and good now.
pub(crate) fn check(ca_pem: &str, cert_pem: &str) -> Result<(), CliError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    check_at(ca_pem, cert_pem, i64::try_from(now).unwrap_or(i64::MAX))
}

fn check_at(ca_pem: &str, cert_pem: &str, now: i64) -> Result<(), CliError> {
    let unread =
        |option: &str, why: String| CliError::usage(format!("the file of {option} is no certificate: {why}"), None);
    let (_, ca) = parse_x509_pem(ca_pem.as_bytes()).map_err(|error| unread("--ca", error.to_string()))?;
    let ca = ca.parse_x509().map_err(|error| unread("--ca", error.to_string()))?;
    let (_, own) = parse_x509_pem(cert_pem.as_bytes()).map_err(|error| unread("--cert", error.to_string()))?;
    let own = own.parse_x509().map_err(|error| unread("--cert", error.to_string()))?;
    if own.issuer() != ca.subject() {
        return Err(CliError::refused(
            format!("the certificate of --cert is foreign: {} signed it, and --ca is {}", own.issuer(), ca.subject()),
            Some("use the files admin.* and ca.pem of one and the same cluster"),
        ));
    }
    check_time("--cert", &own, now)?;
    check_time("--ca", &ca, now)
}

fn check_time(option: &str, certificate: &X509Certificate<'_>, now: i64) -> Result<(), CliError> {
    let validity = certificate.validity();
    if now > validity.not_after.timestamp() {
        return Err(CliError::refused(
            format!("the certificate of {option} has expired, on {}", validity.not_after),
            Some("take a new one from a member, or look at this host's clock"),
        ));
    }
    if now < validity.not_before.timestamp() {
        return Err(CliError::refused(
            format!("the certificate of {option} is good from {} on only", validity.not_before),
            Some("look at this host's clock"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    /// A CA of this name and a certificate by it, both good for the thousand seconds after the first million.
    fn pair(name: &str) -> (String, String) {
        let time = |seconds| ::time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let params = |common: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, common);
            (params.not_before, params.not_after) = (time(1_000_000), time(1_001_000));
            params
        };
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = params(name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(ca, ca_key);
        (ca_pem, params("admin").signed_by(&key, &issuer).unwrap().pem())
    }

    #[test]
    fn what_cannot_be_good_is_told_before_it_is_shown() {
        let (ca, cert) = pair("one");
        let (_, foreign) = pair("two");
        let says = |cert: &str, now| check_at(&ca, cert, now).map_err(|error| error.to_string());
        assert_eq!(says(&cert, 1_000_500), Ok(()));
        assert!(says(&foreign, 1_000_500).unwrap_err().contains("is foreign"));
        assert!(says(&cert, 1_001_001).unwrap_err().contains("has expired"));
        assert!(says(&cert, 999_999).unwrap_err().contains("is good from"));
        assert!(says("nonsense", 1_000_500).unwrap_err().contains("no certificate"));
    }
}
