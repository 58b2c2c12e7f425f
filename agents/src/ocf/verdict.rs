//! What an agent's end says of the resource: pure, and never more hopeful than the agent.
//!
//! Stopped is said on the agent's own word only. What was there and did not answer, or answered with an error, is
//! taken for there: it has to be stopped before it may be started anywhere.

use super::call::{End, Report};
use super::exit::OcfExit;
use crate::process::Cleared;

/// For which purpose an agent was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Is it there? Asked where nobody knows.
    Probe,
    /// Does it still work? Asked again and again where it runs.
    Watch,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Make it the promoted one.
    Promote,
    /// Make it one of the others.
    Demote,
    /// Have it take over changed parameters.
    Reload,
}

/// What is known of the resource after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It runs.
    Running,
    /// It runs, and is promoted.
    Promoted,
    /// It is not there.
    Stopped,
    /// It is there, at least in part, and does not work.
    Failed(String),
    /// Nobody can say.
    Unknown(String),
}

/// How far an error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Another try may go well.
    Soft,
    /// No try on this node will, until somebody mends it.
    Node,
    /// No try anywhere will, until somebody changes the configuration.
    Everywhere,
}

/// What an agent's end says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is known of the resource.
    pub found: Found,
    /// What went wrong, in words.
    pub error: Option<(String, Reach)>,
}

