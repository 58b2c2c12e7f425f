//! A bed from its beginning to its end: what is created, where it is remembered, and how everything is removed again,
//! even after a crash of whoever created it. What can be done to its hosts is in `host.rs` and `services.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bmc::{self, BmcMode};
use crate::evidence::{self, Auditor, Verdict};
use crate::layout::{Layout, MAX_HOSTS};
use crate::options::Options;
use crate::teardown::{end_processes, remove_all, sweep};
use crate::truth::{self, VmProcess};
use crate::{guest, network, setup};

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
            bail!("bed id {:?}: use 1 to 24 letters, digits and dashes", options.id);
        }
        if !(1..=MAX_HOSTS).contains(&options.hosts) {
            bail!("{} hosts: a bed has 1 to {MAX_HOSTS}", options.hosts);
        }
        sweep()?;
        if options.dir.join("bed.json").exists() {
            bail!("there is a bed in {}: `cargo xtask bed down` removes it", options.dir.display());
        }
        let guest = setup::guest_files()?;
        let layout = Layout { id: options.id.clone(), dir: options.dir.clone(), hosts: options.hosts };
        // The remains of a bed that crashed before it was complete.
        remove_all(&layout)?;
        fs::create_dir_all(&layout.dir).with_context(|| format!("create {}", layout.dir.display()))?;
        let layout = Layout { dir: layout.dir.canonicalize()?, ..layout };
        let bed = Bed { layout, options, owned: true };
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
            bail!("no bed in {}: `cargo xtask bed up` makes one", dir.display());
        };
        let options: Options = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        let layout = Layout { id: options.id.clone(), dir: dir.canonicalize()?, hosts: options.hosts };
        Ok(Bed { layout, options, owned: false })
    }

    /// Ends every process of the bed and removes all it created, its directory included.
    ///
    /// # Errors
    /// When something resists.
    pub fn down(mut self) -> Result<()> {
        self.owned = false;
        remove_all(&self.layout)
    }

    /// Ends every process of the bed and keeps its files, above all the logs; returns where they are.
    ///
    /// # Errors
    /// When something resists.
    pub fn down_keeping_files(mut self) -> Result<PathBuf> {
        self.owned = false;
        end_processes(&self.layout)?;
        Ok(self.layout.dir.clone())
    }

    /// Removes whatever is left of a bed with these options, also of one that never came up.
    ///
    /// # Errors
    /// When something resists.
    pub fn clean(options: &Options) -> Result<()> {
        setup::require_root()?;
        remove_all(&Layout { id: options.id.clone(), dir: options.dir.clone(), hosts: options.hosts })
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

    /// Has the temperature sensor of a host's BMC read this; 95 °C is its critical threshold.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn temperature(&self, host: &str, celsius: u8) -> Result<()> {
        self.layout.number(host)?;
        bmc::set_temperature(&self.layout, host, celsius)
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

    /// An address that is neither a host's nor a BMC's and that every host reaches.
    ///
    /// # Errors
    /// When the switch does not take it.
    pub fn gateway(&self) -> Result<String> {
        network::gateway(&self.layout)
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
        let result = if std::thread::panicking() { end_processes(&self.layout) } else { remove_all(&self.layout) };
        if let Err(error) = result {
            eprintln!("the bed {} is not quite gone: {error:#}", self.layout.id);
        }
    }
}
