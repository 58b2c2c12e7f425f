//! What this member has seen of the others, in memory and in one file; and whether it may take part itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::roll::Roll;
use super::{SeenV1, ShowV1, TellReplyV1};
use crate::codec::{self, Kind};
use crate::error::StoreError;
use crate::types::MemberId;
use crate::wire::{V1, VoteV1};

/// The file; small, and written only when something more was seen.
const FILE: &str = "seen";

/// Why a running member must not go on with the store it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreFault {
    /// A peer has seen more of it than it holds, or does not know it.
    Refused(String),
    /// Its state is not that of the majority.
    Differs(String),
}

/// Where a member's store stands, as its leader knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStanding {
    /// The last entry of its log.
    pub last: Option<u64>,
    /// The last entry that its log begins after.
    pub purged: Option<u64>,
    /// The last entry it applied.
    pub applied: Option<u64>,
    /// The entry its snapshot ends with.
    pub snapshot: Option<u64>,
    /// How full its disk is, in percent.
    pub disk_percent: u8,
    /// Whether that is too full for changes.
    pub full: bool,
}

impl From<TellReplyV1> for StoreStanding {
    fn from(reply: TellReplyV1) -> Self {
        let TellReplyV1 { last, purged, applied, snapshot, disk_percent, full, hashes: _ } = reply;
        Self { last, purged, applied, snapshot, disk_percent, full }
    }
}

/// See the module text.
pub(crate) struct Standing {
    dir: PathBuf,
    /// What this member shows, but for vote and log.
    store: String,
    opened: u64,
    run: u64,
    open: AtomicBool,
    fault: watch::Sender<Option<StoreFault>>,
    differing: watch::Sender<BTreeMap<String, u64>>,
    stores: Mutex<BTreeMap<MemberId, StoreStanding>>,
    /// A leader has told it something since it was last asked.
    is_led: AtomicBool,
    seen: Mutex<Seen>,
    /// The members, as another has told while this store was not taken.
    told: Mutex<Roll>,
}

#[derive(Default)]
struct Seen {
    table: BTreeMap<MemberId, SeenV1>,
    /// Not in the file yet.
    is_new: bool,
}

