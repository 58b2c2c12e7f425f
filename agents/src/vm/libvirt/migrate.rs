//! Live migration in libvirt's words: peer to peer, and paused at the other end.

use super::super::definition::arriving;
use super::super::{Transfer, VmError, Way};
use super::{Instant, Libvirt, is, raw};
use virt::domain::MigrateParameters;
use virt::error::ErrorNumber;
use virt_sys as sys;

impl Libvirt {
    /// Sends a domain to another host and comes back when that has ended, well or not. The copy stands still there, and
    /// bears the note of a domain that was never let go.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn migrate(&self, uuid: &str, way: Way, deadline: Instant) -> Result<(), VmError> {
        let id = uuid.to_owned();
        self.call("migrating the domain", uuid, true, deadline, move |connection| {
            let domain = connection.lookup_domain_by_uuid_string(&id)?;
            let xml = domain.xml_desc(sys::VIR_DOMAIN_XML_MIGRATABLE | sys::VIR_DOMAIN_XML_SECURE)?;
            // One that libvirt wrote itself can be read; were it not, the copy would have no note and be refused to run.
            let xml = arriving(&xml).unwrap_or(xml);
            if way.downtime > 0 {
                domain.migrate_set_max_downtime(way.downtime, 0)?;
            }
            let flags = flags(&way);
            let parameters = MigrateParameters {
                dest_xml: Some(xml),
                uri: way.data_uri.filter(|_| !way.tunnelled),
                bandwidth: (way.speed > 0).then_some(way.speed),
                ..MigrateParameters::default()
            };
            domain.migrate_to_uri3(Some(&way.uri), parameters, flags)
        })
        .await
    }

    /// Asks a migration that goes out from here to end; `Ok(false)`: there is none.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn abort_migration(&self, uuid: &str, deadline: Instant) -> Result<bool, VmError> {
        let id = uuid.to_owned();
        self.call("giving up the migration", uuid, false, deadline, move |connection| {
            let domain = match connection.lookup_domain_by_uuid_string(&id) {
                Err(e) if is(&e, ErrorNumber::NoDomain) => return Ok(false),
                other => other?,
            };
            if domain.job_info()?.r#type == sys::VIR_DOMAIN_JOB_NONE.cast_signed() {
                return Ok(false);
            }
            match raw::abort_job(&domain) {
                // It ended meanwhile, or can only be ended by the other side.
                Err(e) if is(&e, ErrorNumber::OperationInvalid) => Ok(false),
                other => other.map(|()| true),
            }
        })
        .await
    }

    /// How far the migration of a domain is; `None`: it is not under way.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn transfer(&self, uuid: &str, deadline: Instant) -> Result<Option<Transfer>, VmError> {
        let id = uuid.to_owned();
        self.call("asking how far the migration is", uuid, false, deadline, move |connection| {
            let domain = match connection.lookup_domain_by_uuid_string(&id) {
                Err(e) if is(&e, ErrorNumber::NoDomain) => return Ok(None),
                other => other?,
            };
            let job = domain.job_info()?;
            if job.r#type == sys::VIR_DOMAIN_JOB_NONE.cast_signed() {
                return Ok(None);
            }
            Ok(Some(Transfer {
                took_ms: job.time_elapsed.unwrap_or_default(),
                paused_ms: 0,
                sent: job.data_processed.unwrap_or_default(),
                left: job.data_remaining.unwrap_or_default(),
            }))
        })
        .await
    }
}

/// Never persistent, never post-copy, and never running at the other end by libvirt's own decision.
fn flags(way: &Way) -> u32 {
    let mut flags =
        sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_PEER2PEER | sys::VIR_MIGRATE_PAUSED | sys::VIR_MIGRATE_ABORT_ON_ERROR;
    let chosen = [
        (way.is_unsafe, sys::VIR_MIGRATE_UNSAFE),
        (way.auto_converge, sys::VIR_MIGRATE_AUTO_CONVERGE),
        (way.compressed, sys::VIR_MIGRATE_COMPRESSED),
        (way.tls, sys::VIR_MIGRATE_TLS),
        (way.tunnelled, sys::VIR_MIGRATE_TUNNELLED),
    ];
    for (is_chosen, flag) in chosen {
        if is_chosen {
            flags |= flag;
        }
    }
    flags
}
