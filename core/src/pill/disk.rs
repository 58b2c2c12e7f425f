//! Slots on a disk, whoever reads and writes its sectors: which is whose, and what stands in it.

use super::format::{Header, Mail, NAME_LONGEST, Owner, Tag, owner, taken};
use crate::planted::{Mistake, planted};
use std::time::Duration;

/// No disk wants its bytes at a coarser place in memory, or in larger pieces.
pub const ALIGNED: usize = 4096;

/// Whoever reads and writes a disk, past every cache. Errors name the disk.
pub trait Sectors {
    /// So many bytes from there on; both are multiples of a sector.
    ///
    /// # Errors
    /// What the kernel says.
    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, String>;

    /// Writes these from there on.
    ///
    /// # Errors
    /// What the kernel says.
    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), String>;

    /// Waits for so long.
    fn wait(&self, time: Duration);
}

/// Room for so many bytes at a place in memory that the kernel can hand a disk as it is.
#[derive(Debug)]
pub struct Room {
    bytes: Vec<u8>,
    begin: usize,
    length: usize,
}

impl Room {
    /// Room, all zero.
    pub fn new(length: usize) -> Self {
        let bytes = vec![0; length + ALIGNED];
        let begin = bytes.as_ptr().align_offset(ALIGNED);
        Self { bytes, begin, length }
    }

    /// The room.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.begin..self.begin + self.length]
    }
}

/// A disk with slots on it.
#[derive(Debug)]
pub struct Disk<S> {
    sectors: S,
    header: Header,
}

impl<S: Sectors> Disk<S> {
    /// A disk that was prepared.
    ///
    /// # Errors
    /// When it cannot be read, or was not.
    pub fn open(sectors: S) -> Result<Self, String> {
        let header = Header::read(&sectors.read(0, ALIGNED)?);
        let header = header.ok_or("there are no slots on it; prepare it: `qrm fence prepare-disk PATH`")?;
        Ok(Self { sectors, header })
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn sector(&self, number: usize) -> Result<Vec<u8>, String> {
        self.sectors.read((number * self.header.sector) as u64, self.header.sector)
    }

    fn put(&self, number: usize, bytes: &[u8]) -> Result<(), String> {
        self.sectors.write((number * self.header.sector) as u64, bytes)
    }

    /// Every slot with this name, and who reads it: there is one, unless somebody has made another by hand.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn slots(&self, name: &str) -> Result<Vec<(u8, Option<Tag>)>, String> {
        let owners = self.owners()?.into_iter().filter(|(_, owner)| owner.name.eq_ignore_ascii_case(name));
        Ok(owners.map(|(slot, owner)| (slot, owner.mark)).collect())
    }

    /// The slot that a host reads here: it bears the mark of that very opening of its watchdog. Another disk at the same
    /// path, and this one as it was read in an earlier opening, does not.
    ///
    /// # Errors
    /// When there is none, or the disk does not answer.
    pub fn slot_read(&self, name: &str, mark: &Tag) -> Result<u8, String> {
        let slots = self.slots(name)?;
        let is_empty = slots.is_empty();
        let read = slots.into_iter().find(|(_, of)| of.as_ref() == Some(mark) || planted(Mistake::PillUnmarked));
        read.map(|(slot, _)| slot).ok_or_else(|| match is_empty {
            true => format!("{name} has no slot; its quorate-feeder takes one when it is told to read this disk"),
            false => format!("{name} does not read its slot here: it may have another disk by that path"),
        })
    }

