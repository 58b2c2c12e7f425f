//! Certificates for administrators: any member can make them, since each has the CA by the replicated state.

use super::fault;
use crate::security::ca::{Ca, CaError};
use quorate_api::proto::CertificateReply;
use quorate_api::{Fault, Reason};
use quorate_core::state::ClusterState;
use time::Duration;

/// Two years.
const DEFAULT_SECONDS: u64 = 731 * 24 * 60 * 60;

/// A new key with a certificate for it, good for so many seconds.
pub(super) fn administrator(state: &ClusterState, valid_seconds: u64) -> Result<CertificateReply, Fault> {
    let identity = state.identity.as_ref();
    let identity = identity.ok_or_else(|| Fault::new(Reason::NoCluster, "this cluster is still being founded"))?;
    let failed = |error: CaError| Fault::new(Reason::Failed, format!("a certificate cannot be made: {error}"));
    let ca = Ca::load(&identity.ca_certificate, &identity.ca_key).map_err(failed)?;
    let made = ca.admin_for(life(valid_seconds)?).map_err(failed)?;
    Ok(CertificateReply { ca_certificate: made.ca_pem, certificate: made.certificate_pem, key: made.key_pem })
}

fn life(asked: u64) -> Result<Duration, Fault> {
    match asked {
        0 => Ok(Duration::seconds(DEFAULT_SECONDS.cast_signed())),
        1..=DEFAULT_SECONDS => Ok(Duration::seconds(asked.cast_signed())),
        _ => Err(fault::invalid(
            format!("a certificate cannot be good for {asked} s: at most {DEFAULT_SECONDS} s, which is two years"),
            "make a new one when it ends",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_good_for_two_years_at_most() {
        assert_eq!(life(0).unwrap(), Duration::days(731));
        assert_eq!(life(60).unwrap(), Duration::seconds(60));
        assert_eq!(life(DEFAULT_SECONDS + 1).unwrap_err().reason, Reason::Invalid);
        assert_eq!(life(u64::MAX).unwrap_err().reason, Reason::Invalid);
    }
}
