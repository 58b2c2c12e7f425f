//! The layer between the store and the kernel: it sees every call that changes the tracked
//! directory, in order, with its data.
//!
//! The C functions the standard library calls are defined here, in the executable, and so take
//! the place of libc's: each does the system call itself and writes down what it did. Nothing
//! is guessed about what the store does: [`crate::image`] rebuilds the directory from the
//! record and compares it with the real one, so a call that was missed is noticed.
#![allow(unsafe_code)] // Defining libc's functions and passing their arguments on.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::libc::{
    AT_FDCWD, O_CREAT, O_TRUNC, S_IFDIR, S_IFMT, S_IFREG, SYS_fdatasync, SYS_fsync, SYS_ftruncate, SYS_mkdirat,
    SYS_openat, SYS_pwrite64, SYS_renameat, SYS_unlinkat, SYS_write, c_char, c_int, c_uint, c_void, fstat, lseek,
    mode_t, off64_t, size_t, ssize_t, stat, syscall,
};

/// A file, whatever it is called.
pub(crate) type FileId = usize;

/// One thing that happened in the tracked directory.
#[derive(Debug, Clone)]
pub(crate) enum Event<A> {
    Create {
        path: PathBuf,
        file: FileId,
    },
    Mkdir {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    Write {
        file: FileId,
        offset: u64,
        data: Vec<u8>,
    },
    Truncate {
        file: FileId,
        length: u64,
    },
    Sync {
        file: FileId,
    },
    SyncDir {
        path: PathBuf,
    },
    /// What the test itself says: an operation was begun or acknowledged.
    Note(A),
}

/// A record: what was there before, and what happened since.
pub(crate) struct Record<A> {
    pub(crate) before: Vec<(PathBuf, FileId, Vec<u8>)>,
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) events: Vec<Event<A>>,
}

struct Recorder {
    root: PathBuf,
    files: HashMap<u64, FileId>,
    next: FileId,
    record: Record<crate::model::Note>,
}

static RECORDER: Mutex<Option<Recorder>> = Mutex::new(None);

fn recorder() -> MutexGuard<'static, Option<Recorder>> {
    RECORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to record what happens under `root`. All that is there now counts as durable.
pub(crate) fn start(root: &Path) -> std::io::Result<()> {
    let mut new = Recorder {
        root: root.to_path_buf(),
        files: HashMap::new(),
        next: 0,
        record: Record { before: Vec::new(), directories: Vec::new(), events: Vec::new() },
    };
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let file = new.adopt(std::fs::metadata(&path)?.ino());
                let bytes = std::fs::read(&path)?;
                new.record.before.push((path, file, bytes));
            }
        }
        new.record.directories.push(directory);
    }
    *recorder() = Some(new);
    Ok(())
}

/// Ends the recording.
pub(crate) fn stop() -> Option<Record<crate::model::Note>> {
    recorder().take().map(|r| r.record)
}

/// Puts a note between the events, in the order things really happened.
pub(crate) fn note(note: crate::model::Note) {
    if let Some(recorder) = recorder().as_mut() {
        recorder.record.events.push(Event::Note(note));
    }
}

impl Recorder {
    fn adopt(&mut self, inode: u64) -> FileId {
        let file = self.next;
        self.next += 1;
        self.files.insert(inode, file);
        file
    }

    fn ours(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }

    fn push(&mut self, event: Event<crate::model::Note>) {
        self.record.events.push(event);
    }

    /// The tracked file behind a descriptor.
    fn file(&self, fd: c_int) -> Option<FileId> {
        let found = stat_of(fd)?;
        if found.st_mode & S_IFMT != S_IFREG {
            return None;
        }
        let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        self.ours(&link).then(|| self.files.get(&found.st_ino).copied()).flatten()
    }

    fn synced(&mut self, fd: c_int) {
        let Some(found) = stat_of(fd) else { return };
        if found.st_mode & S_IFMT == S_IFDIR {
            if let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{fd}"))
                && self.ours(&path)
            {
                self.push(Event::SyncDir { path });
            }
        } else if let Some(file) = self.file(fd) {
            self.push(Event::Sync { file });
        }
    }
}

fn stat_of(fd: c_int) -> Option<stat> {
    // SAFETY: `stat` is plain data, for which zeros are valid, and fstat fills it in.
    unsafe {
        let mut found: stat = std::mem::zeroed();
        (fstat(fd, &raw mut found) == 0).then_some(found)
    }
}

