//! Pills on shared disks: left in a host's slot, and seen there. Whether a host can be told to die this way is read too.
//!
//! A disk that hangs holds nobody up: what was asked of it goes on by itself, and it is asked nothing more before that
//! has come back. A slot is nobody's power: that a pill is there proves nothing here.

mod disk;

pub use disk::{Direct, init, open};

use super::{BootTime, PowerReading, Problem, required};
use quorate_core::config::FenceAction;
use quorate_core::pill::disk::Disk;
use quorate_core::pill::format::{Mail, Tag, Wish};
use quorate_core::pill::{Pill, disks, majority};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A disk that takes longer for one look or message is not waited for.
const IO: Duration = Duration::from_secs(5);

/// So much may be asked of a disk that does not answer: two fences and a look at a time do not hold each other up, and what
/// hangs for ever holds so many threads and no more.
const AT_ONCE: usize = 8;

/// What disks were asked and have not answered.
static HANGING: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// A node's slots.
#[derive(Debug, Clone)]
pub(super) struct Sbd {
    disks: Vec<String>,
    node: String,
}

/// Why a disk says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Miss {
    /// By its own word, or it was not asked: nothing was written.
    Refused(String),
    /// It did not come back: what it was to write may stand there.
    Silent(String),
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(why) | Self::Silent(why)) = self;
        f.write_str(why)
    }
}

/// What came of leaving a pill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Whether a majority of the disks took it.
    pub result: Result<(), String>,
    /// Whether it may be in a slot.
    pub sent: bool,
}

impl Sbd {
    pub(super) fn new(params: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let disks = disks(required("sbd", params, &["devices"])?);
        Ok(Self { disks, node: required("sbd", params, &["nodename"])?.to_owned() })
    }

    /// On, where a majority of the disks have a slot of the node's that can be read.
    pub(super) async fn read(&self, deadline: Instant) -> Result<(PowerReading, Option<String>), Problem> {
        let node = self.node.clone();
        let looked = each(&self.disks, deadline, move |path| {
            let disk = open(path, false)?;
            let slots = slots_of(&disk, path, &node)?;
            slots.into_iter().map(|slot| disk.mail(slot)).collect::<Result<Vec<Mail>, String>>()
        })
        .await;
        let good = looked.iter().filter(|looked| looked.is_ok()).count();
        match good >= majority(self.disks.len()) {
            true => Ok((PowerReading::On, None)),
            false => Err(Problem::Agent { agent: "sbd".to_owned(), action: "status", why: misses(&looked) }),
        }
    }

    pub(super) fn order() -> Problem {
        let why = "a pill is left by a fence only, under its own grant: `qrm fence NODE`".to_owned();
        Problem::Agent { agent: "sbd".to_owned(), action: "off", why }
    }
}

/// What the disks said that said nothing else.
fn misses<T>(answers: &[Result<T, Miss>]) -> String {
    let all: Vec<String> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(Miss::to_string).collect();
    all.join("; ")
}

/// Leaves a pill in every slot of the node's, on every disk that takes it in time.
pub async fn leave(node: &str, from: &str, pill: &Pill, send_by: BootTime, deadline: Instant) -> Left {
    let wish = match pill.action {
        FenceAction::Reboot => Wish::Reset,
        FenceAction::Off => Wish::Off,
    };
    let tag = Tag { session: pill.session.to_string(), note: pill.note.clone() };
    let mail = Mail { wish, from: from.to_owned(), tag: Some(tag) };
    let (node, read_by) = (node.to_owned(), mark(pill));
    let answers = each(&pill.disks, deadline, move |path| {
        let disk = open(path, true)?;
        let slot = slot_of(&disk, path, &node, &read_by)?;
        // send-by: what found its disk only now may be for a boot that is over.
        if BootTime::now() >= send_by {
            return Err(format!("{}: too late to leave a pill there", path.display()));
        }
        Ok(disk.leave(slot, &mail))
    })
    .await;
    let taken = answers.iter().filter(|answer| matches!(answer, Ok(Ok(())))).count();
    // Who did not come back may have written it, and so may who says that it failed.
    let sent = answers.iter().any(|answer| !matches!(answer, Err(Miss::Refused(_))));
    let errors = answers.into_iter().map(|answer| answer.map_err(|miss| miss.to_string()).flatten());
    let errors: Vec<String> = errors.filter_map(Result::err).collect();
    let result = if taken >= majority(pill.disks.len()) { Ok(()) } else { Err(errors.join("; ")) };
    Left { result, sent }
}

