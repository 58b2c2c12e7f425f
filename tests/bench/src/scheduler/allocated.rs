//! The allocator of the programs that ship, and how much some work takes of it. Nothing is counted while time is measured.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
/// Bytes since counting began; what was there before is given back, too.
static NOW: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

struct Counting;

/// What some work took, in bytes.
pub(super) struct Allocated {
    /// The most at one time.
    pub(super) most: usize,
    /// What is left of it at the end.
    pub(super) kept: usize,
}

/// Counts what this work takes; it alone, for nothing else of this program runs meanwhile.
pub(super) fn count<T>(work: impl FnOnce() -> T) -> (Allocated, T) {
    for counter in [&NOW, &MOST] {
        counter.store(0, Ordering::Relaxed);
    }
    IS_COUNTING.store(true, Ordering::Relaxed);
    let done = work();
    IS_COUNTING.store(false, Ordering::Relaxed);
    let bytes = |counter: &AtomicIsize| usize::try_from(counter.load(Ordering::Relaxed)).unwrap_or(0);
    (Allocated { most: bytes(&MOST), kept: bytes(&NOW) }, done)
}

fn changed(from: usize, to: usize) {
    if IS_COUNTING.load(Ordering::Relaxed) {
        let more = to.cast_signed().wrapping_sub(from.cast_signed());
        let now = NOW.fetch_add(more, Ordering::Relaxed) + more;
        MOST.fetch_max(now, Ordering::Relaxed);
    }
}

#[allow(unsafe_code, reason = "an allocator is an unsafe trait; this one only looks at the sizes")]
// SAFETY: everything is handed to the allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        changed(0, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        changed(0, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        changed(layout.size(), size);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        changed(layout.size(), 0);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_at_one_time_and_what_is_left_are_counted() {
        let (counted, kept) = count(|| {
            drop(vec![0_u8; 2_000_000_000]);
            vec![0_u8; 1_000_000_000]
        });
        // Other tests run meanwhile, and take much less.
        let near = |bytes: usize, of: usize| bytes.abs_diff(of) < 300_000_000;
        assert!(near(counted.most, 2_000_000_000), "{}", counted.most);
        assert!(near(counted.kept, 1_000_000_000), "{}", counted.kept);
        assert_eq!(kept.len(), 1_000_000_000);
    }
}
