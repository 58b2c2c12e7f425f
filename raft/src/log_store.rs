//! Vote and log in sled. The only file that names sled.
//!
//! What it must know about sled 0.34, all of it measured:
//! - What sled takes for written to stable storage is not; `real_sync` makes it so. On top of
//!   that every `flush()` is followed by an fdatasync here, on a descriptor opened before the
//!   first write so that no write-back error is missed.
//! - A page that grows over a quarter of a segment (128 KiB) is put in a file of its own which
//!   nothing ever syncs. A page holds up to 17 values, so the value size that keeps every page
//!   small enough is 4 KiB, well below the 64 KiB a single value could have. Entries are cut
//!   into such chunks.
//! - An index file it was writing when the power went (`*.generating`) makes it refuse to open,
//!   though it is of no use to it; and a first start that was cut short can do the same. So the
//!   former is removed, and a new store is made aside and then renamed.
//! - It creates an empty store where it finds none. A member that had one must not come back
//!   with an empty vote, so a directory without its files is damage.
//!
//! An entry is `index ++ chunk number -> chunk`, its envelope across the chunks. Chunks are
//! written upwards and removed downwards, and sled recovers a prefix of what was written, so
//! only the newest entry can be found in part, and then it was never acknowledged.
//!
//! It does not decide when to sync (`log` does) nor what a failure means.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::codec::{self, CodecError, Kind};
use crate::error::{StoreError, StoreFailed};
use crate::real_sync;
use crate::types::{Entry, LogId, Vote};
use crate::wire::{self, LogIdV1, V1, VoteV1};

/// The largest value ever given to sled; see the module text.
const MAX_VALUE: usize = 4096;
/// sled's page cache: the log itself is cached by its readers.
const CACHE: u64 = 8 * 1024 * 1024;

/// How long the lock of a store may be held after its last use.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

const VOTE: &[u8] = b"vote";
const PURGED: &[u8] = b"purged";
const COMMITTED: &[u8] = b"committed";
const OPENED: &[u8] = b"opened";

/// The open store.
pub(crate) struct LogStore {
    db: sled::Db,
    log: sled::Tree,
    meta: sled::Tree,
    /// sled's data file, for the fdatasync it does not do.
    data: File,
    dir: PathBuf,
}

/// What was found in the store when it was opened.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    /// All entries above `purged`, without a gap.
    pub(crate) entries: Vec<Entry>,
    /// Entries a purge marked but did not come to remove.
    pub(crate) leftover: Range<u64>,
    /// How often the store was opened; a copy of an older one was opened less often.
    pub(crate) opened: u64,
}

