//! ClusterLabs fence agents (`fence_*` programs), run unmodified: `key=value` lines on standard input.
//!
//! Their exit code is a claim. A power state is believed only when exit code and printed word agree: 2 means "off"
//! and is also what a shell or an interpreter answers when it cannot even begin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Call, Order, PowerReading, Problem, Sent};
use crate::process::{Cleared, Exit, Outcome, Processes, Spec};

/// Where distributions install them.
const DIRECTORIES: &[&str] = &["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];

/// Agents that are installed here.
pub(super) fn installed() -> Vec<String> {
    let all = DIRECTORIES.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("fence_") && !name.contains('.')).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// One configured agent program.
#[derive(Clone)]
pub struct Exec {
    name: String,
    program: PathBuf,
    params: BTreeMap<String, String>,
    processes: Processes,
}

impl Exec {
    pub(super) fn new(name: &str, params: &BTreeMap<String, String>, processes: Processes) -> Result<Self, Problem> {
        let missing = |hint: String| Problem::NoAgent { agent: name.to_owned(), hint };
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(missing("a fence agent's name has letters, digits, `_` and `-` only".to_owned()));
        }
        let found = DIRECTORIES.iter().map(|d| Path::new(d).join(name)).find(|p| p.is_file());
        let program = found.ok_or_else(|| {
            missing(format!("install it (apt install fence-agents); it was looked for in {}", DIRECTORIES.join(", ")))
        })?;
        for (parameter, value) in params {
            let broken = parameter.contains(['\n', '=']) || value.contains('\n');
            if broken || parameter == "action" || parameter == "option" {
                let why = "cannot be given: it is set by the cluster, or it would break the agent's input".to_owned();
                return Err(Problem::Parameter { agent: name.to_owned(), parameter: parameter.clone(), why });
            }
        }
        Ok(Self { name: name.to_owned(), program, params: params.clone(), processes })
    }

    pub(super) async fn read(&self, call: &Call) -> Result<(PowerReading, Option<String>), Problem> {
        let outcome = self.run("status", call).await?;
        match reading(&outcome) {
            Some(power) => Ok((power, None)),
            None => Err(self.failed("status", &outcome)),
        }
    }

    pub(super) async fn order(&self, order: Order, call: &Call, sent: &mut Sent) -> Result<(), Problem> {
        let mut call = call.clone();
        if let Some(send_by) = call.send_by {
            let left = send_by.left();
            if left.is_zero() {
                return Err(Problem::TooLate { device: self.name.clone() });
            }
            // Nobody sees when the program sends: at the send-by it is dead.
            call.deadline = call.deadline.min(tokio::time::Instant::now() + left);
        }
        *sent = Sent::Maybe;
        let outcome = match self.run(order.name(), &call).await {
            Ok(outcome) => outcome,
            Err(never_ran) => {
                *sent = Sent::No;
                return Err(never_ran);
            }
        };
        match outcome.exit {
            Exit::Code(0) => Ok(()),
            Exit::Code(_) | Exit::Signal(_) | Exit::Deadline => Err(self.failed(order.name(), &outcome)),
        }
    }

    async fn run(&self, action: &'static str, call: &Call) -> Result<Outcome, Problem> {
        let mut spec = Spec::new(format!("{}.{action}", call.action), &self.program, std::time::Duration::ZERO);
        spec.deadline = call.deadline;
        let mut input = format!("action={action}\n");
        for (key, value) in &self.params {
            input.push_str(&format!("{key}={value}\n"));
        }
        spec.stdin = input.into_bytes();
        let failed =
            |e: crate::process::ProcessError| Problem::Agent { agent: self.name.clone(), action, why: e.to_string() };
        self.processes.run(spec).await.map_err(failed)
    }

    fn failed(&self, action: &'static str, outcome: &Outcome) -> Problem {
        let said = [outcome.stderr.last_line(), outcome.stdout.last_line()];
        let said = said.iter().find(|s| !s.is_empty()).map(|s| format!(": {s}")).unwrap_or_default();
        let mut why = match outcome.exit {
            Exit::Code(code) => format!("exit code {code}{said}"),
            Exit::Signal(signal) => format!("killed by signal {signal}{said}"),
            Exit::Deadline => format!("no end within {:.1?}, killed{said}", outcome.took),
        };
        if outcome.cleared == Cleared::Remains {
            why.push_str("; processes of it survive");
        }
        Problem::Agent { agent: self.name.clone(), action, why }
    }
}

impl std::fmt::Debug for Exec {
    /// Without the parameters: passwords are among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program.display())
    }
}

/// The power as an agent's `status` tells it: exit code and word together.
pub(super) fn reading(outcome: &Outcome) -> Option<PowerReading> {
    let text = outcome.stdout.text();
    let said = text.lines().rev().find_map(|l| l.trim().strip_prefix("Status: ")).map(str::trim);
    match (outcome.exit, said) {
        (Exit::Code(0), Some(word)) if word.eq_ignore_ascii_case("on") => Some(PowerReading::On),
        (Exit::Code(2), Some(word)) if word.eq_ignore_ascii_case("off") => Some(PowerReading::Off),
        (Exit::Code(code @ (0 | 2)), said) => Some(PowerReading::Unknown(match said {
            Some(word) => format!("exit code {code}, but it says `{word}`"),
            None => format!("exit code {code} without a `Status:` line"),
        })),
        (Exit::Code(_) | Exit::Signal(_) | Exit::Deadline, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::Captured;

    #[test]
    fn off_is_believed_only_when_code_and_word_agree() {
        let rows = [
            (Exit::Code(0), "Status: ON\n", "on"),
            (Exit::Code(2), "Status: OFF\n", "off"),
            (Exit::Code(2), "", "unknown (exit code 2 without a `Status:` line)"),
            (Exit::Code(2), "Status: ON\n", "unknown (exit code 2, but it says `ON`)"),
            (Exit::Code(0), "Status: OFF\n", "unknown (exit code 0, but it says `OFF`)"),
            (Exit::Code(1), "Status: OFF\n", "none"),
            (Exit::Signal(9), "Status: OFF\n", "none"),
            (Exit::Deadline, "Status: OFF\n", "none"),
        ];
        for (exit, said, want) in rows {
            let stdout = Captured { bytes: said.as_bytes().to_vec(), dropped: 0 };
            let (stderr, took) = (Captured::default(), Duration::ZERO);
            let outcome = Outcome { exit, stdout, stderr, took, cleared: Cleared::Empty, stragglers: false };
            let got = reading(&outcome).map_or("none".to_owned(), |r| r.to_string());
            assert_eq!(got, want, "{exit:?} {said:?}");
        }
    }
}
