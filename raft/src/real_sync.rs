//! Makes the embedded store's idea of "stable" true.
//!
//! sled 0.34 calls `sync_file_range` after each write to its log and then takes the data for
//! safe: it acknowledges it, writes segment after segment on top of it, and reuses segments
//! whose pages moved there. But that call only starts write-back: it commits no metadata and
//! flushes no disk cache. An fdatasync of our own after its `flush()` saves what was
//! acknowledged, yet not the order inside: when a large entry spans segments, a power cut can
//! leave later ones without earlier ones, and sled then loses older entries or does not open
//! again. The power-loss test shows both within minutes.
//!
//! So the C function is defined here, in the place of libc's, as an fdatasync. That is what
//! sled itself does where the call does not exist. Whether the linker did take this one is not
//! left to hope: [`calls`] counts, and the store refuses to open when it stays at nought.
#![allow(unsafe_code)] // Defining a C function, and calling one.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc::{c_int, c_uint, off64_t};

static CALLS: AtomicU64 = AtomicU64::new(0);

/// How often a write was made durable here, in this process.
pub(crate) fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

/// fdatasync under the name of a weaker call; see the module text.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(fd: c_int, _offset: off64_t, _length: off64_t, _flags: c_uint) -> c_int {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if cfg!(feature = "planted-no-fdatasync") {
        return 0;
    }
    // SAFETY: takes a plain value; a bad descriptor is an error like any other.
    unsafe { nix::libc::fdatasync(fd) }
}