/// Reads a report.
pub fn verdict(purpose: Purpose, report: &Report) -> Verdict {
    let text = report.to_string();
    if report.cleared == Cleared::Remains {
        let text = format!("{text}; processes of it survive");
        return Verdict { found: Found::Unknown(text.clone()), error: Some((text, Reach::Soft)) };
    }
    let failed = |reach| Verdict { found: Found::Failed(text.clone()), error: Some((text.clone(), reach)) };
    let unknown = |reach| Verdict { found: Found::Unknown(text.clone()), error: Some((text.clone(), reach)) };
    let fine = |found| Verdict { found, error: None };
    let exit = match report.end {
        End::Exit(exit) => exit,
        End::Signal(_) => return failed(Reach::Soft),
        // A probe says what is there or says nothing; a stop may have stopped it at its last moment.
        End::Deadline | End::Limited(_) => {
            return match purpose {
                Purpose::Probe => fine(Found::Unknown(text)),
                Purpose::Stop => unknown(Reach::Soft),
                Purpose::Watch | Purpose::Start | Purpose::Promote | Purpose::Demote | Purpose::Reload => {
                    failed(Reach::Soft)
                }
            };
        }
    };
    let reach = match exit {
        OcfExit::Arguments | OcfExit::Unimplemented | OcfExit::Permission | OcfExit::NotInstalled => Reach::Node,
        OcfExit::NotConfigured => Reach::Everywhere,
        _ => Reach::Soft,
    };
    match (purpose, exit) {
        (Purpose::Start, OcfExit::Success) => fine(Found::Running),
        (Purpose::Start, _) => failed(reach),
        // It has to be started anew to get them.
        (Purpose::Reload, OcfExit::Success) => fine(Found::Running),
        (Purpose::Reload, _) => failed(Reach::Soft),
        (Purpose::Stop, OcfExit::Success | OcfExit::NotRunning) => fine(Found::Stopped),
        (Purpose::Stop, _) => failed(Reach::Soft),
        (Purpose::Promote, OcfExit::Success) => fine(Found::Promoted),
        (Purpose::Demote, OcfExit::Success) => fine(Found::Running),
        // It is not there any more, and nobody wanted that.
        (Purpose::Promote | Purpose::Demote, OcfExit::NotRunning) => {
            Verdict { found: Found::Stopped, error: Some((text, Reach::Soft)) }
        }
        (Purpose::Promote | Purpose::Demote, _) => failed(reach),
        (_, OcfExit::Success | OcfExit::Degraded) => fine(Found::Running),
        (_, OcfExit::RunningPromoted | OcfExit::DegradedPromoted) => fine(Found::Promoted),
        (Purpose::Probe, OcfExit::NotRunning) => fine(Found::Stopped),
        (Purpose::Watch, OcfExit::NotRunning) => Verdict { found: Found::Stopped, error: Some((text, Reach::Soft)) },
        // What is not installed there does not run there, and will not.
        (Purpose::Probe, OcfExit::NotInstalled) => Verdict { found: Found::Stopped, error: Some((text, reach)) },
        // It could not even look: a stop would fail in the same way, and end in a fence.
        (Purpose::Probe, _) if reach != Reach::Soft => unknown(reach),
        (Purpose::Probe | Purpose::Watch, _) => failed(reach),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::Bound;

    fn report(end: End) -> Report {
        Report { end, reason: None, took: Duration::from_secs(20), cleared: Cleared::Empty, stdout: String::new() }
    }

    #[test]
    fn every_exit_code_for_every_purpose() {
        use Purpose::{Demote, Probe, Promote, Reload, Start, Stop, Watch};
        // running, promoted, stopped, failed, unknown; with ! an error, !! for this node, !!! for all
        let rows = [
            (0, ["running", "running", "running", "stopped", "promoted", "running", "running"]),
            (1, ["failed!", "failed!", "failed!", "failed!", "failed!", "failed!", "failed!"]),
            (2, ["unknown!!", "failed!!", "failed!!", "failed!", "failed!!", "failed!!", "failed!"]),
            (3, ["unknown!!", "failed!!", "failed!!", "failed!", "failed!!", "failed!!", "failed!"]),
            (4, ["unknown!!", "failed!!", "failed!!", "failed!", "failed!!", "failed!!", "failed!"]),
            (5, ["stopped!!", "failed!!", "failed!!", "failed!", "failed!!", "failed!!", "failed!"]),
            (6, ["unknown!!!", "failed!!!", "failed!!!", "failed!", "failed!!!", "failed!!!", "failed!"]),
            (7, ["stopped", "stopped!", "failed!", "stopped", "stopped!", "stopped!", "failed!"]),
            (8, ["promoted", "promoted", "failed!", "failed!", "failed!", "failed!", "failed!"]),
            (9, ["failed!", "failed!", "failed!", "failed!", "failed!", "failed!", "failed!"]),
            (190, ["running", "running", "failed!", "failed!", "failed!", "failed!", "failed!"]),
            (191, ["promoted", "promoted", "failed!", "failed!", "failed!", "failed!", "failed!"]),
            (42, ["failed!", "failed!", "failed!", "failed!", "failed!", "failed!", "failed!"]),
            (-1, ["failed!", "failed!", "failed!", "failed!", "failed!", "failed!", "failed!"]),
        ];
        for (code, wanted) in rows {
            for (purpose, wanted) in [Probe, Watch, Start, Stop, Promote, Demote, Reload].into_iter().zip(wanted) {
                let got = verdict(purpose, &report(End::Exit(OcfExit::from(code))));
                assert_eq!(word(&got), wanted, "{purpose:?} {code}");
            }
        }
    }

    #[test]
    fn no_end_is_never_stopped() {
        use Purpose::{Demote, Probe, Promote, Reload, Start, Stop, Watch};
        for (end, wanted) in [
            (End::Deadline, ["unknown", "failed!", "failed!", "unknown!", "failed!", "failed!", "failed!"]),
            (
                End::Limited(Bound::Processes(9)),
                ["unknown", "failed!", "failed!", "unknown!", "failed!", "failed!", "failed!"],
            ),
            (End::Signal(9), ["failed!", "failed!", "failed!", "failed!", "failed!", "failed!", "failed!"]),
        ] {
            for (purpose, wanted) in [Probe, Watch, Start, Stop, Promote, Demote, Reload].into_iter().zip(wanted) {
                assert_eq!(word(&verdict(purpose, &report(end))), wanted, "{purpose:?} {end:?}");
            }
        }
        for code in [0, 7] {
            let remains = Report { cleared: Cleared::Remains, ..report(End::Exit(OcfExit::from(code))) };
            for purpose in [Probe, Watch, Start, Stop, Promote, Demote, Reload] {
                assert_eq!(word(&verdict(purpose, &remains)), "unknown!", "{purpose:?} {code}");
            }
        }
    }

    fn word(verdict: &Verdict) -> String {
        let found = match &verdict.found {
            Found::Running => "running",
            Found::Promoted => "promoted",
            Found::Stopped => "stopped",
            Found::Failed(_) => "failed",
            Found::Unknown(_) => "unknown",
        };
        let error = verdict.error.as_ref().map_or("", |(_, reach)| match reach {
            Reach::Soft => "!",
            Reach::Node => "!!",
            Reach::Everywhere => "!!!",
        });
        format!("{found}{error}")
    }
}
