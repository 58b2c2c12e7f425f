//! Live migration in libvirt's words: managed from here over a connection of our own to the other libvirtd, and paused at
//! the other end.
//!
//! The libvirtds could do it among themselves (peer to peer), and do where it is tunnelled or asked for. Then the end of a migration
//! whose other side has died waits for their keepalive, half a minute by default, and a daemon that dies leaves a
//! migration behind that goes on by itself. Over a connection of ours the keepalive is ours, and with this process the
//! migration ends.

use super::super::definition::arriving;
use super::super::{Transfer, VmError, Way};
use super::{Instant, Libvirt, is, raw};
use std::time::Duration;
use virt::connect::Connect;
use virt::domain::MigrateParameters;
use virt::error::{Error, ErrorNumber};
use virt_sys as sys;

/// What reaching the other libvirtd may take; no job of the domain is begun before.
const REACH: Duration = Duration::from_secs(10);
/// So many threads may hang in trying to reach one host.
const TRIES: usize = 3;
const REACHING: &str = "reaching the other host's libvirtd";
/// Seconds between two signs of life of the other libvirtd, and how many may be missing: it is given up after 5 s.
const KEEPALIVE: (i32, u32) = (1, 4);

/// The other libvirtd, where this one does not reach it by itself.
pub(in super::super) struct There(Option<Connect>);

impl Drop for There {
    /// Closing waits for an answer, and who closes has no time for one that never comes.
    fn drop(&mut self) {
        let Some(there) = self.0.take() else { return };
        let closing = std::thread::Builder::new().name("libvirt-close".to_owned()).spawn(move || drop(there));
        if let Err(error) = closing {
            tracing::warn!(%error, "no thread to close the connection to another host's libvirtd");
        }
    }
}

impl There {
    /// Whether it still gives signs of life.
    pub(in super::super) fn is_alive(&self) -> bool {
        self.0.as_ref().is_none_or(|there| there.is_alive().unwrap_or(false))
    }
}

impl Libvirt {
    /// The other libvirtd. One that does not answer is tried by few threads at a time.
    pub(in super::super) async fn reach(&self, way: &Way, deadline: Instant) -> Result<There, VmError> {
        if way.tunnelled || way.peer_to_peer {
            return Ok(There(None));
        }
        let uri = way.uri.clone();
        let open = self.open_calls().into_iter().filter(|call| call.what == REACHING && call.uuid == uri).count();
        if open >= TRIES {
            return Err(VmError::Failed {
                what: REACHING,
                why: format!("{uri} has not answered {open} earlier calls"),
            });
        }
        let to = uri.clone();
        let body = move || {
            let there = Connect::open(Some(&to))?;
            there.set_keep_alive(KEEPALIVE.0, KEEPALIVE.1)?;
            Ok(there)
        };
        let until = deadline.min(Instant::now() + REACH);
        let reached: Result<Connect, Error> = match self.slots.run(REACHING, &uri, false, until, body).await {
            Err(VmError::Timeout { what, after }) => {
                return Err(VmError::Failed { what, why: format!("{uri} has not answered within {after:.1?}") });
            }
            other => other?,
        };
        let there = reached.map_err(|e| VmError::Failed { what: REACHING, why: format!("{uri}: {}", e.message()) })?;
        Ok(There(Some(there)))
    }

    /// Sends a domain to another host and comes back when that has ended, well or not. The copy stands still there, and
    /// bears the note of a domain that was never let go. A libvirtd there that died is noticed only by who asks `there`.
    ///
    /// # Errors
    /// See [`VmError`].
    pub(in super::super) async fn migrate(
        &self,
        uuid: &str,
        way: Way,
        there: &There,
        deadline: Instant,
    ) -> Result<(), VmError> {
        let id = uuid.to_owned();
        let there = there.0.clone();
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
            match there {
                Some(there) => domain.migrate3(&there, parameters, flags).map(drop),
                None => domain.migrate_to_uri3(Some(&way.uri), parameters, flags | sys::VIR_MIGRATE_PEER2PEER),
            }
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
    let mut flags = sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_PAUSED | sys::VIR_MIGRATE_ABORT_ON_ERROR;
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
