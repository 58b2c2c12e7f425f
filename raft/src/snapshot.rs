//! Snapshots as plain files: `INDEX-TERM.snapshot`, the newest of which counts.
//!
//! A file is written aside, synced, renamed, and its directory synced, before the one it
//! replaces is removed and before openraft may purge the log below it. A damaged snapshot is
//! never passed over for an older one: the log between the two is gone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::codec::{self, Kind};
use crate::error::StoreError;
use crate::types::{Bytes, Snapshot, SnapshotMeta};
use crate::wire::{SnapshotMetaV1, SnapshotV1, V1};

const SUFFIX: &str = "snapshot";
const UNFINISHED: &str = "unfinished";

/// The directory of one member's snapshots.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFiles {
    dir: PathBuf,
}

impl SnapshotFiles {
    /// Opens or creates the directory and reads the newest snapshot.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Option<Snapshot>), StoreError> {
        fs::create_dir_all(dir).map_err(|e| StoreError::io("create", dir, e))?;
        let dir = dir.to_path_buf();
        let files = Self { dir };
        let listed = files.list().map_err(|e| StoreError::io("list", &files.dir, e))?;
        let newest = listed.last().map(|(_, path)| read(path)).transpose()?;
        files.remove_others(listed.last().map(|(_, path)| path.as_path()));
        Ok((files, newest))
    }

    /// Saves a snapshot durably and removes the ones before it.
    pub(crate) fn save(&self, meta: &SnapshotMeta, state: &Bytes) -> Result<(), io::Error> {
        let last = meta.last_log_id.as_ref();
        let (term, index) = last.map_or((0, 0), |id| (id.leader_id.term, id.index));
        let path = self.dir.join(format!("{index:020}-{term}.{SUFFIX}"));
        let value = SnapshotV1 { meta: meta.into(), state: state.clone() };
        let bytes = codec::encode(Kind::Snapshot, V1, &value).map_err(io::Error::other)?;
        let aside = path.with_extension(UNFINISHED);
        let mut file = File::create(&aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        File::open(&self.dir)?.sync_all()?;
        self.remove_others(Some(&path));
        Ok(())
    }

    /// Finished snapshots, oldest first. The name sorts by index.
    fn list(&self) -> Result<Vec<(u64, PathBuf)>, io::Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let index = name
                .strip_suffix(&format!(".{SUFFIX}"))
                .and_then(|name| name.split_once('-'))
                .and_then(|(index, _)| index.parse().ok());
            if let Some(index) = index {
                found.push((index, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// What is left over only costs space, so failing to remove it is no error.
    fn remove_others(&self, kept: Option<&Path>) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let ours = path.extension().is_some_and(|e| e == SUFFIX || e == UNFINISHED);
            if ours && Some(path.as_path()) != kept {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn read(path: &Path) -> Result<Snapshot, StoreError> {
    let bytes = fs::read(path).map_err(|e| StoreError::io("read", path, e))?;
    let value: SnapshotV1 = codec::decode(Kind::Snapshot, V1, &bytes).map_err(|e| StoreError::damaged(path, e))?;
    let SnapshotV1 { meta, state } = value;
    let meta = SnapshotMetaV1::into_meta(meta).map_err(|e| StoreError::damaged(path, e))?;
    Ok(Snapshot { meta, snapshot: state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::log_id;

    fn meta(index: u64) -> SnapshotMeta {
        SnapshotMeta { last_log_id: Some(log_id(1, index)), ..SnapshotMeta::default() }
    }

    fn state(text: &str) -> Bytes {
        text.as_bytes().to_vec().into()
    }

    #[test]
    fn the_newest_snapshot_counts_and_is_the_only_one_left() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (files, none) = SnapshotFiles::open(dir.path()).expect("opens");
        assert!(none.is_none());
        files.save(&meta(9), &state("nine")).expect("saves");
        files.save(&meta(100), &state("hundred")).expect("saves");
        // Left by a crash between rename and removal, and in the middle of a write.
        fs::write(dir.path().join("00000000000000000009-1.snapshot"), b"old").expect("writes");
        fs::write(dir.path().join("00000000000000000200-1.unfinished"), b"x").expect("writes");

        let (_, found) = SnapshotFiles::open(dir.path()).expect("opens");
        let found = found.expect("there is one");
        assert_eq!(found.meta, meta(100));
        assert_eq!(found.snapshot, state("hundred"));
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_damaged_snapshot_is_named_and_nothing_older_is_taken() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (files, _) = SnapshotFiles::open(dir.path()).expect("opens");
        files.save(&meta(9), &state("nine")).expect("saves");
        let bad = dir.path().join("00000000000000000010-1.snapshot");
        fs::write(&bad, b"not a snapshot").expect("writes");
        let error = SnapshotFiles::open(dir.path()).expect_err("damaged");
        assert!(matches!(&error, StoreError::Damaged { path, .. } if *path == bad));
    }
}
