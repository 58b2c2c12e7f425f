//! The commands that resource agents call, under Pacemaker's names: one program, known by the name it is called by, which
//! speaks to this host's daemon. It is on the `PATH` of agents only, and on nobody else's.
//!
//! What is not carried ends with a number other than 0 and one sentence. It decides nothing: what is said of a node goes
//! through the log, as `qrm node status-attr` says it.

// A command line tool speaks on standard output.
#![allow(clippy::print_stdout)]

mod attribute;
mod logger;
mod node;
mod options;
mod resource;
mod table;
mod ticket;

use quorate_api::proto::ViewKind;
use quorate_api::{AGENTS_SOCKET, Client, ClientOptions, Fault, SOCKET_PATH};
use quorate_core::config::Config;
use quorate_core::view::{ConfigView, Status};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Pacemaker's exit codes that agents look at.
const USAGE: u8 = 64;
const UNIMPLEMENTED: u8 = 3;
const NOT_ALLOWED: u8 = 4;
const NO_SUCH: u8 = 105;
const DISCONNECTED: u8 = 102;

/// Agents have their own time limits.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// Not carried, or not understood.
    #[error("{0}")]
    Usage(String),
    /// Pacemaker has it, and this cluster has not.
    #[error("{0}")]
    Unimplemented(String),
    /// There is no such thing.
    #[error("{0}")]
    NoSuch(String),
    /// It has to be said twice.
    #[error("{0}")]
    NotAllowed(String),
    /// The daemon's word.
    #[error("{0}")]
    Daemon(#[from] Fault),
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unimplemented(_) => UNIMPLEMENTED,
            Self::NotAllowed(_) => NOT_ALLOWED,
            Self::NoSuch(_) => NO_SUCH,
            Self::Daemon(fault) if fault.reason == quorate_api::Reason::Unreachable => DISCONNECTED,
            Self::Daemon(_) => 1,
        }
    }
}

/// What a command prints.
type Answer = Result<String, Failed>;

/// The daemon of this host, asked when it is first needed.
struct Cluster {
    client: Client,
    /// This node's name.
    here: String,
    /// What configurations hold for nobody but root may be read.
    is_trusted: bool,
}

impl Cluster {
    async fn reach() -> Result<Self, Failed> {
        let socket = socket(std::env::var("QRM_SOCKET").ok(), &std::env::args().next().unwrap_or_default());
        let options = ClientOptions { patience: PATIENCE, ..ClientOptions::default() };
        let opened = std::os::unix::net::UnixStream::connect(&socket);
        let is_trusted = !opened.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        let socket = if is_trusted { socket } else { socket.with_file_name(AGENTS_SOCKET) };
        let client = Client::connect_socket(socket, options).await?;
        let mut cluster = Self { client, here: local_name().unwrap_or_default(), is_trusted };
        if cluster.here.is_empty() {
            cluster.here = cluster.status().await?.quorum.from.to_string();
        }
        Ok(cluster)
    }

    async fn status(&self) -> Result<Status, Failed> {
        self.read(ViewKind::Status).await
    }

    async fn config(&self) -> Result<(u64, Config), Failed> {
        let kind = if self.is_trusted { ViewKind::ConfigWithSecrets } else { ViewKind::Config };
        let view: ConfigView = self.read(kind).await?;
        let read = quorate_core::grammar::read(&view.text, &mut |name| Err(format!("{name} is a file")));
        let config = read.map_err(|error| Failed::Usage(format!("the configuration is not understood: {error}")))?;
        Ok((view.revision, config))
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, kind: ViewKind) -> Result<T, Failed> {
        let document = self.client.view(kind, "").await?;
        let read = serde_json::from_str(&document.json);
        read.map_err(|error| Failed::Usage(format!("the daemon's answer is not understood: {error}")))
    }
}

/// Where the daemon of this host listens. Who was started by `su -` or `sudo` is told nothing by its environment; the
/// directory that it was called in is beside the socket.
fn socket(told: Option<String>, called: &str) -> PathBuf {
    let usual = Path::new(SOCKET_PATH);
    let beside = || Some(Path::new(called).parent()?.parent()?.join(usual.file_name()?)).filter(|path| path.exists());
    told.map(PathBuf::from).or_else(beside).unwrap_or_else(|| usual.to_owned())
}

/// This node, as an agent is told it.
fn local_name() -> Option<String> {
    std::env::var("OCF_RESKEY_CRM_meta_on_node").ok().filter(|name| !name.is_empty())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    let name = called.rsplit('/').next().unwrap_or_default().to_owned();
    let arguments: Vec<String> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = match runtime {
        Ok(runtime) => runtime.block_on(answer(&name, &arguments)),
        Err(error) => Err(Failed::Usage(error.to_string())),
    };
    match answer {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(failed) => {
            eprintln!("{name}: {failed}");
            ExitCode::from(failed.code())
        }
    }
}

async fn answer(name: &str, arguments: &[String]) -> Answer {
    match name {
        "crm_attribute" => {
            attribute::crm_attribute(&options::read(attribute::CRM_ATTRIBUTE, arguments).map_err(Failed::Usage)?).await
        }
        "crm_master" => {
            attribute::crm_master(&options::read(attribute::CRM_MASTER, arguments).map_err(Failed::Usage)?).await
        }
        "attrd_updater" => {
            attribute::attrd_updater(&options::read(attribute::ATTRD_UPDATER, arguments).map_err(Failed::Usage)?).await
        }
        "crm_node" => node::crm_node(&options::read(&[node::CRM_NODE], arguments).map_err(Failed::Usage)?).await,
        "crm_mon" => node::crm_mon(&options::read(&[node::CRM_MON], arguments).map_err(Failed::Usage)?).await,
        "crm_resource" => {
            resource::crm_resource(&options::read(&[resource::CRM_RESOURCE], arguments).map_err(Failed::Usage)?).await
        }
        "crm_ticket" => {
            ticket::crm_ticket(&options::read(&[ticket::CRM_TICKET], arguments).map_err(Failed::Usage)?).await
        }
        "ha_logger" => logger::ha_logger(&options::read(&[logger::HA_LOGGER], arguments).map_err(Failed::Usage)?),
        _ if arguments.first().is_some_and(|word| word == "--table") => table::print(arguments.get(1)),
        other => Err(Failed::Unimplemented(format!("this cluster has no {other}; qrm is what looks after it"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_found_without_an_environment() {
        let dir = tempfile::tempdir().expect("a directory");
        let (beside, called) = (dir.path().join("quorated.sock"), dir.path().join("helpers/crm_node"));
        let called = called.to_str().expect("a name");
        assert_eq!(socket(None, called), Path::new(SOCKET_PATH), "there is none");
        std::fs::write(&beside, "").expect("written");
        assert_eq!(socket(None, called), beside);
        assert_eq!(socket(None, "crm_node"), Path::new(SOCKET_PATH));
        assert_eq!(socket(Some("/x.sock".to_owned()), called), Path::new("/x.sock"));
    }
}
