//! ClusterLabs fence agents (`fence_*` programs), run unmodified: `key=value` lines on standard input.
//!
//! Their exit code is a claim. A power state is believed only when exit code and printed word agree: 2 means "off"
//! and is also what a shell or an interpreter answers when it cannot even begin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Call, Order, PowerReading, Problem, Sent};
use crate::process::{Cleared, Exit, Outcome, Processes, Spec};
use quorate_core::config::DeviceCall;
use quorate_core::text::printable;
use tokio::time::Instant;

/// Characters of an agent's last words that are kept.
const SAID_KEPT: usize = 400;
/// So many names of a list are kept.
const LISTED_MOST: usize = 4096;

/// Where distributions install them.
const DIRECTORIES: &[&str] = &["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];

/// Agents that call everything off that their device does not call on, and so what it did not understand, too: theirs is
/// believed of a plug only that is in their list at the same time.
const LISTS_WHAT_IS_OFF: &[&str] = &["fence_virsh"];

/// Agents that are installed here.
pub(super) fn installed() -> Vec<String> {
    let all = DIRECTORIES.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("fence_") && !name.contains('.')).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Where an agent is.
pub(super) fn find(name: &str) -> Result<PathBuf, Problem> {
    let missing = |hint: String| Problem::NoAgent { agent: name.to_owned(), hint };
    if !name.starts_with("fence_") || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        let hint = "a fence agent's name begins with fence_ and has letters, digits, `_` and `-` only";
        return Err(missing(hint.to_owned()));
    }
    let found = DIRECTORIES.iter().map(|d| Path::new(d).join(name)).find(|p| p.is_file());
    found.ok_or_else(|| {
        missing(format!("install it (apt install fence-agents); it was looked for in {}", DIRECTORIES.join(", ")))
    })
}

/// One configured agent program.
#[derive(Clone)]
pub struct Exec {
    name: String,
    program: PathBuf,
    params: BTreeMap<String, String>,
    processes: Processes,
    /// How its actions are called, where that is not as usual.
    calls: BTreeMap<&'static str, DeviceCall>,
}

impl Exec {
    pub(super) fn new(name: &str, params: &BTreeMap<String, String>, processes: Processes) -> Result<Self, Problem> {
        let program = find(name)?;
        for (parameter, value) in params {
            let broken = parameter.contains(['\n', '=']) || value.contains('\n');
            if broken || parameter == "action" || parameter == "option" {
                let why = "cannot be given: it is set by the cluster, or it would break the agent's input".to_owned();
                return Err(Problem::Parameter { agent: name.to_owned(), parameter: parameter.clone(), why });
            }
        }
        Ok(Self { name: name.to_owned(), program, params: params.clone(), processes, calls: BTreeMap::new() })
    }

    pub(super) fn called(&mut self, action: &'static str, call: DeviceCall) {
        self.calls.insert(action, call);
    }

    pub(super) async fn read(&self, call: &Call) -> Result<(PowerReading, Option<String>), Problem> {
        let call = self.limited("status", call);
        let mut tried = 0;
        loop {
            tried += 1;
            let outcome = self.run("status", &call, tried).await?;
            match reading(&outcome) {
                Some(PowerReading::Off) => return Ok((self.off_if_listed(&call).await?, None)),
                Some(power) => return Ok((power, None)),
                None if self.may_try_again("status", tried, &call) => {}
                None => return Err(self.failed("status", &outcome)),
            }
        }
    }

    /// Off, by an agent that has just said so.
    async fn off_if_listed(&self, call: &Call) -> Result<PowerReading, Problem> {
        if !LISTS_WHAT_IS_OFF.contains(&self.name.as_str()) {
            return Ok(PowerReading::Off);
        }
        let plug = ["plug", "port"].iter().find_map(|name| self.params.get(*name)).map_or("", String::as_str);
        if self.list(call).await?.iter().any(|listed| listed == plug) {
            return Ok(PowerReading::Off);
        }
        let why = format!(
            "{} says off of what it does not list (`{}`), as it does where its command is not there: have the login run it \
             on the hypervisor, and name the domain by its name",
            self.name,
            printable(plug, SAID_KEPT)
        );
        Ok(PowerReading::Unknown(why))
    }

