//! The disk itself: a block device, or a file that every host has. It is read and written past every cache.

use nix::libc::{O_CLOEXEC, O_DIRECT, O_EXCL, O_SYNC};
use quorate_core::pill::disk::{ALIGNED, Disk, Room, Sectors};
use quorate_core::pill::format::{Header, SECTOR_LEAST, SLOTS};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whatever else may be on a disk leaves traces in as many bytes at one of its ends.
const LOOKED_AT: u64 = 1024 * 1024;

#[allow(unsafe_code, missing_docs)]
mod calls {
    // The kernel's number for it is no well-formed one.
    nix::ioctl_read_bad!(sector_size, nix::libc::BLKSSZGET, nix::libc::c_int);
}

/// An open file, and its name for errors.
#[derive(Debug)]
pub struct Direct {
    file: File,
    path: PathBuf,
}

impl Direct {
    fn open(path: &Path, writes: bool, flags: i32) -> Result<Self, String> {
        let flags = O_DIRECT | O_SYNC | O_CLOEXEC | flags;
        let opened = OpenOptions::new().read(true).write(writes).custom_flags(flags).open(path);
        let file = opened.map_err(|error| format!("{}: it cannot be opened: {error}", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    fn named(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.path.display())
    }

    fn is_block(&self) -> bool {
        self.file.metadata().is_ok_and(|data| data.file_type().is_block_device())
    }

    /// Bytes of a sector; a file has the least.
    #[allow(unsafe_code)]
    fn sector(&self) -> Result<usize, String> {
        if !self.is_block() {
            return Ok(SECTOR_LEAST);
        }
        let mut bytes = 0;
        // SAFETY: the descriptor is open, and the call writes the one number that it is given.
        let asked = unsafe { calls::sector_size(self.file.as_raw_fd(), &raw mut bytes) };
        asked.map_err(|error| self.named(format!("its sectors are not known: {error}")))?;
        let sector = usize::try_from(bytes).ok().filter(|sector| (SECTOR_LEAST..=ALIGNED).contains(sector));
        sector.ok_or_else(|| self.named(format!("sectors of {bytes} bytes are not for slots")))
    }
}

impl Sectors for Direct {
    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, String> {
        let mut room = Room::new(length);
        let read = self.file.read_exact_at(room.bytes(), at);
        read.map_err(|error| self.named(format!("it cannot be read: {error}")))?;
        Ok(room.bytes().to_vec())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), String> {
        let mut room = Room::new(bytes.len());
        room.bytes().copy_from_slice(bytes);
        let written = self.file.write_all_at(room.bytes(), at);
        written.map_err(|error| self.named(format!("it cannot be written: {error}")))
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Opens a disk that was prepared.
///
/// # Errors
/// When it cannot be opened, or there are no slots on it.
pub fn open(path: &Path, writes: bool) -> Result<Disk<Direct>, String> {
    Disk::open(Direct::open(path, writes, 0)?).map_err(|error| match error.starts_with('/') {
        true => error,
        false => format!("{}: {error}", path.display()),
    })
}

/// Prepares a disk: a header and empty slots. What has anything on it is left alone, unless `force` says that it may be lost.
///
/// # Errors
/// When something is on it or uses it, it is too small, or does not answer.
pub fn init(path: &Path, watchdog: Duration, force: bool) -> Result<Header, String> {
    let is_block = std::fs::metadata(path).is_ok_and(|data| data.file_type().is_block_device());
    // What is mounted, or part of something else, cannot be opened so.
    let mut disk = Direct::open(path, true, if is_block { O_EXCL } else { 0 })?;
    let sector = disk.sector()?;
    let size = disk.file.seek(SeekFrom::End(0)).map_err(|error| disk.named(error))?;
    let needed = (u64::from(SLOTS) * 2 + 1) * sector as u64;
    if size < needed {
        return Err(disk.named(format!("{size} bytes are too few: {needed} are needed")));
    }
    if !force && let Some(what) = content(&disk, size)? {
        let path = path.display();
        return Err(disk.named(format!(
            "{what}; nothing was written. If it may be lost: `qrm fence prepare-disk {path} --force`"
        )));
    }
    let watchdog = u32::try_from(watchdog.as_secs()).unwrap_or(u32::MAX);
    let uuid = Some(uuid::Uuid::new_v4().into_bytes());
    let header = Header { slots: SLOTS, sector, watchdog, take: 2, each: 1, wait: watchdog.saturating_mul(2), uuid };
    disk.write(sector as u64, &vec![0; usize::from(SLOTS) * 2 * sector])?;
    // The header comes last: what was cut short is no prepared disk.
    disk.write(0, &header.write())?;
    Ok(header)
}

/// What is on a disk, as far as its ends tell.
fn content(disk: &Direct, size: u64) -> Result<Option<String>, String> {
    let whole = size - size % ALIGNED as u64;
    let length = whole.min(LOOKED_AT);
    let bytes = usize::try_from(length).expect("a mebibyte fits");
    let first = disk.read(0, bytes)?;
    if let Some(header) = Header::read(&first) {
        let owner = |slot: usize| quorate_core::pill::format::owner(first.get(header.sector * (1 + 2 * slot)..)?);
        let names: Vec<String> = (0..usize::from(header.slots)).filter_map(owner).map(|owner| owner.name).collect();
        let of = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        return Ok(Some(format!("it is prepared already, and has slots of {of}")));
    }
    let last = disk.read(whole - length, bytes)?;
    let is_empty = [first, last].iter().flatten().all(|byte| *byte == 0);
    Ok((!is_empty).then(|| "something is on it".to_owned()))
}
