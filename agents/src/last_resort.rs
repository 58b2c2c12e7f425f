//! The end of a worker whose session is over: the host goes down, now, whatever else hangs.
//!
//! Killing the VMs is `VmBackend::kill_all`, which needs neither libvirt nor a runtime. Nothing here asks whether it
//! should be done.

use nix::sys::reboot::{RebootMode, reboot};

use crate::process::run_blocking;

/// Reboots this host at once, without shutting anything down. With a command that one is run instead (a host that is
/// a namespace or a container has no machine of its own to reboot). Returns only when it did not work.
pub fn reboot_now(command: Option<&[String]>) -> std::io::Error {
    match command {
        Some([program, args @ ..]) => match run_blocking(program, args) {
            Ok(status) if status.success() => {
                // The command has taken the host down or is about to: wait for it, but not for ever.
                std::thread::sleep(std::time::Duration::from_secs(10));
                std::io::Error::other(format!("{program} ended well, but this host is still up"))
            }
            Ok(status) => std::io::Error::other(format!("{program}: {status}")),
            Err(e) => e,
        },
        Some([]) => std::io::Error::other("the reboot command is empty"),
        None => match reboot(RebootMode::RB_AUTOBOOT) {
            Ok(never) => match never {},
            Err(e) => e.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_cannot_work_is_told() {
        let command = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let rows = [
            (command(&["/nonexistent"]), "No such file"),
            (command(&["/bin/false"]), "exit status: 1"),
            (vec![], "empty"),
        ];
        for (command, want) in rows {
            let error = reboot_now(Some(&command)).to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
