//! What stands where on the disk. The layout is SBD's, version 2.1: a header, then for each host a sector with its name
//! and a sector with the message for it. Behind what SBD writes into either is room for a tag: which boot it is for, or of
//! which opening of its watchdog the host reads this very disk.

/// So many hosts have a slot.
pub const SLOTS: u8 = 255;
/// The longest name of a host.
pub const NAME_LONGEST: usize = 63;
/// The smallest sector.
pub const SECTOR_LEAST: usize = 512;
/// What they may have: less is no disk's, more no memory's.
const SECTORS: std::ops::RangeInclusive<usize> = SECTOR_LEAST..=super::disk::ALIGNED;
const MAGIC: &[u8; 8] = b"SBD_SBD_";
const VERSION: u8 = 2;
const MINOR_VERSION: u8 = 1;
/// Behind the message's kind and its sender.
const TAG_AT: usize = 128;
const TAG_MAGIC: &[u8; 8] = b"QRM_TAG1";
/// The longest name of a boot, and the longest note.
const WORD_LONGEST: usize = 160;

/// What a disk says of itself. The times are SBD's, in seconds; only that for taking a slot is heeded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Slots.
    pub slots: u8,
    /// Bytes of a sector.
    pub sector: usize,
    /// After so long without food a watchdog bites.
    pub watchdog: u32,
    /// So long whoever takes a slot waits before it looks whether it has it.
    pub take: u32,
    /// Between two looks at a slot.
    pub each: u32,
    /// After so long a message counts as obeyed.
    pub wait: u32,
    /// Which disk it is; of version 2.0 there is none.
    pub uuid: Option<[u8; 16]>,
}

impl Header {
    /// A disk's header, if it is one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
        if bytes.get(..8)? != MAGIC || *bytes.get(8)? != VERSION {
            return None;
        }
        let sector = usize::try_from(number(12)?).ok().filter(|sector| SECTORS.contains(sector))?;
        let has_uuid = *bytes.get(32)? > 0;
        Some(Self {
            slots: *bytes.get(9)?,
            sector,
            watchdog: number(16)?,
            take: number(20)?,
            each: number(24)?,
            wait: number(28)?,
            uuid: if has_uuid { bytes.get(33..49)?.try_into().ok() } else { None },
        })
    }

    /// The sector.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.sector];
        bytes[..8].copy_from_slice(MAGIC);
        (bytes[8], bytes[9]) = (VERSION, self.slots);
        let sector = u32::try_from(self.sector).unwrap_or(0);
        for (at, number) in (12..).step_by(4).zip([sector, self.watchdog, self.take, self.each, self.wait]) {
            bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
        if let Some(uuid) = self.uuid {
            bytes[32] = MINOR_VERSION;
            bytes[33..49].copy_from_slice(&uuid);
        }
        bytes
    }
}

/// Whose a slot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The host.
    pub name: String,
    /// Who reads it: the host's boot, and the opening of its watchdog; who took it with `sbd` says nothing of that.
    pub mark: Option<Tag>,
}

/// Whose a slot is, if anybody's.
pub fn owner(bytes: &[u8]) -> Option<Owner> {
    let name = text(bytes.get(1..=NAME_LONGEST).unwrap_or_default());
    (*bytes.first()? != 0).then(|| Owner { name, mark: Tag::read(bytes) })
}

/// The sector that says whose a slot is; `None` where the mark is too long for it.
pub fn taken(name: &str, mark: Option<&Tag>, sector: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; sector];
    bytes[0] = 1;
    put(&mut bytes[1..=NAME_LONGEST], name);
    mark.map_or(Some(()), |mark| mark.write(&mut bytes))?;
    Some(bytes)
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: there is no message.
    Clear,
    /// To say in its own log that it was read.
    Test,
    /// To reset the host.
    Reset,
    /// To switch the host off.
    Off,
    /// That SBD ends; it is none of ours.
    Exit,
    /// To reset the host, with a dump of its memory where it can.
    CrashDump,
    /// What nobody knows.
    Unknown(u8),
}

const WISHES: [(u8, Wish); 6] =
    [(0, Wish::Clear), (1, Wish::Test), (2, Wish::Reset), (3, Wish::Off), (4, Wish::Exit), (5, Wish::CrashDump)];

