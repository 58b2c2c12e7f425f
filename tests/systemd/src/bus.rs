//! `org.freedesktop.systemd1` on a bus: the manager, its units, and their signals.

use crate::file::UnitFile;
use crate::service::{Kind, Manager, Unit};
use nix::sys::signal::Signal;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zbus::{Connection, ObjectPath, OwnedObjectPath, Variant, connection, fdo};

const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// Whoever listens, while there is a bus.
#[derive(Debug, Default)]
pub struct Bus {
    connection: Mutex<Option<Connection>>,
    subscribed: AtomicBool,
    served: Mutex<BTreeSet<String>>,
}

/// The errors of systemd's that are not the bus's own.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
pub enum Refused {
    /// What the bus says.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// There is no such unit.
    NoSuchUnit(String),
    /// It may not be started.
    UnitMasked(String),
}

fn escaped(text: &str) -> String {
    let byte = |(at, byte): (usize, u8)| match byte {
        b'0'..=b'9' if at > 0 => char::from(byte).to_string(),
        b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        _ => format!("_{byte:02x}"),
    };
    text.bytes().enumerate().map(byte).collect()
}

fn unit_path(name: &str) -> OwnedObjectPath {
    path(format!("{PATH}/unit/{}", escaped(name)))
}

fn job_path(id: u32) -> OwnedObjectPath {
    path(if id == 0 { "/".to_owned() } else { format!("{PATH}/job/{id}") })
}

fn path(text: String) -> OwnedObjectPath {
    ObjectPath::try_from(text).expect("it is made of what a path may have").into()
}

impl Bus {
    fn connection(&self) -> Option<Connection> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        connection.filter(|_| self.subscribed.load(Ordering::SeqCst))
    }

    /// Tells that a unit is another than it was.
    pub async fn changed(&self, name: &str, unit: &Unit) {
        let Some(connection) = self.connection() else { return };
        let changed: HashMap<&str, Variant<'_>> =
            [("ActiveState", Variant::from(unit.active)), ("SubState", Variant::from(unit.sub))].into_iter().collect();
        let body = (UNIT, changed, Vec::<&str>::new());
        let _ = connection
            .emit_signal(None::<&str>, &*unit_path(name), "org.freedesktop.DBus.Properties", "PropertiesChanged", &body)
            .await;
    }

    /// Tells of a job.
    pub async fn job_new(&self, id: u32, name: &str) {
        let Some(connection) = self.connection() else { return };
        let _ = connection.emit_signal(None::<&str>, PATH, MANAGER, "JobNew", &(id, job_path(id), name)).await;
    }

    /// Tells how a job ended.
    pub async fn job_removed(&self, id: u32, name: &str, result: &str) {
        let Some(connection) = self.connection() else { return };
        let body = (id, job_path(id), name, result);
        let _ = connection.emit_signal(None::<&str>, PATH, MANAGER, "JobRemoved", &body).await;
    }
}

struct ManagerObject(Arc<Manager>);