/// The path in a C string, made absolute.
///
/// # Safety
/// `path` must be a C string, as the callers of libc promise.
unsafe fn path_of(path: *const c_char) -> PathBuf {
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    let path = Path::new(OsStr::from_bytes(bytes));
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// # Safety
/// As open(2). It is variadic in C; the mode is passed the same way either way.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let mut recorder = recorder();
    // SAFETY: the caller's promise, passed on.
    let opened = |flags: c_int| unsafe { syscall(SYS_openat, AT_FDCWD, path, flags, mode) as c_int };
    let Some(recorder) = recorder.as_mut().filter(|_| flags & (O_CREAT | O_TRUNC) != 0) else {
        return opened(flags);
    };
    let name = unsafe { path_of(path) };
    let existed = name.exists();
    let fd = opened(flags);
    if fd >= 0 && recorder.ours(&name) {
        let inode = stat_of(fd).map_or(0, |s| s.st_ino);
        if !existed {
            let file = recorder.adopt(inode);
            recorder.push(Event::Create { path: name, file });
        } else if flags & O_TRUNC != 0
            && let Some(file) = recorder.file(fd)
        {
            recorder.push(Event::Truncate { file, length: 0 });
        }
    }
    fd
}

/// # Safety
/// As write(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    let mut recorder = recorder();
    let file = recorder.as_ref().and_then(|r| r.file(fd));
    // SAFETY: the caller's promise, passed on; the slice is what the kernel just read.
    unsafe {
        let written = syscall(SYS_write, fd, data, length) as ssize_t;
        if let (Some(recorder), Some(file), Ok(count)) = (recorder.as_mut(), file, usize::try_from(written)) {
            let end = lseek(fd, 0, nix::libc::SEEK_CUR);
            let offset = u64::try_from(end).unwrap_or(0).saturating_sub(count as u64);
            let data = std::slice::from_raw_parts(data.cast::<u8>(), count).to_vec();
            recorder.push(Event::Write { file, offset, data });
        }
        written
    }
}

/// # Safety
/// As pwrite(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, length: size_t, offset: off64_t) -> ssize_t {
    let mut recorder = recorder();
    let file = recorder.as_ref().and_then(|r| r.file(fd));
    // SAFETY: the caller's promise, passed on; the slice is what the kernel just read.
    unsafe {
        let written = syscall(SYS_pwrite64, fd, data, length, offset) as ssize_t;
        if let (Some(recorder), Some(file), Ok(count)) = (recorder.as_mut(), file, usize::try_from(written)) {
            let offset = u64::try_from(offset).unwrap_or(0);
            let data = std::slice::from_raw_parts(data.cast::<u8>(), count).to_vec();
            recorder.push(Event::Write { file, offset, data });
        }
        written
    }
}

/// # Safety
/// As ftruncate(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(fd: c_int, length: off64_t) -> c_int {
    let mut recorder = recorder();
    // SAFETY: plain values.
    let result = unsafe { syscall(SYS_ftruncate, fd, length) as c_int };
    if result == 0
        && let Some(recorder) = recorder.as_mut()
        && let Some(file) = recorder.file(fd)
    {
        let length = u64::try_from(length).unwrap_or(0);
        recorder.push(Event::Truncate { file, length });
    }
    result
}

/// # Safety
/// As fsync(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    sync_call(SYS_fsync, fd)
}

/// # Safety
/// As fdatasync(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync_call(SYS_fdatasync, fd)
}

/// The directory of the test is synced in the record only: what counts as lost is decided
/// there, and the real disk has other users.
fn sync_call(call: nix::libc::c_long, fd: c_int) -> c_int {
    let mut recorder = recorder();
    match recorder.as_mut() {
        Some(recorder) => {
            recorder.synced(fd);
            0
        }
        // SAFETY: plain values.
        None => unsafe { syscall(call, fd) as c_int },
    }
}

/// # Safety
/// As rename(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let mut recorder = recorder();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to) as c_int;
        if result == 0
            && let Some(recorder) = recorder.as_mut()
        {
            let (from, to) = (path_of(from), path_of(to));
            if recorder.ours(&to) {
                recorder.push(Event::Rename { from, to });
            }
        }
        result
    }
}

/// # Safety
/// As unlink(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let mut recorder = recorder();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let result = syscall(SYS_unlinkat, AT_FDCWD, path, 0) as c_int;
        if result == 0
            && let Some(recorder) = recorder.as_mut()
        {
            let path = path_of(path);
            if recorder.ours(&path) {
                recorder.push(Event::Unlink { path });
            }
        }
        result
    }
}

/// # Safety
/// As mkdir(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let mut recorder = recorder();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let result = syscall(SYS_mkdirat, AT_FDCWD, path, mode) as c_int;
        if result == 0
            && let Some(recorder) = recorder.as_mut()
        {
            let path = path_of(path);
            if recorder.ours(&path) {
                recorder.push(Event::Mkdir { path });
            }
        }
        result
    }
}
