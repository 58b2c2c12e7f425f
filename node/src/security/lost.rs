//! A data directory whose store was lost: what is set aside and why, and that a new one may begin.
//!
//! rolled-back: a raft id belongs to one store. So a store that is damaged, gone or older than what its peers have seen
//! is never opened again under its id: it is set aside under a name that says why, a file notes that this member has to
//! rejoin, and only a store that the cluster has given a new raft id may begin empty. Each step survives a crash after it.

use super::ca::Credentials;
use super::files::{DataDir, FilesError, Identity, read};
use quorate_core::id::{RaftId, StoreId};
use quorate_raft::Node;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const RAFT: &str = "raft";
const LOSS: &str = "rejoin.json";
const NEW: &str = "new-store";
const PEERS: &str = "peers.json";
const REASON: &str = "WHY";
/// So many stores that were set aside are kept; they cost space, and the newest tell the most.
const KEPT_ASIDE: usize = 2;
const PUBLIC: u32 = 0o644;

/// Why a store is not used any more; part of the name it is set aside under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// It does not read back.
    Damaged,
    /// It is older than what its peers have seen of it.
    RolledBack,
    /// Its state is not that of the others.
    Differs,
    /// It is of another cluster, or of another member.
    Foreign,
}

impl LossKind {
    fn word(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::RolledBack => "rolled-back",
            Self::Differs => "differs",
            Self::Foreign => "foreign",
        }
    }
}

/// A store that was lost, and the one that is to take its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The raft id of the lost store: never used again.
    pub old: RaftId,
    /// The id of the new one.
    pub store: StoreId,
    /// What was found.
    pub why: String,
    /// Where the old one is kept.
    pub aside: PathBuf,
}

impl DataDir {
    /// Where log and snapshots are.
    pub fn store_dir(&self) -> PathBuf {
        self.path().join(RAFT)
    }

    /// The loss this member has not come back from yet.
    pub fn loss(&self) -> Result<Option<Loss>, FilesError> {
        let path = self.path().join(LOSS);
        let Some(text) = read(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| FilesError::damaged(&path, error.to_string()))
    }

