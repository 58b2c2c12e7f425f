//! Watches the disk under the store: a log that cannot be written ends the process, so before
//! that no more is proposed here, and leadership goes to a voter that has room.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::sync::watch::Receiver;
use tokio::task::JoinHandle;

use super::{OpenRaft, Options, Role, Status};
use crate::machine::Machine;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// Starts the watch; the flag says whether the disk is too full to propose.
pub(super) fn watch<M: Machine>(
    options: &Options,
    raft: OpenRaft<M>,
    status: Receiver<Status>,
) -> (JoinHandle<()>, Arc<AtomicBool>) {
    let (dir, limit) = (options.dir.clone(), options.full_percent);
    let full = Arc::new(AtomicBool::new(is_full(&dir, limit)));
    let flag = full.clone();
    let task = tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let now = is_full(&dir, limit);
            if now != flag.swap(now, Ordering::Relaxed) {
                tracing::warn!(full = now, dir = %dir.display(), "room under the log store");
            }
            let heir = if now { heir(&status.borrow()) } else { None };
            if let Some(heir) = heir {
                // Tried again at the next look while it leads.
                let _ = raft.trigger().transfer_leader(heir).await;
            }
        }
    });
    (task, full)
}

/// The voter with the longest log, if this member leads.
fn heir(status: &Status) -> Option<u64> {
    let others = status.members.iter().filter(|(id, m)| m.voter && **id != status.id);
    let longest = others.max_by_key(|(_, m)| m.matched)?;
    (status.role == Role::Leader).then_some(*longest.0)
}

fn is_full(dir: &Path, limit: u8) -> bool {
    let Ok(found) = statvfs(dir) else {
        // What cannot be asked is found out by the next write.
        return false;
    };
    let used = found.blocks().saturating_sub(found.blocks_free());
    percent_used(used, found.blocks_available()) >= u64::from(limit)
}

/// As `df` has it, which is what people look at: blocks that the file system reserves are neither used nor free.
fn percent_used(used: u64, available: u64) -> u64 {
    (used * 100).checked_div(used + available).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::percent_used;

    #[test]
    fn reserved_blocks_are_neither_used_nor_free() {
        // Of 1000 blocks 500 are reserved, 300 used.
        assert_eq!(percent_used(300, 200), 60);
        assert_eq!(percent_used(300, 0), 100);
        assert_eq!(percent_used(0, 0), 0, "a file system without blocks is never full");
    }
}
