//! What the store does about damage, other users and failures.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use crate::error::{StoreError, StoreFailed};
use crate::log::Log;
use crate::types::{Entry, Payload, TypeConfig, Vote, log_id};

fn entry(index: u64, length: usize) -> Entry {
    Entry { log_id: log_id(1, index), payload: Payload::Normal(vec![7; length].into()) }
}

fn open(dir: &Path, failures: &Arc<AtomicUsize>) -> Result<Log, StoreError> {
    let failures = failures.clone();
    let count = move |_: &StoreFailed| {
        failures.fetch_add(1, Ordering::SeqCst);
    };
    Log::open(&dir.join("log"), Arc::new(count))
}

async fn append(log: &mut Log, entries: Vec<Entry>) -> Result<(), std::io::Error> {
    let (tx, rx) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(tx)).await?;
    rx.await.map_err(std::io::Error::other)?
}

#[tokio::test]
async fn entries_of_all_sizes_come_back_and_no_separate_file_is_made() {
    let dir = tempfile::tempdir().expect("tempdir");
    let none = Arc::default();
    let sizes = [0, 1, 4080, 4096, 4097, 70_000, 1024 * 1024, 3 * 1024 * 1024];
    let entries: Vec<_> = (0..).zip(sizes).map(|(index, size)| entry(index, size)).collect();
    let mut log = open(dir.path(), &none).expect("opens");
    append(&mut log, entries.clone()).await.expect("appends");
    log.save_vote(&Vote::new(3, 2)).await.expect("votes");
    drop(log);

    let mut log = open(dir.path(), &none).expect("opens again");
    let mut reader = log.get_log_reader().await;
    assert_eq!(reader.read_vote().await.expect("reads"), Some(Vote::new(3, 2)));
    assert_eq!(reader.try_get_log_entries(..).await.expect("reads"), entries);
    let blobs = std::fs::read_dir(dir.path().join("log/blobs")).expect("lists");
    assert_eq!(blobs.count(), 0);
    assert_eq!(none.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_failed_write_is_told_once_and_nothing_is_acknowledged_after_it() {
    let dir = tempfile::tempdir().expect("tempdir");
    let failures = Arc::default();
    let mut log = open(dir.path(), &failures).expect("opens");
    append(&mut log, vec![entry(0, 10)]).await.expect("appends");
    // Without its directory the store cannot tell whether all is in the synced file.
    std::fs::remove_dir(dir.path().join("log/blobs")).expect("removes");
    assert!(append(&mut log, vec![entry(1, 10)]).await.is_err());
    std::fs::create_dir(dir.path().join("log/blobs")).expect("creates");
    assert!(append(&mut log, vec![entry(2, 10)]).await.is_err());
    assert!(log.save_vote(&Vote::new(1, 1)).await.is_err());
    assert_eq!(failures.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_store_in_use_is_not_taken_for_damaged() {
    let dir = tempfile::tempdir().expect("tempdir");
    let none = Arc::default();
    let _first = open(dir.path(), &none).expect("opens");
    assert!(matches!(open(dir.path(), &none).err(), Some(StoreError::InUse { .. })));
}

#[tokio::test]
async fn a_member_never_comes_back_with_an_empty_vote() {
    for lost in ["db", "conf"] {
        let dir = tempfile::tempdir().expect("tempdir");
        let none = Arc::default();
        let mut log = open(dir.path(), &none).expect("opens");
        log.save_vote(&Vote::new(1, 1)).await.expect("votes");
        drop(log);
        std::fs::remove_file(dir.path().join("log").join(lost)).expect("removes");
        let error = open(dir.path(), &none).err();
        assert!(matches!(&error, Some(StoreError::Damaged { .. })), "{lost}: {error:?}");
    }
}

#[tokio::test]
async fn flipped_bits_never_give_other_entries() {
    let dir = tempfile::tempdir().expect("tempdir");
    let none = Arc::default();
    let entries: Vec<_> = (0..200).map(|index| entry(index, 500)).collect();
    let mut log = open(dir.path(), &none).expect("opens");
    append(&mut log, entries.clone()).await.expect("appends");
    drop(log);
    let data = dir.path().join("log/db");
    let mut bytes = std::fs::read(&data).expect("reads");
    // In the middle of the payloads, where only a checksum can tell.
    let at = bytes.windows(64).rposition(|w| w == [7; 64]).expect("a payload") - 5000;
    bytes[at] ^= 1;
    std::fs::File::create(&data).and_then(|mut f| f.write_all(&bytes)).expect("writes");
    match open(dir.path(), &none) {
        Err(StoreError::Damaged { .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(mut log) => {
            let mut reader = log.get_log_reader().await;
            let found = reader.try_get_log_entries(..).await.expect("reads");
            assert_eq!(found, entries[..found.len()], "what is left is what was written");
        }
    }
}
