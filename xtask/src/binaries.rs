//! The programs of this project, built for whoever runs them on the bed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

/// How the daemon is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Quickly, with assertions
    Dev,
    /// Optimised
    Release,
}

/// Builds `quorated` and `qrm`; returns the directory they are in.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--package", "quorate-node", "--package", "quorate-cli", "--bins"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    build.current_dir(repository()?);
    let status = build.status().context("run cargo")?;
    if !status.success() {
        bail!("quorated and qrm do not build: the compiler's words are above");
    }
    location(profile)
}

fn repository() -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    path.canonicalize().with_context(|| format!("the repository is not at {} any more", path.display()))
}

/// Where cargo puts what it builds: beside this program, whatever target directory was chosen.
fn location(profile: Profile) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let target = own.parent().and_then(Path::parent).context("this program lies in no target directory")?;
    Ok(target.join(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    }))
}
