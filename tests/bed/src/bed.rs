//! A bed from its beginning to its end: what is created, where it is remembered, and how everything is removed again,
//! even after a crash of whoever created it. Faults and operations on hosts are in `host.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::bmc::{self, BmcMode};
use crate::command::{must, run};
use crate::evidence::{self, Auditor, Verdict};
use crate::layout::{Layout, MAX_HOSTS, cgroup2_mount, default_dir, target};
use crate::truth::{self, VmProcess};
use crate::{cgroup, guest, network, setup};

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
        let id = format!(
            "dev-{:06x}",
            evidence::fnv(dir.as_os_str().as_encoded_bytes()) & 0xff_ffff
        );
        Options {
            id,
            dir,
            hosts: 3,
            daemon: None,
            qrm: Vec::new(),
            keep: true,
        }
    }

    /// A bed for one test: its own id and directory, gone when the [`Bed`] is dropped.
    #[must_use]
    pub fn for_test(hosts: u32) -> Options {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!(
            "t{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = target().join("bed-tests").join(&id);
        Options {
            id,
            dir,
            hosts,
            daemon: None,
            qrm: Vec::new(),
            keep: false,
        }
    }
}

/// A bed that is up.
#[derive(Debug)]
pub struct Bed {
    pub(crate) layout: Layout,
    pub(crate) options: Options,
    owned: bool,
}

impl Bed {
    /// Brings up the hosts with their BMCs and waits until every libvirtd answers.
    ///
    /// # Errors
    /// When the machine lacks something (the message says what to run), or a bed of this id is up already.
    pub fn up(options: Options) -> Result<Bed> {
        setup::require_root()?;
        setup::require_packages()?;
        let id_ok = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if options.id.is_empty() || options.id.len() > 24 || !options.id.chars().all(id_ok) {
            bail!(
                "bed id {:?}: use 1 to 24 letters, digits and dashes",
                options.id
            );
        }
        if !(1..=MAX_HOSTS).contains(&options.hosts) {
            bail!("{} hosts: a bed has 1 to {MAX_HOSTS}", options.hosts);
        }
        sweep()?;
        if options.dir.join("bed.json").exists() {
            bail!(
                "there is a bed in {}: `cargo xtask bed down` removes it",
                options.dir.display()
            );
        }
        let guest = setup::guest_files()?;
        let layout = Layout {
            id: options.id.clone(),
            dir: options.dir.clone(),
            hosts: options.hosts,
        };
        // The remains of a bed that crashed before it was complete.
        remove_all(&layout)?;
        fs::create_dir_all(&layout.dir)
            .with_context(|| format!("create {}", layout.dir.display()))?;
        let layout = Layout {
            dir: layout.dir.canonicalize()?,
            ..layout
        };
        let bed = Bed {
            layout,
            options,
            owned: true,
        };
        bed.build(&guest)?;
        Ok(bed)
    }

    fn build(&self, guest: &Path) -> Result<()> {
        let layout = &self.layout;
        fs::create_dir_all(layout.cgroup()?).context("create the cgroup of the bed")?;
        setup::write_bed_files(layout, guest, self.options.daemon.as_ref())?;
        network::create(layout)?;
        for host in layout.names() {
            bmc::set_mode(layout, &host, BmcMode::Ok)?;
            self.power_on(&host)?;
        }
        for host in layout.names() {
            self.wait_ready(&host, Duration::from_secs(60))?;
        }
        let state = serde_json::to_string_pretty(&self.options)?;
        fs::write(layout.dir.join("bed.json"), state).context("write bed.json")
    }

    /// A bed that was left running; dropping it leaves it running.
    ///
    /// # Errors
    /// When there is none in this directory.
    pub fn attach(dir: &Path) -> Result<Bed> {
        setup::require_root()?;
        let path = dir.join("bed.json");
        let Ok(text) = fs::read_to_string(&path) else {
            bail!(
                "no bed in {}: `cargo xtask bed up` makes one",
                dir.display()
            );
        };
        let options: Options =
            serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        let layout = Layout {
            id: options.id.clone(),
            dir: dir.canonicalize()?,
            hosts: options.hosts,
        };
        Ok(Bed {
            layout,
            options,
            owned: false,
        })
    }

    /// Ends every process of the bed and removes all it created, its directory included.
    ///
    /// # Errors
    /// When something resists.
    pub fn down(mut self) -> Result<()> {
        self.owned = false;
        remove_all(&self.layout)
    }

    /// Removes whatever is left of a bed with these options, also of one that never came up.
    ///
    /// # Errors
    /// When something resists.
    pub fn clean(options: &Options) -> Result<()> {
        setup::require_root()?;
        remove_all(&Layout {
            id: options.id.clone(),
            dir: options.dir.clone(),
            hosts: options.hosts,
        })
    }

