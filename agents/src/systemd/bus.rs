//! The way to systemd: one connection to the system bus, made when it is needed and made anew when it broke.
//!
//! Only what is asked and answered is here; what it means is said by whoever asks.

use std::sync::Arc;
use tokio::sync::Mutex;
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedObjectPath, connection, fdo};

/// The name that systemd has on the bus.
pub(super) const NAME: &str = "org.freedesktop.systemd1";
/// What the paths of all units begin with.
pub(super) const UNITS: &str = "/org/freedesktop/systemd1/unit";
/// The interface that every kind of unit has.
pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// A process in a unit's cgroup: the cgroup, its id, its command line.
pub(super) type UnitProcess = (String, u32, String);

#[zbus::proxy(
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1",
    interface = "org.freedesktop.systemd1.Manager"
)]
pub(super) trait Manager {
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;
    fn get_unit_processes(&self, name: &str) -> zbus::Result<Vec<UnitProcess>>;
    fn list_unit_files(&self) -> zbus::Result<Vec<(String, String)>>;
    fn get_unit_file_state(&self, file: &str) -> zbus::Result<String>;
    fn subscribe(&self) -> zbus::Result<()>;
    fn reload(&self) -> zbus::Result<()>;
    #[zbus(property)]
    fn system_state(&self) -> zbus::Result<String>;
    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: String, result: String) -> zbus::Result<()>;
}

#[zbus::proxy(default_service = "org.freedesktop.systemd1", interface = "org.freedesktop.systemd1.Unit")]
pub(super) trait Unit {
    #[zbus(property)]
    fn active_state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn sub_state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn load_state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn description(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn fragment_path(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn job(&self) -> zbus::Result<(u32, OwnedObjectPath)>;
    #[zbus(property)]
    fn condition_result(&self) -> zbus::Result<bool>;
}

#[zbus::proxy(default_service = "org.freedesktop.systemd1", interface = "org.freedesktop.systemd1.Service")]
pub(super) trait Service {
    #[zbus(property)]
    fn result(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn exec_main_status(&self) -> zbus::Result<i32>;
    #[zbus(property, name = "TimeoutStartUSec")]
    fn timeout_start(&self) -> zbus::Result<u64>;
    #[zbus(property, name = "TimeoutStopUSec")]
    fn timeout_stop(&self) -> zbus::Result<u64>;
}

/// One connection, with what is asked first.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) manager: ManagerProxy<'static>,
}

impl Link {
    async fn new(address: &str) -> zbus::Result<Self> {
        let connection = connection::Builder::address(address).build().await?;
        let manager = ManagerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
        // Jobs and changes are told to those that asked for it.
        manager.subscribe().await?;
        Ok(Self { connection, manager })
    }

    pub(super) async fn unit(&self, path: &OwnedObjectPath) -> zbus::Result<UnitProxy<'static>> {
        let builder = UnitProxy::builder(&self.connection).cache_properties(CacheProperties::No);
        builder.path(path.clone()).build().await
    }

    pub(super) async fn service(&self, path: &OwnedObjectPath) -> zbus::Result<ServiceProxy<'static>> {
        let builder = ServiceProxy::builder(&self.connection).cache_properties(CacheProperties::No);
        builder.path(path.clone()).build().await
    }
}

/// The bus at one address.
#[derive(Debug)]
pub(super) struct Bus {
    address: String,
    link: Mutex<Option<Arc<Link>>>,
}

impl Bus {
    pub(super) fn new(address: String) -> Self {
        Self { address, link: Mutex::default() }
    }

    /// The connection there is, or a new one.
    pub(super) async fn link(&self) -> zbus::Result<Arc<Link>> {
        let mut link = self.link.lock().await;
        if let Some(link) = &*link {
            return Ok(link.clone());
        }
        let new = Arc::new(Link::new(&self.address).await?);
        *link = Some(new.clone());
        Ok(new)
    }

    /// This one broke, or its other end is another one by now.
    pub(super) async fn drop_link(&self, broken: &Arc<Link>) {
        let mut link = self.link.lock().await;
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, broken)) {
            *link = None;
        }
    }
}

/// Whether another try may be answered: the bus or systemd is not there just now. What systemd itself answered is an
/// answer.
pub(super) fn is_away(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::MethodError(..) => false,
        zbus::Error::FDO(error) => matches!(
            **error,
            fdo::Error::ServiceUnknown(_)
                | fdo::Error::NameHasNoOwner(_)
                | fdo::Error::NoReply(_)
                | fdo::Error::IOError(_)
                | fdo::Error::NoServer(_)
                | fdo::Error::Timeout(_)
                | fdo::Error::TimedOut(_)
                | fdo::Error::Disconnected(_)
                | fdo::Error::SpawnChildExited(_)
                | fdo::Error::SpawnFailed(_)
        ),
        zbus::Error::InputOutput(_) | zbus::Error::Connection(..) | zbus::Error::Handshake(_) => true,
        _ => false,
    }
}

/// What systemd called the error: the last part of its name.
pub(super) fn error_name(error: &zbus::Error) -> Option<&str> {
    match error {
        zbus::Error::MethodError(name, ..) => name.as_str().rsplit('.').next(),
        zbus::Error::FDO(error) => match **error {
            fdo::Error::UnknownObject(_) => Some("UnknownObject"),
            fdo::Error::AccessDenied(_) => Some("AccessDenied"),
            _ => None,
        },
        _ => None,
    }
}

/// The unit that an object stands for: every character but letters and digits is written as `_` and two digits.
pub(super) fn unit_of(path: &str) -> Option<String> {
    let escaped = path.strip_prefix(UNITS)?.strip_prefix('/')?;
    let mut name = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' => {
                let digits = [bytes.next()?, bytes.next()?];
                name.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            _ => name.push(byte),
        }
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_object_names_its_unit() {
        let prefix = "/org/freedesktop/systemd1/unit/";
        for (escaped, wanted) in [
            ("nginx_2eservice", Some("nginx.service")),
            ("srv_2dmy_5cx2ddata_2emount", Some("srv-my\\x2ddata.mount")),
            ("a_40b_2eservice", Some("a@b.service")),
            ("_31a_2eservice", Some("1a.service")),
            ("broken_2", None),
            ("broken_zz", None),
        ] {
            assert_eq!(unit_of(&format!("{prefix}{escaped}")).as_deref(), wanted, "{escaped}");
        }
        assert_eq!(unit_of("/org/freedesktop/systemd1/job/7"), None);
    }
}