    /// All slots that are somebody's, in one reading.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn owners(&self) -> Result<Vec<(u8, Owner)>, String> {
        let sector = self.header.sector;
        let all = self.sectors.read(sector as u64, usize::from(self.header.slots) * 2 * sector)?;
        let each = (0..self.header.slots).zip(all.chunks(2 * sector));
        Ok(each.filter_map(|(slot, bytes)| Some((slot, owner(bytes)?))).collect())
    }

    /// Whether a slot is this host's, with this mark.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn is_of(&self, slot: u8, name: &str, mark: &Tag) -> Result<bool, String> {
        let owner = owner(&self.sector(1 + usize::from(slot) * 2)?);
        Ok(owner.is_some_and(|owner| owner.name.eq_ignore_ascii_case(name) && owner.mark.as_ref() == Some(mark)))
    }

    /// The slot of a host, which takes one where it has none, and puts its mark there. Two hosts may want the same one: who
    /// takes it waits for as long as the header says, and looks whether it has it.
    ///
    /// # Errors
    /// When there is none left, or the disk does not answer.
    pub fn take_slot(&self, name: &str, mark: &Tag) -> Result<u8, String> {
        if name.len() > NAME_LONGEST {
            return Err(format!("{name} is too long a name for a slot"));
        }
        let sector = taken(name, Some(mark), self.header.sector).ok_or("its mark is too long for a slot")?;
        loop {
            match self.slots(name)?.first() {
                Some((slot, of)) if of.as_ref() == Some(mark) => return Ok(*slot),
                // Its own already, from an earlier opening or by the hands of `sbd`.
                Some((slot, _)) => {
                    self.put(1 + usize::from(*slot) * 2, &sector)?;
                    continue;
                }
                None => {}
            }
            let taken_by: Vec<u8> = self.owners()?.into_iter().map(|(slot, _)| slot).collect();
            let free = (0..self.header.slots).find(|slot| !taken_by.contains(slot));
            let free = usize::from(free.ok_or("all of its slots are taken")?);
            self.put(1 + free * 2, &sector)?;
            self.sectors.wait(Duration::from_secs(u64::from(self.header.take.min(60))));
        }
    }

    /// What stands in a slot.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn mail(&self, slot: u8) -> Result<Mail, String> {
        Ok(Mail::read(&self.sector(2 + usize::from(slot) * 2)?))
    }

    /// Leaves a host a message in its slot.
    ///
    /// # Errors
    /// When the disk does not take it; it may stand there all the same.
    pub fn leave(&self, slot: u8, mail: &Mail) -> Result<(), String> {
        let bytes = mail.write(self.header.sector).ok_or("its tag is too long for a slot")?;
        self.put(2 + usize::from(slot) * 2, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{SLOTS, Wish};
    use super::*;
    use std::cell::RefCell;

    /// A disk in memory, on which another host takes the first slot while we wait.
    struct Memory(RefCell<Vec<u8>>, RefCell<Option<Vec<u8>>>);

    impl Sectors for Memory {
        fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, String> {
            let at = usize::try_from(at).map_err(|error| error.to_string())?;
            Ok(self.0.borrow()[at..at + length].to_vec())
        }

        fn write(&self, at: u64, bytes: &[u8]) -> Result<(), String> {
            let at = usize::try_from(at).map_err(|error| error.to_string())?;
            self.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn wait(&self, time: Duration) {
            assert_eq!(time, Duration::from_secs(2));
            if let Some(others) = self.1.take() {
                self.write(512, &others).expect("it is in memory");
            }
        }
    }

    fn mark(opening: &str) -> Tag {
        Tag { session: "boot-1".to_owned(), note: opening.to_owned() }
    }

    fn header() -> Header {
        Header { slots: SLOTS, sector: 512, watchdog: 5, take: 2, each: 1, wait: 10, uuid: None }
    }

    #[test]
    fn who_is_overtaken_takes_another_slot() {
        let mut bytes = vec![0; 512 * 600];
        bytes[..512].copy_from_slice(&header().write());
        let disk = Disk::open(Memory(RefCell::new(bytes), RefCell::new(taken("n9", Some(&mark("1")), 512))))
            .expect("prepared");
        assert_eq!(disk.take_slot("n1", &mark("1")), Ok(1));
        assert_eq!(disk.take_slot("N1", &mark("1")), Ok(1), "names are the same whatever their case");
        let is_of = |slot, name| disk.is_of(slot, name, &mark("1"));
        assert_eq!((is_of(0, "n9"), is_of(0, "n1"), is_of(1, "n1")), (Ok(true), Ok(false), Ok(true)));
        assert_eq!(disk.slot_read("n1", &mark("1")), Ok(1));
        assert_eq!(disk.take_slot("n1", &mark("2")), Ok(1), "the next opening has the same slot, with another mark");
        assert!(disk.slot_read("n1", &mark("1")).is_err_and(|error| error.contains("another disk")));
        assert_eq!(disk.is_of(1, "n1", &mark("1")), Ok(false));
        assert!(disk.slot_read("n2", &mark("1")).is_err_and(|error| error.contains("no slot")));
        let mail = Mail { wish: Wish::Reset, from: "n9".to_owned(), tag: None };
        disk.leave(1, &mail).expect("room");
        assert_eq!((disk.mail(1), disk.mail(0).map(|mail| mail.wish)), (Ok(mail), Ok(Wish::Clear)));
        assert!(disk.take_slot(&"n".repeat(64), &mark("1")).is_err());
        for number in 2..SLOTS {
            let full = taken("full", None, 512).expect("it fits");
            disk.put(1 + usize::from(number) * 2, &full).expect("room");
        }
        assert!(disk.take_slot("n2", &mark("1")).is_err_and(|error| error.contains("taken")));
    }

    #[test]
    fn what_has_no_header_is_no_disk_of_slots() {
        let told = Disk::open(Memory(RefCell::new(vec![0; 8192]), RefCell::new(None))).map(|_| ());
        assert!(told.is_err_and(|error| error.contains("prepare-disk")));
    }

    #[test]
    fn room_is_where_a_disk_wants_it() {
        for length in [512, 4096, 512 * 510] {
            let mut room = Room::new(length);
            assert_eq!((room.bytes().len(), room.bytes().as_ptr().align_offset(ALIGNED)), (length, 0));
        }
    }
}
