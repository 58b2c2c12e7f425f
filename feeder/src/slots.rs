//! This host's slots on shared disks: each is read all the time, by a thread of its own, which a disk that hangs may hold
//! up for ever. What was read counts from when the reading began.

use crate::{Input, now, say};
use nix::libc::{O_CLOEXEC, O_DIRECT, O_SYNC};
use quorate_core::pill::Slots;
use quorate_core::pill::disk::{Disk, Room, Sectors};
use quorate_core::pill::format::{Mail, Tag, Wish};
use quorate_core::time::BootTime;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// Between two readings of one slot.
const EVERY: Duration = Duration::from_millis(500);

/// What was read of one disk.
pub(crate) struct Seen {
    /// Which opening of the watchdog it is for.
    pub(crate) turn: u64,
    /// Which disk.
    pub(crate) disk: usize,
    /// When the reading began.
    pub(crate) begun: BootTime,
    /// Nothing to heed, or what this host has to do; or why it could not be read.
    pub(crate) found: Result<Option<Pill>, String>,
}

/// What this host was told to do.
pub(crate) struct Pill {
    /// Reset, or off.
    pub(crate) is_off: bool,
    /// Who left it.
    pub(crate) from: String,
}

/// The readers of one opening; they end when it is dropped.
pub(crate) struct Readers(Arc<AtomicBool>);

impl Drop for Readers {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Readers {
    pub(crate) fn start(turn: u64, slots: &Slots, opening: &str, inputs: &Sender<Input>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for (number, path) in slots.disks.iter().enumerate() {
            let (inputs, stop) = (inputs.clone(), stop.clone());
            let mut reader = Reader {
                path: PathBuf::from(path),
                node: slots.node.clone(),
                mark: Tag { session: slots.session.clone(), note: opening.to_owned() },
                is_marked: false,
                disk: None,
                first: None,
            };
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let begun = now();
                    let found = reader.read();
                    // The loop that takes it lives as long as the process.
                    let _ = inputs.send(Input::Read(Seen { turn, disk: number, begun, found }));
                    thread::sleep(EVERY);
                }
            });
        }
        Self(stop)
    }
}

/// A disk, read and written past every cache.
struct Direct(File);

impl Direct {
    fn open(path: &std::path::Path) -> Result<Self, String> {
        let flags = O_DIRECT | O_SYNC | O_CLOEXEC;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        opened.map(Self).map_err(|error| format!("it cannot be opened: {error}"))
    }
}

impl Sectors for Direct {
    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, String> {
        let mut room = Room::new(length);
        self.0.read_exact_at(room.bytes(), at).map_err(|error| error.to_string())?;
        Ok(room.bytes().to_vec())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), String> {
        let mut room = Room::new(bytes.len());
        room.bytes().copy_from_slice(bytes);
        self.0.write_all_at(room.bytes(), at).map_err(|error| error.to_string())
    }

    fn wait(&self, time: Duration) {
        thread::sleep(time);
    }
}

struct Reader {
    path: PathBuf,
    node: String,
    /// This boot, and this opening: it stands in the slots, so that whoever leaves a pill sees that they are read.
    mark: Tag,
    is_marked: bool,
    disk: Option<(Disk<Direct>, u8)>,
    /// What stood there first: whatever it is, if it is not for this boot it was meant for another.
    first: Option<Mail>,
}

impl Reader {
    fn read(&mut self) -> Result<Option<Pill>, String> {
        let mail = self.mail();
        // A path that comes back is opened anew.
        let mail = mail.inspect_err(|_| self.disk = None)?;
        let is_new = self.first.as_ref().is_some_and(|first| *first != mail);
        self.first.get_or_insert_with(|| mail.clone());
        Ok(self.heed(&mail, is_new))
    }

    fn mail(&mut self) -> Result<Mail, String> {
        let (disk, slot) = match &mut self.disk {
            Some(known) => known,
            unknown => {
                let disk = Disk::open(Direct::open(&self.path)?)?;
                // The pill is left where the mark is: a disk that comes back without it is another one.
                let slot = match self.is_marked {
                    true => disk.slot_read(&self.node, &self.mark)?,
                    false => disk.take_slot(&self.node, &self.mark)?,
                };
                self.is_marked = true;
                unknown.insert((disk, slot))
            }
        };
        if !disk.is_of(*slot, &self.node, &self.mark)? {
            return Err(format!("slot {slot} is not {}'s any more, or the disk is another one", self.node));
        }
        disk.mail(*slot)
    }

    /// A pill with another boot's tag came late, and is none for this one.
    fn heed(&self, mail: &Mail, is_new: bool) -> Option<Pill> {
        let is_ours = match &mail.tag {
            Some(tag) => tag.session == self.mark.session,
            None => is_new,
        };
        let pill = |is_off| Some(Pill { is_off, from: mail.from.clone() });
        match mail.wish {
            _ if !is_ours => None,
            Wish::Off => pill(true),
            Wish::Reset | Wish::CrashDump => pill(false),
            Wish::Test => {
                if is_new {
                    say(&format!("{}: a test message of {} was read", self.path.display(), mail.from));
                }
                None
            }
            Wish::Clear | Wish::Exit | Wish::Unknown(_) => None,
        }
    }
}