    /// Where everything lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The names of the hosts.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.layout.names()
    }

    /// Creates the disks and the XML file of a guest on the shared storage; returns the path of the XML, good on all hosts.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn create_guest(&self, name: &str) -> Result<PathBuf> {
        guest::create(&self.layout.shared(), name)
    }

    /// Every QEMU process with a guest, on every host: the ground truth.
    ///
    /// # Errors
    /// When the machine's cgroups cannot be found.
    pub fn vms(&self) -> Result<Vec<VmProcess>> {
        truth::vms(&self.layout)
    }

    /// Starts watching the evidence disks.
    #[must_use]
    pub fn auditor(&self) -> Auditor {
        Auditor::start(self.layout.shared())
    }

    /// Judges the evidence disks as they are now.
    ///
    /// # Errors
    /// When a disk cannot be read.
    pub fn audit(&self) -> Result<Verdict> {
        evidence::audit(&self.layout.shared())
    }

    /// Changes how a host's BMC behaves.
    ///
    /// # Errors
    /// When the BMC cannot be stopped or started.
    pub fn bmc(&self, host: &str, mode: BmcMode) -> Result<()> {
        self.layout.number(host)?;
        bmc::set_mode(&self.layout, host, mode)
    }

    /// Parts a host from all other hosts and all BMCs; frames vanish silently.
    ///
    /// # Errors
    /// When the rule cannot be set.
    pub fn cut(&self, host: &str) -> Result<()> {
        self.layout.number(host)?;
        network::cut(&self.layout, host)
    }

    /// Drops everything one host sends to another, and only that.
    ///
    /// # Errors
    /// When the rule cannot be set.
    pub fn cut_one_way(&self, from: &str, to: &str) -> Result<()> {
        self.layout.number(from)?;
        self.layout.number(to)?;
        network::cut_one_way(&self.layout, from, to)
    }

    /// Parts two hosts from each other.
    ///
    /// # Errors
    /// When a rule cannot be set.
    pub fn cut_between(&self, a: &str, b: &str) -> Result<()> {
        self.cut_one_way(a, b)?;
        self.cut_one_way(b, a)
    }

    /// Takes back every cut that touches the host, and brings its link up.
    ///
    /// # Errors
    /// When a rule cannot be removed.
    pub fn heal(&self, host: &str) -> Result<()> {
        self.layout.number(host)?;
        network::heal(&self.layout, host)
    }

    /// Unplugs the host's network cable, or plugs it in.
    ///
    /// # Errors
    /// When the link cannot be changed.
    pub fn link(&self, host: &str, up: bool) -> Result<()> {
        self.layout.number(host)?;
        network::link(&self.layout, host, up)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !self.owned || self.options.keep && self.layout.dir.join("bed.json").exists() {
            return;
        }
        // A failed test keeps its files, above all the logs; its processes go in any case.
        let result = if std::thread::panicking() {
            end_processes(&self.layout)
        } else {
            remove_all(&self.layout)
        };
        if let Err(error) = result {
            eprintln!("the bed {} is not quite gone: {error:#}", self.layout.id);
        }
    }
}

fn end_processes(layout: &Layout) -> Result<()> {
    let cgroup = layout.cgroup()?;
    cgroup::kill(&cgroup)?;
    cgroup::remove(&cgroup)?;
    let prefix = format!("{}-", layout.netns());
    let Ok(namespaces) = fs::read_dir("/run/netns") else {
        return Ok(());
    };
    for name in namespaces
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        if name.starts_with(&prefix) {
            must("ip", &["netns", "del", &name])?;
        }
    }
    Ok(())
}

fn remove_all(layout: &Layout) -> Result<()> {
    end_processes(layout)?;
    if layout.dir.exists() {
        // Not over mounts: should a host's mount ever leak, nothing behind it is deleted.
        let output = run(
            Command::new("rm")
                .args(["-rf", "--one-file-system", "--"])
                .arg(&layout.dir),
            Duration::from_secs(60),
        )?;
        output
            .ok()
            .with_context(|| format!("remove {}", layout.dir.display()))?;
    }
    Ok(())
}

/// Removes test beds whose process is gone: one killed before it could clean up.
fn sweep() -> Result<()> {
    let Ok(entries) = fs::read_dir(cgroup2_mount()?) else {
        return Ok(());
    };
    for name in entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        let Some(id) = name.strip_prefix("quorate-bed-t") else {
            continue;
        };
        let Some(pid) = id.split('-').next().and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let id = format!("t{id}");
            let dir = target().join("bed-tests").join(&id);
            remove_all(&Layout {
                id,
                dir,
                hosts: MAX_HOSTS,
            })?;
        }
    }
    Ok(())
}