impl Standing {
    /// Reads what was seen.
    pub(crate) fn open(dir: PathBuf, store: String, opened: u64) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let table: BTreeMap<MemberId, SeenV1> = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(StoreError::io("read", path, error)),
            Ok(bytes) => codec::decode(Kind::Seen, V1, &bytes).map_err(|e| StoreError::damaged(path, e))?,
        };
        // Random by the keys of the standard library's hasher; never nought, which stands for none.
        let run = RandomState::new().build_hasher().finish() | 1;
        let seen = Mutex::new(Seen { table, is_new: false });
        let (fault, differing) = (watch::Sender::new(None), watch::Sender::new(BTreeMap::new()));
        let (open, is_led, told) = (AtomicBool::new(false), AtomicBool::new(false), Mutex::default());
        Ok(Self { dir, store, opened, run, open, fault, differing, stores: Mutex::default(), is_led, seen, told })
    }

    /// What this member shows.
    pub(crate) fn show(&self, vote: Option<VoteV1>, last: Option<crate::wire::LogIdV1>) -> ShowV1 {
        ShowV1 { store: self.store.clone(), opened: self.opened, run: self.run, vote, last }
    }

    /// This start.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// Whether this member takes part: its peers have taken its store for what it is.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn set_open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// A leader has told this member something.
    pub(crate) fn note_led(&self) {
        self.is_led.store(true, Ordering::Relaxed);
    }

    /// Whether a leader has told this member something since this was last asked.
    pub(crate) fn was_led(&self) -> bool {
        self.is_led.swap(false, Ordering::Relaxed)
    }

    /// This store is not to be used: no more traffic, and whoever follows `fault` has to act.
    pub(crate) fn set_fault(&self, fault: StoreFault) {
        self.open.store(false, Ordering::Release);
        self.fault.send_if_modified(|held| {
            let first = held.is_none();
            held.get_or_insert(fault);
            first
        });
    }

    pub(crate) fn fault(&self) -> watch::Receiver<Option<StoreFault>> {
        self.fault.subscribe()
    }

    /// This member's state is not that of the majority after this entry.
    pub(crate) fn note_differs(&self, name: &str, index: u64) {
        self.differing.send_if_modified(|known| known.insert(name.to_owned(), index) != Some(index));
    }

    pub(crate) fn differing(&self) -> watch::Receiver<BTreeMap<String, u64>> {
        self.differing.subscribe()
    }

    /// Where the others stand; filled on the leader only.
    pub(crate) fn stores(&self) -> MutexGuard<'_, BTreeMap<MemberId, StoreStanding>> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in how the members are, by another's log.
    pub(crate) fn note_roll(&self, roll: Roll) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).renew(roll) {
            tracing::info!("told who the members are: this store is shown to them");
        }
    }

    /// The newest that it was told of.
    pub(crate) fn roll(&self) -> Roll {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a member; the change says whether it was one.
    pub(crate) fn note(&self, of: MemberId, change: impl FnOnce(&mut SeenV1) -> bool) {
        let mut seen = self.seen();
        let changed = change(seen.table.entry(of).or_default());
        seen.is_new |= changed;
    }

    /// What is known of one.
    pub(crate) fn of(&self, member: MemberId) -> SeenV1 {
        self.seen().table.get(&member).cloned().unwrap_or_default()
    }

    /// Everything that is known.
    pub(crate) fn all(&self) -> Vec<(MemberId, SeenV1)> {
        self.seen().table.iter().map(|(id, seen)| (*id, seen.clone())).collect()
    }

    /// Forgets members that are none any more: their ids are never used again.
    pub(crate) fn retain(&self, members: impl Fn(MemberId) -> bool) {
        let mut seen = self.seen();
        let before = seen.table.len();
        seen.table.retain(|id, _| members(*id));
        seen.is_new |= seen.table.len() != before;
    }

    /// Writes what is new. The file is whole or the one before, whatever happens.
    pub(crate) fn save(&self) -> Result<(), io::Error> {
        let bytes = {
            let mut seen = self.seen();
            if !seen.is_new {
                return Ok(());
            }
            seen.is_new = false;
            codec::encode(Kind::Seen, V1, &seen.table).map_err(io::Error::other)?
        };
        let written = self.write(&bytes);
        if written.is_err() {
            self.seen().is_new = true;
        }
        written
    }

    fn write(&self, bytes: &[u8]) -> Result<(), io::Error> {
        let (path, aside) = (self.dir.join(FILE), self.dir.join(format!("{FILE}.unfinished")));
        let mut file = File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        File::open(&self.dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(dir: &std::path::Path) -> Result<Standing, StoreError> {
        Standing::open(dir.to_path_buf(), "s".to_owned(), 1)
    }

    #[test]
    fn what_was_seen_outlives_the_process_and_damage_is_named() {
        let dir = tempfile::tempdir().expect("tempdir");
        let first = standing(dir.path()).expect("opens");
        first.note(2, |seen| seen.note_vote(VoteV1 { term: 4, node: 2, committed: false }));
        first.save().expect("saves");
        let again = standing(dir.path()).expect("opens");
        assert_eq!(again.of(2).vote.map(|vote| vote.term), Some(4));
        assert_ne!(again.run(), first.run());
        again.retain(|id| id != 2);
        again.save().expect("saves");
        assert!(standing(dir.path()).expect("opens").all().is_empty());
        fs::write(dir.path().join(FILE), b"QUOR nonsense").expect("writes");
        assert!(matches!(standing(dir.path()), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn a_refused_store_stays_closed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let standing = standing(dir.path()).expect("opens");
        assert!(!standing.is_open());
        standing.set_open();
        standing.set_fault(StoreFault::Refused("older".to_owned()));
        standing.set_fault(StoreFault::Refused("again".to_owned()));
        assert!(!standing.is_open());
        assert_eq!(*standing.fault().borrow(), Some(StoreFault::Refused("older".to_owned())));
    }
}