impl LogStore {
    /// Opens or creates the store and reads all of it, so that damage shows now and not when
    /// an entry is wanted.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Found), StoreError> {
        if !dir.exists() {
            Self::create(dir)?;
        }
        let (lost, unfinished) = inspect(dir).map_err(|e| StoreError::io("list", dir, e))?;
        if let Some(name) = lost {
            return Err(StoreError::damaged(dir, format!("its file {name} is gone")));
        }
        for path in unfinished {
            std::fs::remove_file(&path).map_err(|e| StoreError::io("remove", path, e))?;
        }
        forget_cached(dir).map_err(|e| StoreError::io("sync", dir, e))?;
        // sled asserts on some kinds of damage.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let store = Self::open_patiently(dir)?;
            let mut found = store.load()?;
            found.opened = store.prove_durable()?;
            Ok((store, found))
        }));
        opened.unwrap_or_else(|_| Err(StoreError::damaged(dir, "the embedded store gave up on it")))
    }

    /// Makes an empty store that is either there completely or not at all.
    fn create(dir: &Path) -> Result<(), StoreError> {
        let aside = dir.with_extension("creating");
        if aside.exists() {
            std::fs::remove_dir_all(&aside).map_err(|e| StoreError::io("remove", &aside, e))?;
        }
        std::fs::create_dir_all(&aside).map_err(|e| StoreError::io("create", &aside, e))?;
        Self::open_sled(&aside)?.prove_durable()?;
        std::fs::rename(&aside, dir).map_err(|e| StoreError::io("rename", aside, e))?;
        match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => sync_path(parent),
            None => sync_path(Path::new(".")),
        }
    }

    /// Writes something, and sees that it was synced on its way.
    fn prove_durable(&self) -> Result<u64, StoreError> {
        let before = real_sync::calls();
        let opened = self.meta.get(OPENED).map_err(|e| open_error(&self.dir, e))?;
        let opened = opened.and_then(|v| v.as_ref().try_into().ok()).map_or(0, u64::from_le_bytes).wrapping_add(1);
        let failing = |e: StoreFailed| StoreError::io("write to", &self.dir, std::io::Error::other(e));
        put(&self.meta, OPENED, &opened.to_le_bytes()).map_err(failing)?;
        self.sync().map_err(failing)?;
        if real_sync::calls() == before {
            return Err(StoreError::NotDurable { path: self.dir.clone() });
        }
        // sled creates and renames without syncing directories, and writes one file unsynced.
        let listed = std::fs::read_dir(&self.dir).map_err(|e| StoreError::io("list", &self.dir, e));
        for entry in listed?.flatten() {
            sync_path(&entry.path())?;
        }
        sync_path(&self.dir)?;
        Ok(opened)
    }

    /// sled's threads let go of a store's lock a little after it was closed.
    fn open_patiently(dir: &Path) -> Result<Self, StoreError> {
        let end = Instant::now() + LOCK_PATIENCE;
        loop {
            match Self::open_sled(dir) {
                Err(StoreError::InUse { .. }) if Instant::now() < end => {
                    std::thread::sleep(LOCK_PATIENCE / 100);
                }
                other => return other,
            }
        }
    }

    fn open_sled(dir: &Path) -> Result<Self, StoreError> {
        let opening = |e| open_error(dir, e);
        let db = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE)
            .mode(sled::Mode::LowSpace)
            // Its thread swallows a failed fsync, and syncs when nobody asked.
            .flush_every_ms(None)
            .open()
            .map_err(opening)?;
        let log = db.open_tree(b"log").map_err(opening)?;
        let meta = db.open_tree(b"meta").map_err(opening)?;
        let path = dir.join("db");
        let data = File::open(&path).map_err(|e| StoreError::io("open", path, e))?;
        let dir = dir.to_path_buf();
        Ok(Self { db, log, meta, data, dir })
    }

    fn load(&self) -> Result<Found, StoreError> {
        let mut found = Found {
            vote: self.load_meta::<VoteV1>(VOTE, Kind::Vote)?.map(Into::into),
            purged: self.load_meta::<LogIdV1>(PURGED, Kind::LogId)?.map(Into::into),
            committed: self.load_meta::<LogIdV1>(COMMITTED, Kind::LogId)?.map(Into::into),
            entries: Vec::new(),
            leftover: 0..0,
            opened: 0,
        };
        let mut chunks: Vec<sled::IVec> = Vec::new();
        let mut current: Option<u64> = None;
        for item in &self.log {
            let (key, value) = item.map_err(|e| open_error(&self.dir, e))?;
            let (index, chunk) =
                split_key(&key).ok_or_else(|| StoreError::damaged(&self.dir, "a key of the log has no form"))?;
            if current != Some(index) {
                self.take(&mut found, current, &mut chunks, false)?;
                current = Some(index);
            }
            if chunk as usize != chunks.len() {
                let why = format!("entry {index} lacks chunk {}", chunks.len());
                return Err(StoreError::damaged(&self.dir, why));
            }
            chunks.push(value);
        }
        self.take(&mut found, current, &mut chunks, true)?;
        Ok(found)
    }

    /// Adds the entry made of `chunks` to what was found. The newest may be cut off: it was
    /// being written, or being removed, when the power went, so nobody was told of it.
    fn take(
        &self,
        found: &mut Found,
        index: Option<u64>,
        chunks: &mut Vec<sled::IVec>,
        newest: bool,
    ) -> Result<(), StoreError> {
        let Some(index) = index else { return Ok(()) };
        let bytes: Vec<u8> = chunks.iter().flat_map(|c| c.iter().copied()).collect();
        let count = chunks.len();
        chunks.clear();
        let purged = found.purged.as_ref().map(|p| p.index);
        if purged.is_some_and(|p| index <= p) {
            if found.leftover.is_empty() {
                found.leftover.start = index;
            }
            found.leftover.end = index + 1;
            return Ok(());
        }
        let entry = match wire::decode_entry(&bytes) {
            Ok(entry) if entry.log_id.index == index => entry,
            Err(CodecError::Short { have, want }) if newest => {
                tracing::info!(index, have, want, "dropping an entry that was never complete");
                return self.remove_chunks(index, count).map_err(|e| open_error(&self.dir, e));
            }
            Ok(_) => {
                return Err(StoreError::damaged(&self.dir, format!("entry {index} is another")));
            }
            Err(e) => {
                return Err(StoreError::damaged(&self.dir, format!("entry {index}: {e}")));
            }
        };
        let next = found.entries.last().map(|e| e.log_id.index + 1);
        let next = next.or(purged.map(|p| p + 1));
        if next.is_some_and(|next| next != index) {
            let why = format!("entry {index} follows a gap in the log");
            return Err(StoreError::damaged(&self.dir, why));
        }
        found.entries.push(entry);
        Ok(())
    }

    fn load_meta<T: serde::de::DeserializeOwned>(&self, key: &[u8], kind: Kind) -> Result<Option<T>, StoreError> {
        let value = self.meta.get(key).map_err(|e| open_error(&self.dir, e))?;
        let read = |v: sled::IVec| {
            codec::decode(kind, V1, &v).map_err(|e| {
                let name = String::from_utf8_lossy(key);
                StoreError::damaged(&self.dir, format!("{name}: {e}"))
            })
        };
        value.map(read).transpose()
    }

    /// Reads one entry.
    pub(crate) fn entry(&self, index: u64) -> Result<Option<Entry>, StoreFailed> {
        let reading = |e: sled::Error| failed("read an entry", e);
        let mut bytes = Vec::new();
        for item in self.log.scan_prefix(index.to_be_bytes()) {
            bytes.extend_from_slice(&item.map_err(reading)?.1);
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        wire::decode_entry(&bytes)
            .map(Some)
            .map_err(|e| StoreFailed { action: "read an entry", why: format!("entry {index}: {e}") })
    }

    /// Writes one entry; returns how many bytes that were.
    pub(crate) fn put_entry(&self, entry: &Entry) -> Result<usize, StoreFailed> {
        let bytes = wire::encode_entry(entry).map_err(|e| failed("encode an entry", e))?;
        for (number, chunk) in bytes.chunks(MAX_VALUE).enumerate() {
            let number = u32::try_from(number).map_err(|e| failed("cut an entry", e))?;
            put(&self.log, &key(entry.log_id.index, number), chunk)?;
        }
        Ok(bytes.len())
    }

    /// Removes one entry, downwards.
    pub(crate) fn remove_entry(&self, index: u64) -> Result<(), StoreFailed> {
        let count = self.log.scan_prefix(index.to_be_bytes()).count();
        self.remove_chunks(index, count).map_err(|e| failed("remove an entry", e))
    }

    fn remove_chunks(&self, index: u64, count: usize) -> Result<(), sled::Error> {
        for number in (0..u32::try_from(count).unwrap_or(u32::MAX)).rev() {
            self.log.remove(key(index, number))?;
        }
        Ok(())
    }

    /// Writes the vote.
    pub(crate) fn put_vote(&self, vote: &Vote) -> Result<(), StoreFailed> {
        self.put_meta(VOTE, Kind::Vote, &VoteV1::from(vote))
    }

    /// Writes up to where the log is purged.
    pub(crate) fn put_purged(&self, id: &LogId) -> Result<(), StoreFailed> {
        self.put_meta(PURGED, Kind::LogId, &LogIdV1::from(id))
    }

    /// Writes up to where the log is known to be committed.
    pub(crate) fn put_committed(&self, id: &LogId) -> Result<(), StoreFailed> {
        self.put_meta(COMMITTED, Kind::LogId, &LogIdV1::from(id))
    }

    fn put_meta<T: serde::Serialize>(&self, key: &[u8], kind: Kind, value: &T) -> Result<(), StoreFailed> {
        let bytes = codec::encode(kind, V1, value).map_err(|e| failed("encode", e))?;
        put(&self.meta, key, &bytes)
    }

    /// Makes everything written before this call durable. After an error nothing is known
    /// about what is on disk: a second fsync would report success for lost pages.
    pub(crate) fn sync(&self) -> Result<(), StoreFailed> {
        self.db.flush().map_err(|e| failed("flush", e))?;
        self.refuse_blobs()?;
        if cfg!(feature = "planted-no-fdatasync") {
            return Ok(());
        }
        self.data.sync_data().map_err(|e| failed("fdatasync", e))
    }

    /// The chunk size rules separate files out; were there one, it would not be synced.
    fn refuse_blobs(&self) -> Result<(), StoreFailed> {
        let mut blobs = std::fs::read_dir(self.dir.join("blobs")).map_err(|e| failed("look for separate files", e))?;
        match blobs.next() {
            None => Ok(()),
            Some(_) => Err(StoreFailed {
                action: "keep a value in its data file",
                why: "the embedded store put one in a file that is not synced".to_owned(),
            }),
        }
    }
}

