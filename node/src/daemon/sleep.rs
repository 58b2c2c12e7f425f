//! Keeps this host from falling asleep, as rule breathing of SAFETY.md has it: a host that sleeps is silent with its VMs'
//! memory in it, is taken for dead, and would wake up with VMs that run elsewhere by then.
//!
//! systemd's targets are masked until the next boot. Where that did not come about, the survey of the host says so.

use quorate_agents::process::{Exit, Processes, Spec};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What `--sleep-mask` is unless somebody says otherwise.
pub(super) const MASK: &str = "/usr/bin/systemctl mask --runtime sleep.target suspend.target hibernate.target \
                               hybrid-sleep.target suspend-then-hibernate.target";
/// A service manager that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Exists where systemd runs.
const SYSTEMD: &str = "run/systemd/system";
/// Every way to sleep pulls this one in; where a mask of it may be, in the order of systemd.unit(5).
const MASKS: [&str; 3] =
    ["etc/systemd/system/sleep.target", "run/systemd/system/sleep.target", "run/systemd/system.control/sleep.target"];
/// What a masked unit is a link to.
const NOTHING: &str = "/dev/null";

/// Masks sleep by this program and its arguments, with blanks between. A host without it (no systemd) cannot be sent to
/// sleep that way either.
pub async fn mask(processes: &Processes, command: &str) {
    let mut words = command.split_whitespace();
    let Some(program) = words.next().filter(|program| Path::new(program).exists()) else { return };
    match processes.run(Spec::new("sleep-mask", program, PATIENCE).args(words)).await {
        Ok(outcome) if outcome.exit == Exit::Code(0) => {}
        Ok(outcome) => {
            let said = outcome.stderr.text();
            tracing::warn!(command, said = said.trim(), "sleep could not be masked");
        }
        Err(error) => tracing::warn!(command, %error, "sleep could not be masked"),
    }
}

/// What is to be said of a host that may fall asleep; `root` is where its file system begins.
pub(super) fn finding(root: &Path) -> Option<String> {
    let is_masked = |at: &&str| fs::read_link(root.join(at)).is_ok_and(|target| target == Path::new(NOTHING));
    let may_sleep = root.join(SYSTEMD).exists() && !MASKS.iter().any(is_masked);
    may_sleep.then(|| "this host may fall asleep with its VMs: systemctl mask sleep.target".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_host_may_sleep_where_systemd_runs_and_nothing_is_masked() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(finding(root.path()), None, "there is no systemd to send it to sleep");
        fs::create_dir_all(root.path().join(SYSTEMD)).expect("a directory");
        assert!(finding(root.path()).is_some_and(|text| text.contains("systemctl mask sleep.target")));
        let at = root.path().join(MASKS[1]);
        symlink("/usr/lib/systemd/system/sleep.target", &at).expect("a link");
        assert!(finding(root.path()).is_some(), "a link elsewhere is no mask");
        fs::remove_file(&at).expect("it is there");
        symlink(NOTHING, &at).expect("a link");
        assert_eq!(finding(root.path()), None);
    }
}
