//! The engine: `QUORATE_FUZZ_TARGET=NAME quorate-fuzz CORPUS`, as `cargo xtask fuzz` starts it.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;

use quorate_fuzz::{Target, target};

/// One allocation of more than this is a finding: a length was believed before its bytes were there. An envelope may hold
/// 256 MiB.
const MOST: usize = 300 << 20;

struct Bounded;

#[allow(unsafe_code, reason = "an allocator is an unsafe trait; this one only looks at the size")]
// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > MOST {
            std::process::abort();
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fn chosen() -> &'static Target {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("QUORATE_FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("QUORATE_FUZZ_TARGET={name} is no target"))
    })
}

/// Puts the seeds where the engine looks for what to begin with.
fn write_seeds() {
    let Ok(directory) = std::env::var("QUORATE_FUZZ_SEEDS") else { return };
    for (number, seed) in (chosen().seeds)().into_iter().enumerate() {
        let path = std::path::Path::new(&directory).join(format!("seed-{number}"));
        std::fs::write(&path, seed).expect("the corpus can be written");
    }
}

libfuzzer_sys::fuzz_target!(init: write_seeds(), |data: &[u8]| {
    (chosen().run)(data);
});