    /// What the device calls the hosts that it is for.
    pub(super) async fn list(&self, call: &Call) -> Result<Vec<String>, Problem> {
        let outcome = self.run("list", &self.limited("list", call), 1).await?;
        if outcome.exit != Exit::Code(0) {
            return Err(self.failed("list", &outcome));
        }
        // `PLUG,NAME` in each line; what follows a second comma is the plug's state.
        let text = outcome.stdout.text();
        let names = text.lines().flat_map(|line| line.split(',').take(2)).map(|name| name.trim().to_owned());
        Ok(names.filter(|name| !name.is_empty()).take(LISTED_MOST).collect())
    }

    pub(super) async fn order(&self, order: Order, call: &Call, sent: &mut Sent) -> Result<(), Problem> {
        let mut call = self.limited(order.name(), call);
        let mut tried = 0;
        loop {
            tried += 1;
            if let Some(send_by) = call.send_by {
                let left = send_by.left();
                if left.is_zero() {
                    return Err(Problem::TooLate { device: self.name.clone() });
                }
                // Nobody sees when the program sends: at the send-by it is dead.
                call.deadline = call.deadline.min(Instant::now() + left);
            }
            let before = std::mem::replace(sent, Sent::Maybe);
            let outcome = match self.run(order.name(), &call, tried).await {
                Ok(outcome) => outcome,
                Err(never_ran) => {
                    *sent = before;
                    return Err(never_ran);
                }
            };
            match outcome.exit {
                Exit::Code(0) => return Ok(()),
                Exit::Code(_) | Exit::Signal(_) if self.may_try_again(order.name(), tried, &call) => {}
                _ => return Err(self.failed(order.name(), &outcome)),
            }
        }
    }

    /// Ends no later than the device's own time for this action.
    fn limited(&self, action: &str, call: &Call) -> Call {
        let own = self.calls.get(action).and_then(|call| call.timeout);
        let deadline = own.map_or(call.deadline, |own| call.deadline.min(Instant::now() + own));
        Call { deadline, ..call.clone() }
    }

    fn may_try_again(&self, action: &str, tried: u32, call: &Call) -> bool {
        self.calls.get(action).is_some_and(|of| tried < of.tries) && Instant::now() < call.deadline
    }

    async fn run(&self, action: &'static str, call: &Call, tried: u32) -> Result<Outcome, Problem> {
        let id = format!("{}.{action}.{tried}", call.action);
        let mut spec = Spec::new(id, &self.program, std::time::Duration::ZERO);
        spec.deadline = call.deadline;
        let word = self.calls.get(action).map_or(action, |of| of.word.as_str());
        let mut input = format!("action={word}\n");
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
        let said = said.iter().find(|s| !s.is_empty()).map(|s| printable(s, SAID_KEPT));
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let mut why = match outcome.exit {
            Exit::Code(code) => format!("exit code {code}{said}"),
            Exit::Signal(signal) => format!("killed by signal {signal}{said}"),
            Exit::Deadline => format!("no end within {:.1?}, killed{said}", outcome.took),
            Exit::Limited(bound) => format!("it ran into its {bound}, killed{said}"),
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
            Some(word) => format!("exit code {code}, but it says `{}`", printable(word, SAID_KEPT)),
            None => format!("exit code {code} without a `Status:` line"),
        })),
        (Exit::Code(_) | Exit::Signal(_) | Exit::Deadline | Exit::Limited(_), _) => None,
    }
}

