//! A watchdog device: opened, it resets the host when nothing is written to it in time; `V` before the close stops it.
//!
//! The kernel's interface is Documentation/watchdog/watchdog-api.rst. What is no character device is taken for a stand-in
//! and written to in the same way: tests have no other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The device was what reset this host.
const CARD_RESET: i32 = 0x20;
/// `V` before the close stops it.
const MAGIC_CLOSE: u32 = 0x100;

/// `struct watchdog_info`.
#[repr(C)]
struct Info {
    options: u32,
    firmware_version: u32,
    identity: [u8; 32],
}

// The kernel fills these structures and numbers by itself, and nix has no safe words for its watchdogs.
#[allow(unsafe_code, missing_docs)]
mod calls {
    use super::Info;
    nix::ioctl_read!(support, b'W', 0, Info);
    nix::ioctl_read!(boot_status, b'W', 2, i32);
    nix::ioctl_readwrite!(set_timeout, b'W', 6, i32);
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    /// It cannot be opened.
    #[error("{}: {why}; is there a watchdog, and does nobody else (systemd, sbd) use it?", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// The kernel's word.
        why: io::Error,
    },
    /// It does not do what is needed.
    #[error("{}: {why}", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What it lacks.
        why: String,
    },
}

/// A device that bites.
#[derive(Debug)]
pub(crate) struct Device {
    file: File,
    /// What the kernel calls it.
    pub(crate) identity: String,
    /// Whether it was what reset this host before this boot.
    pub(crate) was_reset: bool,
    /// It is a device, and no stand-in.
    pub(crate) is_real: bool,
}

impl Device {
    /// Opens it: from here on the host is reset unless it is fed.
    ///
    /// # Errors
    /// When it cannot be opened, or is too slow to bite; then it was stopped again.
    pub(crate) fn open(path: &Path, timeout: Duration) -> Result<Self, DeviceError> {
        let failed = |why: io::Error| DeviceError::Open { path: path.to_owned(), why };
        // A stand-in that nobody reads is as good as no device.
        let opened =
            OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC).open(path);
        let file = opened.map_err(failed)?;
        if !file.metadata().map_err(failed)?.file_type().is_char_device() {
            return Ok(Self {
                file,
                identity: "a stand-in for a watchdog".to_owned(),
                was_reset: false,
                is_real: false,
            });
        }
        match Self::set_up(&file, timeout) {
            Ok((identity, was_reset)) => Ok(Self { file, identity, was_reset, is_real: true }),
            Err(why) => {
                let device = Self { file, identity: String::new(), was_reset: false, is_real: true };
                // What it was opened for is not to be had; if it cannot be stopped the kernel says so in its log.
                let _ = device.close();
                Err(DeviceError::Unfit { path: path.to_owned(), why })
            }
        }
    }

    #[allow(unsafe_code)]
    fn set_up(file: &File, timeout: Duration) -> Result<(String, bool), String> {
        let fd = file.as_raw_fd();
        let mut info = Info { options: 0, firmware_version: 0, identity: [0; 32] };
        let wanted = i32::try_from(timeout.as_secs()).map_err(|_| "that timeout is no watchdog's".to_owned())?;
        let (mut seconds, mut status) = (wanted, 0);
        // SAFETY: the descriptor is open, and each call writes at most the structure or number that it is given.
        let (supports, sets) = unsafe { (calls::support(fd, &raw mut info), calls::set_timeout(fd, &raw mut seconds)) };
        supports.map_err(|error| format!("it says nothing of itself: {error}"))?;
        sets.map_err(|error| format!("its timeout cannot be set to {wanted} s: {error}"))?;
        if seconds > wanted {
            return Err(format!("it bites after {seconds} s at the earliest, and {wanted} s were asked for"));
        }
        if info.options & MAGIC_CLOSE == 0 {
            return Err("it cannot be closed in order (no magic close)".to_owned());
        }
        // SAFETY: as above. A device that does not know why the host booted was not it.
        let was_reset = unsafe { calls::boot_status(fd, &raw mut status) }.is_ok() && status & CARD_RESET != 0;
        let name = info.identity.iter().copied().take_while(|byte| *byte != 0).collect::<Vec<u8>>();
        Ok((String::from_utf8_lossy(&name).trim().to_owned(), was_reset))
    }

    /// Keeps it from biting for another timeout.
    ///
    /// # Errors
    /// When it takes nothing: it will bite.
    pub(crate) fn feed(&mut self) -> io::Result<()> {
        self.file.write_all(b"\0")
    }

    /// Stops it. A device with `nowayout` cannot be stopped, and bites.
    ///
    /// # Errors
    /// When it takes nothing.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.file.write_all(b"V")
    }
}