/// Whether this very pill is in the slots that the node reads on a majority of the disks.
///
/// # Errors
/// When too few disks answer.
pub async fn is_there(node: &str, pill: &Pill, deadline: Instant) -> Result<bool, String> {
    let (node, read_by) = (node.to_owned(), mark(pill));
    let wanted = Tag { session: pill.session.to_string(), note: pill.note.clone() };
    let answers = each(&pill.disks, deadline, move |path| {
        let disk = open(path, false)?;
        let mail = disk.mail(slot_of(&disk, path, &node, &read_by)?)?;
        Ok(mail.tag.as_ref() == Some(&wanted))
    })
    .await;
    let count = |wanted: bool| answers.iter().filter(|answer| **answer == Ok(wanted)).count();
    let enough = majority(pill.disks.len());
    match (count(true) >= enough, count(false) >= enough) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(format!("too few disks say whether the pill is there: {}", misses(&answers))),
    }
}

/// Makes slots on a disk; `force`: whatever is on it may be lost. In words what was done.
///
/// # Errors
/// When something is on it, or it cannot be written.
pub async fn prepare(path: &str, force: bool) -> Result<String, String> {
    /// What `sbd` is told of the watchdog; nothing here goes by it.
    const WATCHDOG: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + IO * 4;
    let answers = each(&[path.to_owned()], deadline, move |path| init(path, WATCHDOG, force)).await;
    let header = answers.into_iter().next().expect("one disk was named").map_err(|miss| miss.to_string())?;
    Ok(format!("{path} has {} slots of {} bytes now", header.slots, header.sector))
}

/// What the node's feeder has marked its slots with, where it reads them.
fn mark(pill: &Pill) -> Tag {
    Tag { session: pill.session.to_string(), note: pill.opening.clone() }
}

fn slot_of(disk: &Disk<Direct>, path: &Path, node: &str, mark: &Tag) -> Result<u8, String> {
    disk.slot_read(node, mark).map_err(|error| match error.starts_with('/') {
        true => error,
        false => format!("{}: {error}", path.display()),
    })
}

/// Every slot with the node's name.
fn slots_of(disk: &Disk<Direct>, path: &Path, node: &str) -> Result<Vec<u8>, String> {
    let slots: Vec<u8> = disk.slots(node)?.into_iter().map(|(slot, _)| slot).collect();
    match slots.is_empty() {
        true => Err(format!(
            "{}: {node} has no slot; its quorate-feeder takes one when it is told to read this disk",
            path.display()
        )),
        false => Ok(slots),
    }
}

/// Whether a disk may be asked something more.
fn begin(path: &Path) -> bool {
    // Whole numbers only: a panic elsewhere cannot leave one half changed.
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = hanging.entry(path.to_owned()).or_default();
    let may = *asked < AT_ONCE;
    *asked += usize::from(may);
    may
}

/// It has come back.
fn end(path: &Path) {
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(asked) = hanging.get_mut(path) {
        *asked = asked.saturating_sub(1);
    }
    hanging.retain(|_, asked| *asked > 0);
}

