//! Was a guest ever running twice? Answered from what the guests wrote to their evidence disks, by nobody else's word.
//!
//! Sector 0 of the disk holds the last record of whichever life of the guest wrote last; from sector 64 on, every host has a
//! ring with the records written there. A record names its life, its tick and the record it found in sector 0 just before
//! (`prev`). As long as one life runs at a time, the records form a single chain; two at a time fork or interleave it.

mod analysis;
mod auditor;

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::layout::MAX_HOSTS;
pub use analysis::Violation;
pub(crate) use auditor::audit;
pub use auditor::{Auditor, Life, Verdict};

const SECTOR: u64 = 512;
const FIRST_RING_SECTOR: u64 = 64;
/// At five ticks a second almost seven minutes per host.
const RING_SECTORS: u64 = 2048;

/// The size of an evidence disk. Host numbers begin at 1; ring 0 takes records of a guest that could not read its host.
pub(crate) const EVIDENCE_BYTES: u64 = (FIRST_RING_SECTOR + (MAX_HOSTS as u64 + 1) * RING_SECTORS + 1) * SECTOR;

/// One thing a guest wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) host: String,
    pub(crate) boot: String,
    pub(crate) run: String,
    pub(crate) tick: u64,
    pub(crate) prev: Option<(String, u64)>,
}

impl Record {
    /// Reads a sector; `None` for one never written, or half written while it was read.
    pub(crate) fn parse(sector: &[u8]) -> Option<Record> {
        let end = sector.iter().position(|b| *b == b'\n')?;
        let (text, sum) = std::str::from_utf8(sector.get(..end)?).ok()?.rsplit_once(" sum=")?;
        if u64::from_str_radix(sum, 16) != Ok(fnv(text.as_bytes())) {
            return None;
        }
        let text = text.strip_prefix("QBED ")?;
        let field = |key: &str| text.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
        let prev = field("prev")?.split_once(':').and_then(|(run, tick)| Some((run.to_owned(), tick.parse().ok()?)));
        Some(Record {
            host: field("host")?.to_owned(),
            boot: field("boot")?.to_owned(),
            run: field("run")?.to_owned(),
            tick: field("tick")?.parse().ok()?,
            prev,
        })
    }
}

/// FNV-1a; the guest computes the same.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The last record written by any life of the guest.
pub(crate) fn last(disk: &Path) -> Result<Option<Record>> {
    let mut sector = [0; SECTOR as usize];
    let file = File::open(disk).with_context(|| format!("open {}", disk.display()))?;
    match file.read_exact_at(&mut sector, 0) {
        Ok(()) => Ok(Record::parse(&sector)),
        // It is being made: nobody has written to it yet.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", disk.display())),
    }
}

/// Every record still in the rings.
pub(crate) fn records(disk: &Path) -> Result<Vec<Record>> {
    let bytes = std::fs::read(disk).with_context(|| format!("read {}", disk.display()))?;
    let rings = bytes.get((FIRST_RING_SECTOR * SECTOR) as usize..).unwrap_or_default();
    Ok(rings.chunks(SECTOR as usize).filter_map(Record::parse).collect())
}