/// Which file of a store is missing, and which were never finished.
fn inspect(dir: &Path) -> Result<(Option<&'static str>, Vec<PathBuf>), std::io::Error> {
    let lost = ["db", "conf"].into_iter().find(|name| !dir.join(name).exists());
    let mut unfinished = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "generating") {
            unfinished.push(path);
        }
    }
    Ok((lost, unfinished))
}

/// What counts is what is on the disk. After a failed sync the kernel may hold pages for clean that were never written:
/// whoever reads those takes for durable what the next power cut takes away.
fn forget_cached(dir: &Path) -> Result<(), std::io::Error> {
    for entry in std::fs::read_dir(dir)?.flatten().filter(|entry| entry.path().is_file()) {
        let file = File::open(entry.path())?;
        file.sync_all()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    Ok(())
}

fn sync_path(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", path, e))
}

fn put(tree: &sled::Tree, key: &[u8], value: &[u8]) -> Result<(), StoreFailed> {
    assert!(value.len() <= MAX_VALUE, "values are cut into chunks");
    tree.insert(key, value).map(drop).map_err(|e| failed("write", e))
}

fn key(index: u64, chunk: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&index.to_be_bytes());
    key[8..].copy_from_slice(&chunk.to_be_bytes());
    key
}

fn split_key(key: &[u8]) -> Option<(u64, u32)> {
    let key: [u8; 12] = key.try_into().ok()?;
    let (index, chunk) = key.split_at(8);
    Some((u64::from_be_bytes(index.try_into().ok()?), u32::from_be_bytes(chunk.try_into().ok()?)))
}

fn failed(action: &'static str, why: impl ToString) -> StoreFailed {
    StoreFailed { action, why: why.to_string() }
}

fn open_error(dir: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(e) if e.to_string().contains("could not acquire lock") => {
            StoreError::InUse { path: dir.to_path_buf() }
        }
        sled::Error::Io(e) => StoreError::io("open", dir, e),
        other => StoreError::damaged(dir, other),
    }
}