/// Does this with every disk at once, and waits for each until it has answered, or hangs.
async fn each<T, F>(disks: &[String], deadline: Instant, work: F) -> Vec<Result<T, Miss>>
where
    T: Send + 'static,
    F: Fn(&Path) -> Result<T, String> + Clone + Send + 'static,
{
    let deadline = deadline.min(Instant::now() + IO * 4);
    let asked = disks.iter().map(|disk| {
        let (path, work) = (PathBuf::from(disk), work.clone());
        async move {
            if !begin(&path) {
                let why = format!("{}: it answers nothing of what it was asked before", path.display());
                return Err(Miss::Refused(why));
            }
            let name = path.display().to_string();
            let run = tokio::task::spawn_blocking(move || {
                let done = work(&path);
                end(&path);
                done
            });
            match tokio::time::timeout_at(deadline.min(Instant::now() + IO), run).await {
                Ok(Ok(done)) => done.map_err(Miss::Refused),
                Ok(Err(error)) => Err(Miss::Silent(format!("{name}: {error}"))),
                Err(_) => Err(Miss::Silent(format!("{name}: it hangs"))),
            }
        }
    });
    futures::future::join_all(asked).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks(dir: &Path, count: usize) -> Vec<String> {
        let one = |number| {
            let path = dir.join(format!("disk{number}"));
            let file = std::fs::File::create(&path).expect("a file");
            file.set_len(2 * 1024 * 1024).expect("room");
            path.display().to_string()
        };
        (0..count).map(one).collect()
    }

    fn pill(disks: &[String], session: &str, note: &str) -> Pill {
        let (opening, action) = ("1".to_owned(), FenceAction::Reboot);
        Pill { disks: disks.to_vec(), opening, session: session.into(), note: note.to_owned(), action }
    }

    fn soon() -> (BootTime, Instant) {
        (BootTime(BootTime::now().0 + Duration::from_secs(9)), Instant::now() + Duration::from_secs(9))
    }

    #[tokio::test]
    async fn a_pill_is_left_on_a_majority_of_the_disks_and_seen_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let disks = disks(dir.path(), 3);
        let (send_by, deadline) = soon();
        let first = pill(&disks, "boot-1", "1.1");
        let left = leave("n3", "n1", &first, send_by, deadline).await;
        assert!(!left.sent && left.result.is_err(), "nothing is prepared: {left:?}");
        for disk in &disks {
            prepare(disk, false).await.expect("it is empty");
            assert!(prepare(disk, false).await.is_err_and(|error| error.contains("prepared already")));
        }
        let device = Sbd { disks: disks.clone(), node: "n3".to_owned() };
        let told = device.read(deadline).await.expect_err("it has no slot").to_string();
        assert!(told.contains("n3 has no slot"), "{told}");
        for disk in &disks[..2] {
            open(Path::new(disk), true).and_then(|disk| disk.take_slot("n3", &mark(&first))).expect("a slot");
        }
        let elsewhere = Pill { opening: "2".to_owned(), ..first.clone() };
        let left = leave("n3", "n1", &elsewhere, send_by, deadline).await;
        let told = left.result.expect_err("it is not read");
        assert!(!left.sent && told.contains("another disk"), "{told}");
        assert!(is_there("n3", &elsewhere, deadline).await.is_err());
        assert_eq!(device.read(deadline).await.map(|(power, _)| power), Ok(PowerReading::On));
        assert_eq!(is_there("n3", &first, deadline).await, Ok(false));
        let left = leave("n3", "n1", &first, send_by, deadline).await;
        assert_eq!(left, Left { result: Ok(()), sent: true });
        assert_eq!(is_there("n3", &first, deadline).await, Ok(true));
        let other = is_there("n3", &pill(&disks, "boot-1", "1.2"), deadline).await;
        assert_eq!(other, Ok(false), "none is taken for another");
        assert!(is_there("n3", &pill(&disks, "boot-2", "1.1"), deadline).await.is_err(), "nor for another boot's");
        std::fs::remove_file(&disks[0]).expect("a disk is lost");
        assert!(is_there("n3", &first, deadline).await.is_err(), "one of three is too few");
        let late = leave("n3", "n1", &first, BootTime(Duration::ZERO), deadline).await;
        assert!(!late.sent && late.result.is_err(), "{late:?}");
    }

    #[tokio::test]
    async fn what_is_on_a_disk_is_not_overwritten_unasked() {
        let dir = tempfile::tempdir().expect("a directory");
        let disks = disks(dir.path(), 1);
        std::os::unix::fs::FileExt::write_all_at(
            &std::fs::OpenOptions::new().write(true).open(&disks[0]).expect("a file"),
            b"precious",
            2 * 1024 * 1024 - 4096,
        )
        .expect("written");
        let told = prepare(&disks[0], false).await.expect_err("something is on it");
        assert!(told.contains("nothing was written") && told.contains("--force"), "{told}");
        prepare(&disks[0], true).await.expect("it may be lost");
        std::fs::File::create(&disks[0]).and_then(|file| file.set_len(4096)).expect("a short file");
        assert!(prepare(&disks[0], false).await.is_err_and(|error| error.contains("too few")));
    }
}
