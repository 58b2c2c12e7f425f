//! What may be left on a disk after a power cut.
//!
//! Before a cut: what a file held at its last sync is there. Of what was written after, any
//! subset of sectors may be. Names appear and vanish in order (a journal), and everything up
//! to the last sync of their directory has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::layer::{Event, FileId, Record};
use crate::random::Random;

/// Disks write whole sectors.
const SECTOR: usize = 512;

/// How cruel a cut is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cruelty {
    /// Nothing unsynced is left.
    DropAll,
    /// Each unsynced sector is left with this chance in 256.
    Sectors(u64),
    /// Each unsynced write is left whole or not at all, with this chance in 256.
    Writes(u64),
    /// Everything is left: only the process died.
    KeepAll,
}

impl Cruelty {
    pub(crate) fn any(random: &mut Random) -> Self {
        match random.below(8) {
            0 | 1 => Self::DropAll,
            2 => Self::KeepAll,
            3 => Self::Writes(128),
            4 => Self::Writes(230),
            5 => Self::Sectors(250),
            _ => Self::Sectors(random.below(256)),
        }
    }
}

/// Files by path, and the directories.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    directories: BTreeSet<PathBuf>,
}

/// What is left after a cut just before event number `cut`.
pub(crate) fn after_cut<A>(record: &Record<A>, cut: usize, cruelty: Cruelty, random: &mut Random) -> Image {
    let events = &record.events[..cut];
    let contents = contents(record, events, cruelty, random);
    let mut names: BTreeMap<PathBuf, FileId> =
        record.before.iter().map(|(path, file, _)| (path.clone(), *file)).collect();
    let mut directories: BTreeSet<PathBuf> = record.directories.iter().cloned().collect();
    let names_until = names_until(events, cruelty, random);
    for event in &events[..names_until] {
        match event {
            Event::Create { path, file } => drop(names.insert(path.clone(), *file)),
            Event::Mkdir { path } => drop(directories.insert(path.clone())),
            Event::Unlink { path } => drop(names.remove(path)),
            Event::Rename { from, to } => {
                names = names.into_iter().map(|(path, file)| (moved(path, from, to), file)).collect();
                directories = directories.into_iter().map(|path| moved(path, from, to)).collect();
            }
            Event::Write { .. }
            | Event::Truncate { .. }
            | Event::Sync { .. }
            | Event::SyncDir { .. }
            | Event::Note(_) => {}
        }
    }
    let file = |id: FileId| contents.get(&id).cloned().unwrap_or_default();
    Image { files: names.into_iter().map(|(path, id)| (path, file(id))).collect(), directories }
}

/// The path after a rename of it, or of a directory it is in.
fn moved(path: PathBuf, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_path_buf(),
        Ok(rest) => to.join(rest),
        Err(_) => path,
    }
}

fn contents<A>(
    record: &Record<A>,
    events: &[Event<A>],
    cruelty: Cruelty,
    random: &mut Random,
) -> BTreeMap<FileId, Vec<u8>> {
    let mut contents: BTreeMap<FileId, Vec<u8>> =
        record.before.iter().map(|(_, file, bytes)| (*file, bytes.clone())).collect();
    let mut synced: BTreeMap<FileId, usize> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        if let Event::Sync { file } = event {
            synced.insert(*file, at);
        }
    }
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Write { file, offset, data } => {
                let safe = synced.get(file).is_some_and(|s| at < *s);
                let bytes = contents.entry(*file).or_default();
                write(bytes, *offset, data, if safe { Cruelty::KeepAll } else { cruelty }, random);
            }
            Event::Truncate { file, length } => {
                let safe = synced.get(file).is_some_and(|s| at < *s);
                if safe || kept(cruelty, random) {
                    let length = usize::try_from(*length).expect("a file of the test fits in memory");
                    contents.entry(*file).or_default().resize(length, 0);
                }
            }
            Event::Create { .. }
            | Event::Mkdir { .. }
            | Event::Rename { .. }
            | Event::Unlink { .. }
            | Event::Sync { .. }
            | Event::SyncDir { .. }
            | Event::Note(_) => {}
        }
    }
    contents
}

fn kept(cruelty: Cruelty, random: &mut Random) -> bool {
    match cruelty {
        Cruelty::DropAll => false,
        Cruelty::Sectors(chance) | Cruelty::Writes(chance) => random.below(256) < chance,
        Cruelty::KeepAll => true,
    }
}

fn write(bytes: &mut Vec<u8>, offset: u64, data: &[u8], cruelty: Cruelty, random: &mut Random) {
    let offset = usize::try_from(offset).expect("a file of the test fits in memory");
    let mut put = |from: usize, to: usize| {
        let end = offset + to;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset + from..end].copy_from_slice(&data[from..to]);
    };
    match cruelty {
        Cruelty::DropAll => {}
        Cruelty::KeepAll => put(0, data.len()),
        Cruelty::Writes(_) => {
            if kept(cruelty, random) {
                put(0, data.len());
            }
        }
        Cruelty::Sectors(_) => {
            let mut from = 0;
            while from < data.len() {
                let to = data.len().min(from + SECTOR - (offset + from) % SECTOR);
                if kept(cruelty, random) {
                    put(from, to);
                }
                from = to;
            }
        }
    }
}

/// Up to which event the names have changed.
fn names_until<A>(events: &[Event<A>], cruelty: Cruelty, random: &mut Random) -> usize {
    let mut certain = 0;
    let mut synced: BTreeSet<&Path> = BTreeSet::new();
    for (at, event) in events.iter().enumerate().rev() {
        let name = match event {
            Event::SyncDir { path } => {
                synced.insert(path);
                continue;
            }
            Event::Create { path, .. } | Event::Mkdir { path } | Event::Unlink { path } => path,
            Event::Rename { to, .. } => to,
            Event::Write { .. } | Event::Truncate { .. } | Event::Sync { .. } | Event::Note(_) => continue,
        };
        if name.parent().is_some_and(|parent| synced.contains(parent)) {
            certain = at + 1;
            break;
        }
    }
    match cruelty {
        Cruelty::DropAll => certain,
        Cruelty::KeepAll => events.len(),
        Cruelty::Sectors(_) | Cruelty::Writes(_) => {
            certain + usize::try_from(random.below((events.len() - certain) as u64 + 1)).unwrap_or(0)
        }
    }
}

impl Image {
    /// Puts the image, recorded under `root`, at `target`.
    pub(crate) fn put(&self, root: &Path, target: &Path) -> std::io::Result<()> {
        let place = |path: &Path| target.join(path.strip_prefix(root).unwrap_or(path));
        for directory in &self.directories {
            std::fs::create_dir_all(place(directory))?;
        }
        for (path, bytes) in &self.files {
            let path = place(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }

    /// Whether this is what really is in the directory; if not, a call was missed.
    pub(crate) fn matches_disk(&self) -> Result<(), String> {
        for (path, bytes) in &self.files {
            let real = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            if real != *bytes {
                let (have, want) = (bytes.len(), real.len());
                return Err(format!("{}: {have} bytes were recorded, {want} are there", path.display()));
            }
        }
        let mut open: Vec<&PathBuf> = self.directories.iter().collect();
        while let Some(directory) = open.pop() {
            let listed = std::fs::read_dir(directory).map_err(|e| e.to_string())?;
            for path in listed.flatten().map(|e| e.path()) {
                if !self.files.contains_key(&path) && !self.directories.contains(&path) {
                    return Err(format!("{} was not recorded", path.display()));
                }
            }
        }
        Ok(())
    }
}
