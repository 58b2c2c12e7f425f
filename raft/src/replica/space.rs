//! Watches the disk under the store: a log that cannot be written ends the process. So before that leadership goes to a
//! voter that has room and no more is proposed here; and when it is nearly brimming, nothing more is taken in at all.
//! With room again everything goes on by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::sync::watch::Receiver;
use tokio::task::JoinHandle;

use super::{OpenRaft, Role, Status};
use crate::machine::Machine;
use crate::standing::record::Standing;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);
/// From here on entries are not taken in any more: what is left is for the store's own housekeeping.
const BRIM: u8 = 97;

/// How full the disk is.
pub(crate) struct Space {
    dir: PathBuf,
    limit: u8,
    percent: AtomicU8,
    full: AtomicBool,
}

impl Space {
    pub(crate) fn new(dir: &Path, limit: u8) -> Self {
        let space = Self { dir: dir.to_path_buf(), limit, percent: AtomicU8::new(0), full: AtomicBool::new(false) };
        space.look();
        space
    }

    /// In percent, when it was last looked at.
    pub(crate) fn percent(&self) -> u8 {
        self.percent.load(Ordering::Relaxed)
    }

    /// Whether it is too full for new changes.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether it is too full for anything, as it is now.
    pub(crate) fn is_brimming(&self) -> bool {
        used(&self.dir).is_some_and(|percent| percent >= BRIM.max(self.limit))
    }

    /// Looks; whether something changed.
    fn look(&self) -> bool {
        // What cannot be asked is found out by the next write.
        let Some(percent) = used(&self.dir) else { return false };
        self.percent.store(percent, Ordering::Relaxed);
        let now = percent >= self.limit;
        now != self.full.swap(now, Ordering::Relaxed)
    }
}

/// Starts the watch.
pub(super) fn watch<M: Machine>(
    space: Arc<Space>,
    standing: Arc<Standing>,
    raft: OpenRaft<M>,
    status: Receiver<Status>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let changed = space.look();
            let (full, percent, dir) = (space.is_full(), space.percent(), space.dir.display());
            if changed && full {
                tracing::error!(percent, dir = %dir, "the disk is nearly full: no change is taken here, and leadership is handed over; make room");
            } else if changed {
                tracing::info!(percent, dir = %dir, "there is room on the disk again");
            }
            let heir = if full { heir(&status.borrow(), &standing) } else { None };
            if let Some(heir) = heir {
                // Tried again at the next look while it leads.
                let _ = raft.trigger().transfer_leader(heir).await;
            }
        }
    })
}

/// The voter with the longest log of those that are known to have room, if this member leads. A new leader has not heard
/// from any yet: were that taken for room, members that are all full would pass leadership around for ever.
fn heir(status: &Status, standing: &Standing) -> Option<u64> {
    let stores = standing.stores();
    let has_room = |id: &u64| stores.get(id).is_some_and(|store| !store.full);
    let others = status.members.iter().filter(|(id, m)| m.voter && **id != status.id && has_room(id));
    let longest = others.max_by_key(|(_, m)| m.matched)?;
    (status.role == Role::Leader).then_some(*longest.0)
}

fn used(dir: &Path) -> Option<u8> {
    let found = statvfs(dir).ok()?;
    let used = found.blocks().saturating_sub(found.blocks_free());
    u8::try_from(percent_used(used, found.blocks_available())).ok()
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