/// A message in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What it asks for.
    pub wish: Wish,
    /// Who wrote it.
    pub from: String,
    /// For which boot it is; what `sbd` itself writes has none.
    pub tag: Option<Tag>,
}

/// Which boot a message is for, and which message it is: a late one hits no later boot, and none is taken for another.
/// Or, of a slot: which boot reads it, and since which opening of its watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The boot.
    pub session: String,
    /// The message, or the opening.
    pub note: String,
}

impl Mail {
    /// What stands in a slot.
    pub fn read(bytes: &[u8]) -> Self {
        let kind = bytes.first().copied().unwrap_or_default();
        let wish = WISHES.iter().find(|(number, _)| *number == kind).map_or(Wish::Unknown(kind), |(_, wish)| *wish);
        Self { wish, from: text(bytes.get(1..=NAME_LONGEST).unwrap_or_default()), tag: Tag::read(bytes) }
    }

    /// The sector; `None` where the tag is too long for it.
    pub fn write(&self, sector: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; sector];
        bytes[0] = match self.wish {
            Wish::Unknown(kind) => kind,
            wish => WISHES.iter().find(|(_, known)| *known == wish).map_or(0, |(number, _)| *number),
        };
        put(&mut bytes[1..=NAME_LONGEST], &self.from);
        self.tag.as_ref().map_or(Some(()), |tag| tag.write(&mut bytes))?;
        Some(bytes)
    }
}

impl Tag {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = TAG_AT + TAG_MAGIC.len();
        if bytes.get(TAG_AT..at)? != TAG_MAGIC {
            return None;
        }
        let mut word = || {
            let length = usize::from(*bytes.get(at)?);
            let word = bytes.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            String::from_utf8(word.to_vec()).ok()
        };
        Some(Self { session: word()?, note: word()? })
    }

    fn write(&self, bytes: &mut [u8]) -> Option<()> {
        let mut at = TAG_AT + TAG_MAGIC.len();
        bytes[TAG_AT..at].copy_from_slice(TAG_MAGIC);
        for word in [&self.session, &self.note] {
            let length = u8::try_from(word.len()).ok().filter(|_| word.len() <= WORD_LONGEST)?;
            bytes[at] = length;
            bytes[at + 1..at + 1 + word.len()].copy_from_slice(word.as_bytes());
            at += 1 + word.len();
        }
        Some(())
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn put(bytes: &mut [u8], text: &str) {
    let end = text.len().min(bytes.len());
    bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let header = Header {
            slots: SLOTS,
            sector: 512,
            watchdog: 5,
            take: 2,
            each: 1,
            wait: 10,
            uuid: Some(*b"0123456789abcdef"),
        };
        assert_eq!(Header::read(&header.write()), Some(header));
        assert_eq!(Header::read(&[0; 512]), None);
        assert_eq!(Header::read(b"SBD_SBD_\x02"), None, "half a header is none");
        let tag = Tag { session: "boot-1".to_owned(), note: "3.1".to_owned() };
        for tag in [None, Some(tag)] {
            let name = "n1".to_owned();
            let sector = taken(&name, tag.as_ref(), 512).expect("it fits");
            assert_eq!(owner(&sector), Some(Owner { name, mark: tag.clone() }));
            let mail = Mail { wish: Wish::Reset, from: "n2".to_owned(), tag };
            let bytes = mail.write(512).expect("it fits");
            assert_eq!(Mail::read(&bytes), mail);
        }
        assert_eq!(owner(&[0; 512]), None);
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_no_tag() {
        let tag = Tag { session: "b".repeat(WORD_LONGEST + 1), note: String::new() };
        assert_eq!(Mail { wish: Wish::Reset, from: String::new(), tag: Some(tag) }.write(512), None);
        let mail = Mail {
            wish: Wish::Off,
            from: "n".repeat(100),
            tag: Some(Tag { session: "b".to_owned(), note: "1".to_owned() }),
        };
        let bytes = mail.write(512).expect("a sender's name is cut");
        assert_eq!(Mail::read(&bytes).from.len(), NAME_LONGEST);
        assert_eq!(Mail::read(&bytes[..138]).tag, None);
        assert_eq!(Mail::read(&[]).wish, Wish::Clear);
        assert_eq!(Mail::read(&[9]).wish, Wish::Unknown(9));
    }
}