    /// Notes the loss, so that from now on nobody opens this store; [`Self::set_aside`] moves it away.
    pub fn lose(&self, old: RaftId, kind: LossKind, why: &str) -> Result<Loss, FilesError> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // The number tells the age, also of two in one second.
        let number = self.set_aside_before().last().map_or(seconds, |(last, _)| seconds.max(last + 1));
        let loss = Loss {
            old,
            store: StoreId::new(uuid::Uuid::new_v4().to_string()),
            why: format!("{}: {why}", kind.word()),
            aside: self.path().join(format!("{RAFT}.{}-{number}", kind.word())),
        };
        let text = serde_json::to_string_pretty(&loss).expect("a loss is plain text fields");
        self.write(LOSS, &text, PUBLIC)?;
        Ok(loss)
    }

    /// Moves the lost store away, if it is still in its place.
    pub fn set_aside(&self, loss: &Loss) -> Result<(), FilesError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| FilesError::Write { path, error }
        };
        let store = self.store_dir();
        if store.exists() {
            fs::rename(&store, &loss.aside).map_err(failed(&loss.aside))?;
            File::open(self.path()).and_then(|dir| dir.sync_all()).map_err(failed(self.path()))?;
            // For people; that it is missing harms nothing.
            let _ = fs::write(loss.aside.join(REASON), format!("{}\n", loss.why));
        }
        self.forget_oldest();
        Ok(())
    }

    /// What was set aside, oldest first.
    fn set_aside_before(&self) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(self.path()).into_iter().flatten().flatten();
        let age = |path: PathBuf| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let age = name.strip_prefix(&format!("{RAFT}."))?.rsplit('-').next()?.parse::<u64>().ok()?;
            path.is_dir().then_some((age, path))
        };
        let mut aside: Vec<_> = entries.filter_map(|entry| age(entry.path())).collect();
        aside.sort();
        aside
    }

    fn forget_oldest(&self) {
        for (_, path) in self.set_aside_before().iter().rev().skip(KEPT_ASIDE) {
            // What stays only costs space.
            let _ = fs::remove_dir_all(path);
        }
    }

    /// Keeps who this member is after it rejoined; its new store may begin.
    pub fn regain(&self, identity: &Identity, credentials: &Credentials) -> Result<(), FilesError> {
        self.begin_store(&identity.store)?;
        self.save(identity, credentials)?;
        self.forget_loss()
    }

    /// The loss is mended.
    pub fn forget_loss(&self) -> Result<(), FilesError> {
        self.remove(LOSS)
    }

    /// From now until [`Self::store_began`] an absent store is a new one; at any other time it was lost.
    pub fn begin_store(&self, store: &StoreId) -> Result<(), FilesError> {
        self.write(NEW, store.as_str(), PUBLIC)
    }

    /// Whether the store of this id may begin empty.
    pub fn may_begin(&self, store: &StoreId) -> Result<bool, FilesError> {
        Ok(read(&self.path().join(NEW))?.is_some_and(|text| text.trim() == store.as_str()))
    }

    /// The store is there: absent, it would be a loss.
    pub fn store_began(&self) -> Result<(), FilesError> {
        self.remove(NEW)
    }

    /// A store in a directory without an identity is of a founding or joining that was cut short: nobody else has ever
    /// heard of it. It is set aside.
    pub fn clear_unfinished(&self) -> Result<(), FilesError> {
        let store = self.store_dir();
        if !store.exists() || self.load()?.is_some() {
            return Ok(());
        }
        tracing::warn!(store = %store.display(), "this store was begun and never finished: it is removed");
        fs::remove_dir_all(&store).map_err(|error| FilesError::Write { path: store, error })
    }

    /// The other members as they were known last: whom to ask when the store is lost.
    pub fn peers(&self) -> Result<BTreeMap<u64, Node>, FilesError> {
        let path = self.path().join(PEERS);
        let Some(text) = read(&path)? else { return Ok(BTreeMap::new()) };
        serde_json::from_str(&text).map_err(|error| FilesError::damaged(&path, error.to_string()))
    }

    /// Keeps them.
    pub fn save_peers(&self, peers: &BTreeMap<u64, Node>) -> Result<(), FilesError> {
        let text = serde_json::to_string_pretty(peers).expect("numbers, names and addresses");
        self.write(PEERS, &text, PUBLIC)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), FilesError> {
        let path = self.path().join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(FilesError::Write { path, error }),
            Ok(()) => {}
        }
        File::open(self.path()).and_then(|dir| dir.sync_all()).map_err(|error| FilesError::Write { path, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_store_is_set_aside_once_and_few_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path()).unwrap();
        for number in 0..4 {
            fs::create_dir(dir.store_dir()).unwrap();
            fs::write(dir.store_dir().join("log"), number.to_string()).unwrap();
            let loss = dir.lose(RaftId(number), LossKind::Damaged, "entry 7: checksum").unwrap();
            assert_eq!(dir.loss().unwrap(), Some(loss.clone()));
            // As after a crash in between: done once, however often it is tried.
            dir.set_aside(&loss).unwrap();
            dir.set_aside(&loss).unwrap();
            assert!(!dir.store_dir().exists());
            assert_eq!(fs::read_to_string(loss.aside.join("log")).unwrap(), number.to_string());
            assert!(fs::read_to_string(loss.aside.join(REASON)).unwrap().contains("checksum"));
            assert!(loss.aside.to_string_lossy().contains("raft.damaged-"), "{loss:?}");
        }
        let aside = fs::read_dir(home.path()).unwrap().flatten().filter(|entry| entry.path().is_dir());
        assert_eq!(aside.count(), KEPT_ASIDE);
        dir.forget_loss().unwrap();
        assert_eq!(dir.loss().unwrap(), None);
    }

    #[test]
    fn only_the_store_that_was_announced_may_begin_empty() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path()).unwrap();
        let (one, other) = (StoreId::new("one"), StoreId::new("other"));
        assert!(!dir.may_begin(&one).unwrap());
        dir.begin_store(&one).unwrap();
        assert!(dir.may_begin(&one).unwrap() && !dir.may_begin(&other).unwrap());
        dir.store_began().unwrap();
        assert!(!dir.may_begin(&one).unwrap());
    }

    #[test]
    fn what_a_founding_left_behind_is_removed_and_a_members_store_is_not() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path()).unwrap();
        fs::create_dir(dir.store_dir()).unwrap();
        dir.clear_unfinished().unwrap();
        assert!(!dir.store_dir().exists());
        super::super::files::tests::founded(&dir);
        fs::create_dir(dir.store_dir()).unwrap();
        dir.clear_unfinished().unwrap();
        assert!(dir.store_dir().exists());
    }
}