#[cfg(test)]
#[path = "exec_bad_tests.rs"]
mod bad_tests;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::{Bound, Captured};

    /// An agent of the test's own: a shell script that finds its directory in `$0`.
    fn agent(script: &str) -> (tempfile::TempDir, Exec) {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("fence_test");
        let text =
            format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"; cat >in; echo \"$(tr '\\n' ' ' <in)\" >>calls\n{script}\n");
        std::fs::write(&program, text).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let params = BTreeMap::from([("plug".to_owned(), "7".to_owned())]);
        let (name, processes) = ("fence_test".to_owned(), Processes::new(None));
        (dir, Exec { name, program, params, processes, calls: BTreeMap::new() })
    }

    fn calls(dir: &tempfile::TempDir) -> Vec<String> {
        let text = std::fs::read_to_string(dir.path().join("calls")).unwrap_or_default();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn as_said(word: &str, tries: u32, timeout: Option<Duration>) -> DeviceCall {
        DeviceCall { word: word.to_owned(), timeout, tries }
    }

    #[tokio::test]
    async fn an_action_has_the_word_the_tries_and_the_time_that_its_device_gives_it() {
        let (dir, mut agent) = agent("[ $(wc -l <calls) -ge 3 ] || { echo busy >&2; exit 1; }");
        agent.called("off", as_said("disable", 3, None));
        let (call, mut sent) = (Call::new("f1", Duration::from_secs(20)), Sent::No);
        agent.order(Order::Off, &call, &mut sent).await.expect("the third try succeeds");
        assert_eq!((calls(&dir), sent), (vec!["action=disable plug=7".to_owned(); 3], Sent::Maybe));

        let (dir, mut agent) = self::agent("echo busy >&2; exit 1");
        agent.called("off", as_said("off", 2, None));
        let error = agent.order(Order::Off, &call, &mut sent).await.expect_err("every try fails").to_string();
        assert!(error.contains("fence_test off: exit code 1: busy"), "{error}");
        assert_eq!(calls(&dir).len(), 2);

        let (dir, mut agent) = self::agent("sleep 20");
        agent.called("status", as_said("monitor", 5, Some(Duration::from_millis(300))));
        let begun = Instant::now();
        let error = agent.read(&call).await.expect_err("it hangs").to_string();
        assert!(error.contains("no end within") && begun.elapsed() < Duration::from_secs(3), "{error}");
        assert_eq!(calls(&dir), ["action=monitor plug=7"], "a deadline is no reason for another try");
    }

    #[tokio::test]
    async fn after_its_send_by_nothing_is_tried_again() {
        let (dir, mut agent) = agent("sleep 0.2; exit 1");
        agent.called("off", as_said("off", 9, None));
        let soon = crate::fence::BootTime(crate::fence::BootTime::now().0 + Duration::from_millis(500));
        let call = Call::new("f1", Duration::from_secs(20)).send_by(soon);
        let mut sent = Sent::No;
        agent.order(Order::Off, &call, &mut sent).await.expect_err("it is too late");
        assert!((1..=3).contains(&calls(&dir).len()), "{:?}", calls(&dir));
        assert_eq!(sent, Sent::Maybe);
    }

    #[tokio::test]
    async fn a_list_names_plugs_and_hosts() {
        let (_dir, agent) = agent("printf '1,n1\\n2,n2,ON\\n\\nvm3\\n'");
        let listed = agent.list(&Call::new("f1", Duration::from_secs(20))).await.expect("a list");
        assert_eq!(listed, ["1", "n1", "2", "n2", "vm3"]);
        let (_dir, agent) = self::agent("exit 1");
        assert!(agent.list(&Call::new("f1", Duration::from_secs(20))).await.is_err());
    }

    #[tokio::test]
    async fn what_takes_every_answer_for_off_is_believed_of_what_it_lists() {
        let says = |listed: &str| {
            format!("grep -q action=list in && {{ printf '{listed}'; exit 0; }}; echo Status: OFF; exit 2")
        };
        let call = Call::new("f1", Duration::from_secs(20));
        for (name, listed, wanted) in [
            ("fence_virsh", "7,\\nother,\\n", "off"),
            ("fence_virsh", "", "unknown (fence_virsh says off of what it does not list (`7`)"),
            ("fence_virsh", "77,\\n", "unknown (fence_virsh says off of what it does not list (`7`)"),
            ("fence_test", "", "off"),
        ] {
            let (_dir, mut agent) = agent(&says(listed));
            agent.name = name.to_owned();
            let (power, _) = agent.read(&call).await.expect("a reading");
            assert!(power.to_string().starts_with(wanted), "{name} lists {listed:?}: {power}");
        }
    }

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
            (Exit::Limited(Bound::Processes(9)), "Status: OFF\n", "none"),
            (Exit::Code(0), "Status: \u{1b}[2J\n", "unknown (exit code 0, but it says `\u{fffd}[2J`)"),
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
