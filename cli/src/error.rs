//! How a command can fail, in words, and with which exit code.

use quorate_api::{Fault, Reason};
use std::io;
use std::path::PathBuf;

/// The exit codes, as `--help` shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: a defect, a broken host or an unreadable file
  2  the command line makes no sense
  3  refused: the cluster understood, and said no
  4  no quorum or no leader: nothing can be changed now
  5  the daemon cannot be reached
  6  it did not happen in time";

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The daemon's word, or that it could not be reached.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The command line makes no sense.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    /// Not done, for a reason found here.
    #[error("{message}")]
    Refused { message: String, hint: Option<String> },
    /// It was waited for, and did not come.
    #[error("{message}")]
    NotInTime { message: String, hint: Option<String> },
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", .path.display())]
    Save { path: PathBuf, source: io::Error },
    #[error("cannot write the output")]
    Write(#[source] io::Error),
    #[error("the daemon's document {schema} cannot be read: qrm and quorated are of different versions")]
    Document { schema: String, source: serde_json::Error },
}

impl CliError {
    pub(crate) fn usage(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Usage { message: message.into(), hint: hint.map(str::to_owned) }
    }

    pub(crate) fn refused(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Refused { message: message.into(), hint: hint.map(str::to_owned) }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Fault(fault) => match fault.reason {
                Reason::Failed => 1,
                Reason::Invalid
                | Reason::Refused
                | Reason::Stale
                | Reason::NotFound
                | Reason::Denied
                | Reason::NoCluster => 3,
                Reason::NoLeader | Reason::Busy => 4,
                Reason::Unreachable => 5,
                Reason::Timeout => 6,
            },
            Self::Read { .. } | Self::Save { .. } | Self::Write(_) | Self::Document { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Refused { .. } => 3,
            Self::NotInTime { .. } => 6,
        }
    }

    /// The word for programs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.reason.word(),
            Self::Read { .. } | Self::Save { .. } | Self::Write(_) | Self::Document { .. } => "failed",
            Self::Usage { .. } => "usage",
            Self::Refused { .. } => "refused",
            Self::NotInTime { .. } => "timeout",
        }
    }

    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::Fault(fault) => fault.hint.as_deref(),
            Self::Usage { hint, .. } | Self::Refused { hint, .. } | Self::NotInTime { hint, .. } => hint.as_deref(),
            Self::Read { .. } | Self::Save { .. } | Self::Write(_) | Self::Document { .. } => None,
        }
    }

    /// The reader of our output went away, as `head` does: nothing to complain about.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What went wrong with its causes.
    pub(crate) fn words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_exit_code_of_the_table() {
        let check = |reason, code| assert_eq!(CliError::from(Fault::new(reason, "x")).exit_code(), code, "{reason}");
        check(Reason::Failed, 1);
        check(Reason::Invalid, 3);
        check(Reason::Refused, 3);
        check(Reason::Stale, 3);
        check(Reason::NotFound, 3);
        check(Reason::Denied, 3);
        check(Reason::NoCluster, 3);
        check(Reason::NoLeader, 4);
        check(Reason::Busy, 4);
        check(Reason::Unreachable, 5);
        check(Reason::Timeout, 6);
    }
}
