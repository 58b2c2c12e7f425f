//! Poison pills: what a host whose feeder reads a slot on shared disks is told to die by, and when what it read allows it
//! to live on.
//!
//! Rule poison pill of docs/safety.md, and docs/decisions/0041-poison-pill.md. Whoever asks brings the time; nothing here
//! reads a clock or a disk.

pub mod disk;
pub mod format;

use crate::config::FenceAction;
use crate::id::SessionId;
use crate::time::BootTime;
use serde::{Deserialize, Serialize};

/// So many disks are more than half of them: what was written to as many is seen by who reads as many.
pub fn majority(disks: usize) -> usize {
    disks / 2 + 1
}

/// The disks that are named in `devices`, in the order written: between them are spaces, commas or semicolons.
pub fn disks(devices: &str) -> Vec<String> {
    let separators = |c: char| c.is_whitespace() || c == ',' || c == ';';
    devices.split(separators).filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// A pill as it is left for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pill {
    /// Where: what the host's feeder reads.
    pub disks: Vec<String>,
    /// Since which opening of its watchdog that feeder reads them: another disk at the same path has no such mark.
    pub opening: String,
    /// For which boot: it is poison to no other.
    pub session: SessionId,
    /// Which pill of that boot's it is: none is taken for another.
    pub note: String,
    /// What the host is to do.
    pub action: FenceAction,
}

/// Where a feeder finds its host's slots, and for which boot of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// The disks; none: its watchdog is fed on the leader's answers alone.
    pub disks: Vec<String>,
    /// The host, as the disks call it.
    pub node: String,
    /// This boot.
    pub session: String,
}

/// A disk as a feeder sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSeen {
    /// Which.
    pub path: String,
    /// Why its slot cannot be read, if so.
    pub trouble: Option<String>,
}

/// A pill that is in its slot, as was read after it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentPill {
    /// The turn of the watchdog that its host had armed.
    pub turn: u64,
    /// Which pill.
    pub note: String,
}

/// When each disk was last read without a pill on it: from when the reading began.
#[derive(Clone, Debug, Default)]
pub struct Looks(Vec<Option<BootTime>>);

impl Looks {
    /// None of so many disks was read yet.
    pub fn new(disks: usize) -> Self {
        Self(vec![None; disks])
    }

    /// There was no pill on this disk when it was read, which began then.
    pub fn clean(&mut self, disk: usize, begun: BootTime) {
        if let Some(at) = self.0.get_mut(disk) {
            *at = (*at).max(Some(begun));
        }
    }

    /// Since when a majority of the disks may have been given a pill, by what was read.
    pub fn since(&self) -> Option<BootTime> {
        let mut last: Vec<Option<BootTime>> = self.0.clone();
        last.sort_unstable_by(|one, other| other.cmp(one));
        last.get(majority(self.0.len()).checked_sub(1)?).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_the_disks_counts_from_when_it_was_read() {
        let mut one = Looks::new(1);
        assert_eq!(one.since(), None);
        one.clean(0, BootTime(5));
        one.clean(0, BootTime(3));
        assert_eq!(one.since(), Some(BootTime(5)), "an answer that comes late takes nothing back");
        let mut three = Looks::new(3);
        three.clean(2, BootTime(9));
        assert_eq!(three.since(), None, "one of three may be the one without the pill");
        three.clean(0, BootTime(4));
        assert_eq!(three.since(), Some(BootTime(4)));
        three.clean(1, BootTime(7));
        assert_eq!(three.since(), Some(BootTime(7)));
        three.clean(3, BootTime(99));
        assert_eq!((three.since(), Looks::default().since()), (Some(BootTime(7)), None));
    }
}
