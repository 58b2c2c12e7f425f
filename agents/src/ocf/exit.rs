//! The exit codes of OCF 1.1: what an agent answers, as a value of its own.

use std::fmt;

/// How an agent ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcfExit {
    /// 0: done; of a monitor: it runs.
    Success,
    /// 1
    Generic,
    /// 2: its parameters make no sense on this node.
    Arguments,
    /// 3: it does not know this action.
    Unimplemented,
    /// 4
    Permission,
    /// 5: what it needs is not on this node.
    NotInstalled,
    /// 6: its parameters make no sense anywhere.
    NotConfigured,
    /// 7: known not to be there.
    NotRunning,
    /// 8: runs as the promoted one.
    RunningPromoted,
    /// 9: is the promoted one, and does not work.
    FailedPromoted,
    /// 190: works, and will not for long.
    Degraded,
    /// 191: the same, promoted.
    DegradedPromoted,
    /// Any other, which OCF gives no meaning.
    Other(i32),
}

impl From<i32> for OcfExit {
    fn from(code: i32) -> Self {
        match code {
            0 => Self::Success,
            1 => Self::Generic,
            2 => Self::Arguments,
            3 => Self::Unimplemented,
            4 => Self::Permission,
            5 => Self::NotInstalled,
            6 => Self::NotConfigured,
            7 => Self::NotRunning,
            8 => Self::RunningPromoted,
            9 => Self::FailedPromoted,
            190 => Self::Degraded,
            191 => Self::DegradedPromoted,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for OcfExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, code) = match self {
            Self::Success => ("ok", 0),
            Self::Generic => ("error", 1),
            Self::Arguments => ("bad parameters for this node", 2),
            Self::Unimplemented => ("action not known to the agent", 3),
            Self::Permission => ("not permitted", 4),
            Self::NotInstalled => ("not installed", 5),
            Self::NotConfigured => ("not configured", 6),
            Self::NotRunning => ("not running", 7),
            Self::RunningPromoted => ("running promoted", 8),
            Self::FailedPromoted => ("failed promoted", 9),
            Self::Degraded => ("degraded", 190),
            Self::DegradedPromoted => ("degraded promoted", 191),
            Self::Other(code) => ("exit code without a meaning", *code),
        };
        write!(f, "{words} ({code})")
    }
}
