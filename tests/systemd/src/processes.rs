//! The processes of a unit: those of the sessions that it began.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Every process of one of these sessions that lives: its id, and its command line.
pub fn of_sessions(sessions: &[i32]) -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let lives = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may hold anything.
        let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
        let (state, session) = (fields.next()?, fields.nth(2)?.parse::<i32>().ok()?);
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
        (sessions.contains(&session) && !matches!(state, "Z" | "X")).then_some((pid, line))
    };
    pids.filter_map(lives).collect()
}

/// Sends a signal to all of them.
pub fn signal(pids: impl IntoIterator<Item = i32>, signal: Signal) {
    for pid in pids {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
