//! Where everything of one bed lies: directory, cgroups, network namespaces, addresses. Names only; nothing is created here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The most hosts a bed can have: the evidence disk has a ring for each.
pub(crate) const MAX_HOSTS: u32 = 16;

/// Names of everything that belongs to one bed. Beds with different ids do not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Tells beds apart; part of every name outside the bed's directory.
    pub id: String,
    /// The directory that holds all files of the bed.
    pub dir: PathBuf,
    /// How many hosts there are: n1, n2, ...
    pub hosts: u32,
}

impl Layout {
    /// The number of a host by its name.
    ///
    /// # Errors
    /// When the bed has no such host.
    pub fn number(&self, host: &str) -> Result<u32> {
        let number = host.strip_prefix('n').and_then(|n| n.parse().ok()).filter(|n| (1..=self.hosts).contains(n));
        let Some(number) = number else {
            bail!("no host {host:?} in this bed: it has n1 to n{}", self.hosts);
        };
        Ok(number)
    }

    /// The names of all hosts.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        (1..=self.hosts).map(|n| format!("n{n}")).collect()
    }

    /// The directory with all files of one host.
    #[must_use]
    pub fn home(&self, host: &str) -> PathBuf {
        self.dir.join(host)
    }

    /// Storage that all hosts see, there at `/run/quorate-bed/shared`.
    #[must_use]
    pub fn shared(&self) -> PathBuf {
        self.dir.join("shared")
    }

    /// The directory of a host's BMC: mode, configuration, logs.
    #[must_use]
    pub fn bmc_dir(&self, host: &str) -> PathBuf {
        self.dir.join("bmc").join(host)
    }

    /// The log of a host's daemon; it survives power cuts.
    #[must_use]
    pub fn daemon_log(&self, host: &str) -> PathBuf {
        self.home(host).join("log/quorated.log")
    }

    /// The cgroup above everything of this bed.
    ///
    /// # Errors
    /// When the machine has no cgroup v2 hierarchy.
    pub fn cgroup(&self) -> Result<PathBuf> {
        Ok(cgroup2_mount()?.join(format!("quorate-bed-{}", self.id)))
    }

    /// The cgroup of one host; its power switch kills exactly this.
    ///
    /// # Errors
    /// When the machine has no cgroup v2 hierarchy.
    pub fn host_cgroup(&self, host: &str) -> Result<PathBuf> {
        Ok(self.cgroup()?.join(host))
    }

    /// What the names of all network namespaces of this bed begin with.
    #[must_use]
    pub fn netns(&self) -> String {
        format!("qbed-{}", self.id)
    }

    /// The network namespace with the switch and the BMCs.
    #[must_use]
    pub fn switch(&self) -> String {
        format!("{}-sw", self.netns())
    }

    /// The address of a host.
    ///
    /// # Errors
    /// When the bed has no such host.
    pub fn address(&self, host: &str) -> Result<String> {
        Ok(format!("10.99.0.{}", self.number(host)?))
    }

    /// The address of a host's BMC.
    ///
    /// # Errors
    /// When the bed has no such host.
    pub fn bmc_address(&self, host: &str) -> Result<String> {
        Ok(format!("10.99.0.{}", 200 + self.number(host)?))
    }
}

/// Where cgroup v2 is mounted: alone, or beside v1 hierarchies.
pub(crate) fn cgroup2_mount() -> Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/mounts").context("read /proc/mounts")?;
    mounts
        .lines()
        .find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let path = fields.next()?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(path))
        })
        .context(
            "this machine mounts no cgroup v2 hierarchy: mount one with `mount -t cgroup2 none /sys/fs/cgroup/unified`",
        )
}

/// The root of the repository this was built from.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").components().collect::<PathBuf>()
}

/// Where the bed of `cargo xtask bed` lives.
#[must_use]
pub fn default_dir() -> PathBuf {
    target().join("bed")
}

pub(crate) fn target() -> PathBuf {
    let repository = repository();
    // `components` keeps `..`; the canonical form makes paths short and equal for all callers.
    repository.canonicalize().unwrap_or(repository).join("target")
}

/// Where the guest's kernel and initrd are kept between beds.
pub(crate) fn cache() -> PathBuf {
    let chosen = std::env::var_os("QUORATE_BED_CACHE").map(PathBuf::from);
    // Hosts use it from another working directory.
    let chosen = chosen.and_then(|path| std::path::absolute(path).ok());
    chosen.unwrap_or_else(|| target().join("bed-cache"))
}
