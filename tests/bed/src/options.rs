//! What a bed should be like: its name, its hosts, the programs on them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::evidence;
use crate::layout::{default_dir, target};

/// Where the daemon of every host listens for its own machine.
const SOCKET: &str = "/run/quorate/quorated.sock";

/// The daemon that every host starts when it boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonCommand {
    /// Program and arguments. `{n}`, `{name}`, `{addr}`, `{cgroup}` (a cgroup the daemon may divide; it lives in its child
    /// `daemon`) and `{hardware_id_file}` are replaced per host.
    pub argv: Vec<String>,
    /// Additional environment variables, replaced likewise.
    pub env: Vec<(String, String)>,
    /// Whether a booting host starts it; else only [`Bed::daemon_start`] does.
    pub autostart: bool,
}

impl DaemonCommand {
    /// The daemon of this project, from the directory with its binaries. It needs no reboot command: in its host's pid
    /// namespace the system call reboots that host alone.
    #[must_use]
    pub fn quorated(binaries: &Path) -> DaemonCommand {
        let flags = [
            ("--data-dir", "/var/lib/quorate"),
            ("--socket", SOCKET),
            ("--hardware-id-file", "{hardware_id_file}"),
            ("--cgroup", "{cgroup}"),
            // There is no service manager here to ask.
            ("--stopping-check", "/bin/cat /run/quorate-bed/state"),
            ("--sleep-mask", "/usr/bin/touch /run/quorate-bed/stays-awake"),
        ];
        let mut argv = vec![binaries.join("quorated").to_string_lossy().into_owned()];
        argv.extend(flags.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]));
        DaemonCommand { argv, env: Vec::new(), autostart: true }
    }
}

/// What a bed should be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Tells beds apart: letters, digits and `-`, at most 24.
    pub id: String,
    /// Where its files go; must not exist, or hold the remains of a bed.
    pub dir: PathBuf,
    /// How many hosts, 1 to 16.
    pub hosts: u32,
    /// The daemon on every host.
    pub daemon: Option<DaemonCommand>,
    /// Program and first arguments of the command line tool, replaced like the daemon's.
    pub qrm: Vec<String>,
    /// Whether the bed outlives the [`Bed`] that created it.
    pub keep: bool,
}

impl Options {
    /// The bed that `cargo xtask bed` leaves running: one per working copy.
    #[must_use]
    pub fn left_running() -> Options {
        let dir = default_dir();
        let id = format!("dev-{:06x}", evidence::fnv(dir.as_os_str().as_encoded_bytes()) & 0xff_ffff);
        Options { id, dir, hosts: 3, daemon: None, qrm: Vec::new(), keep: true }
    }

    /// A bed for one test: its own id and directory, gone when the [`Bed`] is dropped.
    #[must_use]
    pub fn for_test(hosts: u32) -> Options {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = target().join("bed-tests").join(&id);
        Options { id, dir, hosts, daemon: None, qrm: Vec::new(), keep: false }
    }

    /// The same bed with Quorate on every host, from the directory with its binaries.
    #[must_use]
    pub fn with_quorate(mut self, binaries: &Path) -> Options {
        self.daemon = Some(DaemonCommand::quorated(binaries));
        let qrm = binaries.join("qrm").to_string_lossy().into_owned();
        self.qrm = vec![qrm, "--socket".to_owned(), SOCKET.to_owned()];
        self
    }
}
