//! The programs of this project, built for whoever runs them on the bed.

use std::path::PathBuf;

use anyhow::Result;
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
    quorate_bed::binaries::build(profile == Profile::Release)
}