impl ManagerObject {
    async fn order(&self, name: &str, kind: Kind) -> Result<OwnedObjectPath, Refused> {
        let unit = self.0.unit(name);
        match unit.file.load {
            "not-found" if unit.active == "inactive" => Err(Refused::NoSuchUnit(format!("Unit {name} not found."))),
            "masked" if kind == Kind::Start => Err(Refused::UnitMasked(format!("Unit {name} is masked."))),
            _ => Ok(job_path(self.0.enqueue(name, kind).await)),
        }
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl ManagerObject {
    async fn load_unit(
        &self,
        name: &str,
        #[zbus(object_server)] server: &zbus::ObjectServer,
    ) -> fdo::Result<OwnedObjectPath> {
        self.0.unit(name);
        let path = unit_path(name);
        let is_new = self.0.bus.served.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        if is_new {
            server.at(&*path, UnitObject(self.0.clone(), name.to_owned())).await?;
            if name.ends_with(".service") {
                server.at(&*path, ServiceObject(self.0.clone(), name.to_owned())).await?;
            }
        }
        Ok(path)
    }

    async fn start_unit(&self, name: &str, _mode: &str) -> Result<OwnedObjectPath, Refused> {
        self.order(name, Kind::Start).await
    }

    async fn stop_unit(&self, name: &str, _mode: &str) -> Result<OwnedObjectPath, Refused> {
        self.order(name, Kind::Stop).await
    }

    async fn reload_unit(&self, name: &str, _mode: &str) -> Result<OwnedObjectPath, Refused> {
        self.order(name, Kind::Reload).await
    }

    async fn kill_unit(&self, name: &str, _whom: &str, signal: i32) -> fdo::Result<()> {
        let signal = Signal::try_from(signal).map_err(|error| fdo::Error::InvalidArgs(error.to_string()))?;
        self.0.kill(name, signal);
        Ok(())
    }

    async fn reset_failed_unit(&self, name: &str) {
        self.0.reset_failed(name).await;
    }

    async fn get_unit_processes(&self, name: &str) -> Vec<(String, u32, String)> {
        let all = self.0.processes(name).into_iter();
        all.map(|(pid, line)| (format!("/system.slice/{name}"), pid.unsigned_abs(), line)).collect()
    }

    async fn list_unit_files(&self) -> Vec<(String, String)> {
        let entries = self.0.directories.iter().flat_map(std::fs::read_dir).flatten().flatten();
        let files = entries.filter(|entry| entry.path().is_file());
        files.map(|entry| (entry.path().to_string_lossy().into_owned(), "disabled".to_owned())).collect()
    }

    async fn get_unit_file_state(&self, name: &str) -> fdo::Result<String> {
        let unit = UnitFile::load(name, &self.0.directories);
        if unit.load == "not-found" {
            return Err(fdo::Error::FileNotFound(format!("No such file or directory: {name}")));
        }
        let wanted = unit.all("Install", "WantedBy").iter();
        let mut links =
            wanted.flat_map(|target| self.0.directories.iter().map(move |it| it.join(format!("{target}.wants"))));
        let state = match links.any(|directory| directory.join(name).symlink_metadata().is_ok()) {
            true => "enabled",
            false if unit.all("Install", "WantedBy").is_empty() => "static",
            false => "disabled",
        };
        Ok(state.to_owned())
    }

    async fn subscribe(&self) {
        self.0.bus.subscribed.store(true, Ordering::SeqCst);
    }

    async fn reload(&self) {
        self.0.reload();
    }

    #[zbus(property)]
    async fn system_state(&self) -> String {
        "running".to_owned()
    }
}

struct UnitObject(Arc<Manager>, String);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl UnitObject {
    #[zbus(property)]
    async fn active_state(&self) -> String {
        self.0.unit(&self.1).active.to_owned()
    }

    #[zbus(property)]
    async fn sub_state(&self) -> String {
        self.0.unit(&self.1).sub.to_owned()
    }

    #[zbus(property)]
    async fn load_state(&self) -> String {
        self.0.unit(&self.1).file.load.to_owned()
    }

    #[zbus(property)]
    async fn description(&self) -> String {
        self.0.unit(&self.1).file.get("Unit", "Description").unwrap_or(&self.1).to_owned()
    }

    #[zbus(property)]
    async fn fragment_path(&self) -> String {
        self.0.unit(&self.1).file.path.to_string_lossy().into_owned()
    }

    #[zbus(property)]
    async fn job(&self) -> (u32, OwnedObjectPath) {
        let id = self.0.unit(&self.1).job.map_or(0, |job| job.id);
        (id, job_path(id))
    }

    #[zbus(property)]
    async fn condition_result(&self) -> bool {
        self.0.unit(&self.1).condition
    }
}

struct ServiceObject(Arc<Manager>, String);

impl ServiceObject {
    fn limit(&self, key: &str) -> u64 {
        let limit = self.0.unit(&self.1).file.time(key);
        limit.and_then(|limit| u64::try_from(limit.as_micros()).ok()).unwrap_or(u64::MAX)
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl ServiceObject {
    #[zbus(property)]
    async fn result(&self) -> String {
        self.0.unit(&self.1).result.to_owned()
    }

    #[zbus(property)]
    async fn exec_main_status(&self) -> i32 {
        self.0.unit(&self.1).status
    }

    #[zbus(property, name = "TimeoutStartUSec")]
    async fn timeout_start(&self) -> u64 {
        self.limit("TimeoutStartSec")
    }

    #[zbus(property, name = "TimeoutStopUSec")]
    async fn timeout_stop(&self) -> u64 {
        self.limit("TimeoutStopSec")
    }
}

/// Serves the manager on the bus at this address until that goes away.
///
/// # Errors
/// When there is no bus, or the name is taken.
pub async fn serve(manager: &Arc<Manager>, address: &str) -> zbus::Result<()> {
    let bus = &manager.bus;
    bus.served.lock().unwrap_or_else(PoisonError::into_inner).clear();
    // On a new bus nobody has asked yet.
    bus.subscribed.store(false, Ordering::SeqCst);
    let object = ManagerObject(manager.clone());
    let connection =
        connection::Builder::address(address).serve_at(PATH, object).name("org.freedesktop.systemd1").build().await?;
    *bus.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
    let mut messages = zbus::MessageStream::from(&connection);
    while futures::StreamExt::next(&mut messages).await.is_some() {}
    *bus.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
    Ok(())
}
